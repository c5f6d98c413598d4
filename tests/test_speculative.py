"""Speculative decoding: whatever the draft guesses, the text has the target's own distribution."""

from itertools import product

import numpy as np
import pytest

from autograd import Key, log_softmax, no_grad, softmax
from tinygpt.errors import BadInput
from tinygpt.generate import (
    chain,
    generate,
    min_length,
    no_repeat_ngram,
    repetition_penalty,
    speculative_generate,
    temperature,
    top_k,
)
from tinygpt.generate.speculative import NOTHING, accept_or_redraw
from tinygpt.model import GPT, GPTConfig

pytestmark = pytest.mark.core

DRAWS, TEXTS = 2000, 200


def decided(seed, vocab_size=3, block_size=8, **changes):
    """A model whose random weights are large enough that its distributions are far from flat."""
    model = GPT(GPTConfig(vocab_size, block_size, n_layer=1, n_head=1, n_embd=4, **changes), Key(seed))
    for n, p in enumerate(model.parameters()):
        p.data = (p.data + Key(seed).fold("away", n).normal(p.shape, 0.7)).astype("float64")
    return model


def resembling(model, seed):
    """Another model, much like this one: their likeliest tokens differ at times."""
    twin = GPT(model.config, Key(seed))
    for n, (p, its) in enumerate(zip(twin.parameters(), model.parameters())):
        p.data = its.data + Key(seed).fold("apart", n).normal(p.shape, 0.15)
    return twin


TARGET, OTHER = decided(1), decided(2)


def tokens_of(speculation):
    return [each.token for each in speculation]


def assert_frequencies(counts, expected):
    """Pearson's chi-squared, which with n free cells is about n, give or take √(2n); never a cell of expectation 0."""
    counts, expected = np.asarray(counts), np.asarray(expected) * sum(counts)
    assert not counts[expected == 0].any()
    cells = expected > 0
    free = cells.sum() - 1
    assert free > 1
    statistic = ((counts - expected)[cells] ** 2 / expected[cells]).sum()
    assert statistic < free + 5 * np.sqrt(2 * free), (counts, expected)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.4, 0.2, 0.1, 0.3], [0.7, 0.1, 0.1, 0.1]),
        ([0.0, 0.5, 0.2, 0.3], [0.3, 0.7, 0.0, 0.0]),
        ([0.2, 0.0, 0.7, 0.1], [0.0, 0.4, 0.4, 0.2]),
    ],
)
def test_one_token_has_the_distribution_asked_for(p, q):
    p, q = np.array(p), np.array(q)
    guesses = np.random.default_rng(0).choice(4, DRAWS, p=q)
    tokens = [accept_or_redraw(p, q, guess, Key(1).fold(n)) for n, guess in enumerate(guesses)]
    assert_frequencies(np.bincount(tokens, minlength=4), p)
    assert np.mean(tokens == guesses) == pytest.approx(np.minimum(p, q).sum(), abs=2 / np.sqrt(DRAWS))
    assert np.abs(p - q).sum() > 0.3, "guesses alone would be distributed otherwise"


def test_without_a_guess_the_token_comes_from_the_target():
    p = np.array([0.5, 0.0, 0.2, 0.3])
    tokens = [accept_or_redraw(p, np.zeros(4), NOTHING, Key(n)) for n in range(DRAWS)]
    assert_frequencies(np.bincount(tokens, minlength=4), p)


def probability(model, prompt, new, rule):
    """Of the new tokens after the prompt, under the rule, each from a forward of its own."""
    tokens, product_of_all = list(prompt), 1.0
    for token in new:
        with no_grad():
            logits = model(np.array([tokens])).data[0, -1]
        product_of_all *= softmax(rule(logits, tokens)).data[token]
        tokens.append(token)
    return product_of_all


@pytest.mark.parametrize(
    ("rule", "ahead"),
    [
        (temperature(1.5), 1),
        (chain(repetition_penalty(1.5), top_k(2)), 4),
        (no_repeat_ngram(2), 2),
    ],
)
def test_texts_have_the_distribution_of_the_target_alone(rule, ahead):
    texts = list(product(range(3), repeat=3))
    expected = [probability(TARGET, [1, 0], text, rule) for text in texts]
    assert sum(expected) == pytest.approx(1) and max(expected) < 0.9
    counts = dict.fromkeys(texts, 0)
    for n in range(TEXTS):
        writing = speculative_generate(TARGET, OTHER, [1, 0], 3, rule, Key(n), ahead=ahead)
        counts[tuple(tokens_of(writing))] += 1
    assert_frequencies(list(counts.values()), expected)
    apart = [probability(OTHER, [1, 0], text, rule) for text in texts]
    assert np.abs(np.subtract(expected, apart)).sum() > 0.3, "the draft alone would write otherwise"


@pytest.mark.parametrize("positions", ["learned", "rotary", "alibi", "t5"])
@pytest.mark.parametrize("rule", [None, no_repeat_ngram(3), chain(repetition_penalty(2.0), temperature(0.5))])
def test_without_a_key_the_tokens_are_those_of_the_target(positions, rule):
    kept = []
    for seed, ahead in product(range(2), (1, 3, 7)):
        target = decided(seed, 7, 16, positions=positions)
        writing = speculative_generate(target, resembling(target, seed), [seed, 2], 14, rule, ahead=ahead)
        assert tokens_of(writing) == list(generate(target, [seed, 2], 14, rule))
        assert writing.readings + writing.accepted == 14
        kept.append(writing.accepted / writing.proposed)
    assert 0 < np.mean(kept) < 1


def test_a_draft_that_is_the_target_is_always_right():
    for key in (None, Key(3)):
        writing = speculative_generate(TARGET, TARGET, [2], 7, temperature(2.0), key, ahead=3)
        assert len(tokens_of(writing)) == 7
        assert (writing.accepted, writing.proposed, writing.readings) == (5, 5, 2)


def test_log_probabilities_are_the_targets():
    tokens = [0, 1]
    for token, logprob in speculative_generate(TARGET, OTHER, [0, 1], 6, top_k(2), Key(4)):
        with no_grad():
            logits = TARGET(np.array([tokens])).data[0, -1]
        assert logprob == pytest.approx(log_softmax(logits).data[token], abs=1e-12)
        tokens.append(token)
    assert len(tokens) == 8


def test_the_same_key_writes_the_same_text():
    first, again, other = (
        tokens_of(speculative_generate(decided(1, 20), decided(2, 20), [0], 7, key=Key(n))) for n in (1, 1, 2)
    )
    assert first == again != other


def test_a_stop_token_ends_the_text_and_is_not_shown():
    alone = list(generate(TARGET, [1], 7))
    stop = alone[-1]
    expected = alone[: alone.index(stop)]
    assert tokens_of(speculative_generate(TARGET, OTHER, [1], 7, stop_tokens=[stop])) == expected
    longer = tokens_of(speculative_generate(TARGET, OTHER, [1], 7, min_length(5, stop), Key(1), [stop]))
    assert stop not in longer and len(longer) >= 4


def test_a_guess_is_counted_where_it_ends_the_text():
    first = next(generate(TARGET, [1], 7))
    writing = speculative_generate(TARGET, TARGET, [1], 7, stop_tokens=[first])
    assert tokens_of(writing) == [] and (writing.accepted, writing.proposed, writing.readings) == (1, 4, 1)
    writing = speculative_generate(TARGET, TARGET, [1], 7)
    next(writing)
    assert writing.accepted == 1, "also where nobody asks for the next token"


def test_predictions_that_are_no_numbers_are_not_blamed_on_the_rules():
    broken = decided(1)
    broken.wte.weight.data[...] = np.nan
    for target, draft in ((broken, OTHER), (TARGET, broken)):
        with pytest.raises(BadInput, match="not finite"):
            tokens_of(speculative_generate(target, draft, [1], 5, top_k(2)))


def test_a_draft_with_a_shorter_context_guesses_as_long_as_it_can():
    target, draft = decided(1, 7, 24), decided(2, 7, 8)
    writing = speculative_generate(target, draft, [1], 23, ahead=5)
    assert tokens_of(writing) == list(generate(target, [1], 23))
    assert 0 < writing.proposed <= 8 * 5
    blind = speculative_generate(target, draft, [1] * 9, 5)
    assert tokens_of(blind) == list(generate(target, [1] * 9, 5)) and blind.proposed == 0


def test_a_draft_guesses_until_its_context_is_full():
    """Reading 8 tokens it guesses the ninth: 5 guesses after the first token, and 2 after the seventh."""
    target = decided(1, 7, 24, positions="rotary")
    draft = decided(1, 7, 8, positions="rotary")
    writing = speculative_generate(target, draft, [1], 23, ahead=5)
    assert tokens_of(writing) == list(generate(target, [1], 23))
    assert writing.proposed == writing.accepted == 7


def test_a_draft_that_the_rules_leave_nothing_guesses_no_further():
    """Only the target's own text may be found impossible."""
    rule = no_repeat_ngram(1)  # of three tokens, each once
    writing = speculative_generate(TARGET, OTHER, [1], 2, rule, Key(0))
    assert sorted([1, *tokens_of(writing)]) == [0, 1, 2]
    with pytest.raises(BadInput, match="exclude every token"):
        tokens_of(speculative_generate(TARGET, OTHER, [1], 3, rule, Key(0)))


@pytest.mark.parametrize(
    ("draft", "prompt", "n", "ahead", "words"),
    [
        (decided(0, 4), [1], 3, 4, "the draft has 4 tokens and the model 3"),
        (OTHER, [1], 3, 0, "ahead must be a whole number of at least 1, not 0"),
        (OTHER, [1], 3, 1.5, "ahead must be a whole number"),
        (OTHER, [1], 2.5, 4, "max_new_tokens must be a whole number"),
        (OTHER, [1.0], 3, 4, "1.0 among its ids"),
        (OTHER, [1], 8, 4, "max_new_tokens must be at most 7$"),
        (OTHER, [1] * 8, 3, 4, "the prompt has 8, so shorten it, or leave out the draft$"),
        (OTHER, [], 3, 4, "at least one token"),
        (OTHER, [3], 3, 4, "outside 0 … 2"),
        (OTHER, [1] * 9, 3, 4, "context is 8"),
    ],
)
def test_what_cannot_be_speculated_on_is_refused_at_once(draft, prompt, n, ahead, words):
    with pytest.raises(BadInput, match=words):
        speculative_generate(TARGET, draft, prompt, n, ahead=ahead)
