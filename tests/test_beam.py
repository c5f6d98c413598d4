"""Greedy and beam search: their laws, on models that continue and that translate and have learned nothing."""

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest

from autograd import Key, log_softmax, no_grad
from tinygpt.errors import BadInput
from tinygpt.generate import (
    Beginnings,
    beam,
    beam_search,
    chain,
    continuations,
    generate,
    greedy_search,
    min_length,
    next_logits,
    no_repeat_ngram,
    power_penalty,
    temperature,
    translations,
    wu_penalty,
)
from tinygpt.model import GPT, GPTConfig, Seq2Seq, Seq2SeqConfig
from tinygpt.text.batches import pad

pytestmark = pytest.mark.core

V, BEGIN, END, T = 4, 0, 3, 8
SOURCES = pad([[1, 2, 2], [2], [1, 1, 2, 2, 1], [3, 1]])
PROMPTS = [[1, 2], [2, 2], [0, 1]]
KINDS = ("gpt", "seq2seq")
PENALTIES = {
    "wu 0": wu_penalty(0.0),
    "wu 0.6": wu_penalty(0.6),
    "power 1": power_penalty(1.0),
    "power -1": power_penalty(-1.0),
}
FORMS = [{}, {"positions": "t5", "n_kv_head": 1}, {"positions": "rotary", "pre_norm": False}]


def decided(kind, seed, vocab_size=V, **changes):
    """A model whose random weights are large enough that its distributions are far from flat."""
    form = {"n_layer": 1, "n_head": 2, "n_embd": 8, **changes}
    if kind == "seq2seq":
        model = Seq2Seq(Seq2SeqConfig(vocab_size, T, **form), Key(seed))
    else:
        model = GPT(GPTConfig(vocab_size, T, **form), Key(seed))
    for n, p in enumerate(model.parameters()):
        p.data = p.data.astype("float64") + Key(seed).fold("away", n).normal(p.shape, 0.8)
    return model


def beginnings(model, longest, only=slice(None), rule=None):
    if isinstance(model, GPT):
        return continuations(model, PROMPTS[only], longest, rule)
    source, mask = (each[only] for each in SOURCES)
    return translations(model, source, mask, BEGIN, longest, rule)


def log_p(model, number, target, rule=None):
    """Σ log p of a target's tokens, its text read again and again, and whole."""
    given, total = (PROMPTS[number] if isinstance(model, GPT) else [BEGIN]), 0.0
    for n, token in enumerate(target):
        tokens = [*given, *target[:n]]
        with no_grad():
            if isinstance(model, GPT):
                logits = next_logits(model, tokens)
            else:
                source, mask = (each[number : number + 1] for each in SOURCES)
                logits = model(source, np.array([tokens]), mask).data[0, -1]
        total += float(log_softmax(rule(logits, tokens) if rule else logits).data[token])
    return total


@cache
def the_model(kind):
    return decided(kind, 5)


@cache
def known_log_p(kind, number, target):
    return log_p(the_model(kind), number, target)


def all_texts(longest, ends=(END,)):
    """Every text that a search may return, as (tokens, its end): ended before the longest, or cut there."""
    for length in range(longest + 1):
        for tokens in product([token for token in range(V) if token not in ends], repeat=length):
            yield from [(list(tokens), [])] if length == longest else [(list(tokens), [end]) for end in ends]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_a_beam_of_one_is_greedy(kind, seed, early_stopping):
    model = decided(kind, seed)
    found = beam_search(beginnings(model, 7), [END], 1, power_penalty(2.0), early_stopping)
    assert [len(each) for each in found] == [1] * len(found)
    assert [each[0].tokens for each in found] == greedy_search(beginnings(model, 7), [END])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("ends", [(END,), (1, END), ()])
def test_a_beam_as_wide_as_everything_is_exhaustive(kind, penalty, early_stopping, ends):
    """It finds every text, in the order of their scores."""
    model, longest = the_model(kind), 3
    texts, score = list(all_texts(longest, ends)), PENALTIES[penalty]
    found = beam_search(beginnings(model, longest), ends, V**longest, score, early_stopping)
    for number, hypotheses in enumerate(found):
        expected = []
        for tokens, end in texts:
            value = known_log_p(kind, number, tuple(tokens + end))
            expected.append((score(value, len(tokens + end)), value, tokens, bool(end)))
        expected.sort(key=lambda each: -each[0])
        assert len(hypotheses) == len(expected) > 20
        for one, (value, log_probability, tokens, ended) in zip(hypotheses, expected):
            assert one.tokens == tokens and one.ended == ended
            assert (one.score, one.log_probability) == pytest.approx((value, log_probability), abs=1e-9)


def plain_beam(kind, number, longest, ends, width, score):
    """The search as its formula has it, which nothing stops: each step compares every continuation."""
    live, found = [()], []
    for length in range(1, longest + 1):
        texts = [(*tokens, token) for tokens in live for token in range(V)]
        likeliest = sorted(((known_log_p(kind, number, text), text) for text in texts), reverse=True)
        found += [each for each in likeliest[:width] if each[1][-1] in ends or length == longest]
        live = [text for _, text in likeliest if text[-1] not in ends][:width]
    return [text for _, text in sorted(found, key=lambda each: -score(each[0], len(each[1])))[:width]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("ends", [(END,), (1, END)])
def test_a_beam_goes_on_with_as_many_as_it_is_wide(kind, width, ends):
    """However many of the likeliest have ended; long texts are favoured, as those that go on must be found."""
    longest, score = 5, power_penalty(2.0)
    found = beam_search(beginnings(the_model(kind), longest), ends, width, score, "never")
    for number, hypotheses in enumerate(found):
        expected = plain_beam(kind, number, longest, ends, width, score)
        without_end = [list(text[:-1] if text[-1] in ends else text) for text in expected]
        assert [each.tokens for each in hypotheses] == without_end


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_hypothesis_is_as_likely_as_it_says(kind, form):
    """With beams that branch, end and are copied, on caches; a GPT beyond its context, too."""
    model, longest = decided(kind, 3, **form), 8
    for number, hypotheses in enumerate(beam_search(beginnings(model, longest), [END], 3, early_stopping="never")):
        assert 0 < len(hypotheses) <= 3
        assert [each.score for each in hypotheses] == sorted((each.score for each in hypotheses), reverse=True)
        assert len({tuple(each.tokens) for each in hypotheses}) == len(hypotheses)
        for each in hypotheses:
            target = [*each.tokens, END] if each.ended else each.tokens
            assert len(target) == longest or each.ended
            assert each.log_probability == pytest.approx(log_p(model, number, target), abs=1e-9)
            assert each.score == wu_penalty(0.6)(each.log_probability, len(target))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_what_stops_a_search(kind, penalty, monkeypatch):
    """Stopping where nothing better can come changes nothing; stopping sooner never finds better."""
    models = [decided(kind, seed) for seed in range(4)]

    def searched(early_stopping):
        arguments = [END], 2, PENALTIES[penalty], early_stopping
        return [found for model in models for found in beam_search(beginnings(model, 6), *arguments)]

    soon, guessed, certain = searched(True), searched(False), searched("never")
    monkeypatch.setattr(beam._Search, "_may_find_more", lambda *_: True)
    assert tokens(certain) == tokens(searched(True))
    for each in (soon, guessed):
        assert all(few[0].score <= whole[0].score + 1e-9 for few, whole in zip(each, certain))
    assert tokens(soon) != tokens(certain) or penalty == "power -1", "how a search stops is seen nowhere"


class Told:
    """In place of a model: the probabilities of the next token after the tokens that were written."""

    def __init__(self, after):
        self.after = after

    def __call__(self, texts):
        with np.errstate(divide="ignore"):
            return np.log([self.after[tuple(text[1:])] for text in texts])

    def keep(self, rows):
        pass


def test_a_search_stops_where_what_is_open_would_score_no_better_now():
    """1 1 is then as likely as the worse of two results. It would end as the best, as the score rises with length."""
    told = Told({(): [0, 0.5, 0.5], (1,): [0.5, 0.5, 0], (2,): [0.6, 0.2, 0.2], (1, 1): [1, 0, 0],
                 (2, 1): [1, 0, 0], (2, 2): [1, 0, 0]})  # fmt: skip
    for early_stopping, expected in ((False, [[2], [1]]), ("never", [[1, 1], [2]])):
        texts = Beginnings(told, np.array([[0]]), 3, 4)
        (found,) = beam_search(texts, [0], 2, power_penalty(1.0), early_stopping)
        assert [each.tokens for each in found] == expected


def tokens(found):
    return [[each.tokens for each in hypotheses] for hypotheses in found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 3])
def test_together_or_alone(kind, width):
    model = decided(kind, 1)
    together = beam_search(beginnings(model, 6), [END], width)
    for number, hypotheses in enumerate(together):
        (alone,) = beam_search(beginnings(model, 6, slice(number, number + 1)), [END], width)
        assert [each.tokens for each in hypotheses] == [each.tokens for each in alone]


def test_greedy_is_what_generate_writes():
    """Within the context of 8 and beyond it."""
    for seed, n in product(range(3), (4, 20)):
        model = decided("gpt", seed, vocab_size=11)
        expected = [list(generate(model, prompt, n, stop_tokens=[END])) for prompt in PROMPTS]
        assert greedy_search(continuations(model, PROMPTS, n), [END]) == expected


def test_greedy_takes_the_likeliest_token():
    model = decided("seq2seq", 2)
    source, mask = SOURCES
    for row, target in enumerate(greedy_search(beginnings(model, 5), [END])):
        with no_grad():
            logits = model(source[row : row + 1], np.array([[BEGIN, *target]]), mask[row : row + 1]).data[0]
        likeliest = logits.argmax(axis=-1).tolist()
        assert likeliest[: len(target)] == target and (len(target) == 5 or likeliest[len(target)] == END)


@pytest.mark.parametrize("kind", KINDS)
def test_rules_come_before_the_probabilities(kind):
    model = decided(kind, 4)
    rule = chain(no_repeat_ngram(2), min_length(5, END), temperature(2.0))
    for number, hypotheses in enumerate(beam_search(beginnings(model, 6, rule=rule), [END], 3)):
        for each in hypotheses:
            given = PROMPTS[number] if kind == "gpt" else [BEGIN]
            text = [*given, *each.tokens]
            pairs = list(pairwise(text))
            assert len(set(pairs)) == len(pairs) and len(text) >= 5
            target = [*each.tokens, END] if each.ended else each.tokens
            assert each.log_probability == pytest.approx(log_p(model, number, target, rule), abs=1e-9)


def test_a_rule_that_leaves_few():
    """Fewer than the beam holds are found where there are fewer; none at all is said."""
    model, allowed = decided("gpt", 0), np.array([0, -np.inf, -np.inf, 0])
    few = beam_search(beginnings(model, 2, rule=lambda logits, tokens: logits + allowed), [END], 9)
    assert [sorted(each.tokens for each in found) for found in few] == [[[], [0], [0, 0]]] * len(PROMPTS)
    for search in (greedy_search, beam_search):
        with pytest.raises(BadInput, match="exclude every token"):
            search(beginnings(model, 4, rule=lambda logits, tokens: logits + (-np.inf if len(tokens) > 3 else 0)), [])


def test_predictions_that_are_no_numbers():
    model = decided("gpt", 0)
    model.wte.weight.data[...] = np.nan
    with pytest.raises(BadInput, match="not finite"):
        beam_search(beginnings(model, 4), [END])


def test_the_length_penalties():
    for penalty in (wu_penalty, power_penalty):
        assert penalty(0)(-2.0, 2) == -2.0
    assert wu_penalty(1)(-3.0, 7) == pytest.approx(-3.0 / 2)
    assert power_penalty(1)(-3.0, 6) == pytest.approx(-0.5)
    assert wu_penalty(1)(-2.0, 2) < wu_penalty(1)(-3.0, 7) and wu_penalty(0)(-2.0, 2) > wu_penalty(0)(-3.0, 7)


@pytest.mark.parametrize("penalty", [wu_penalty, power_penalty])
def test_length_penalties_that_no_text_could_have(penalty):
    for alpha in (16.5, -17, 1e6, -1e308, np.nan, np.inf):
        with pytest.raises(BadInput, match="length_penalty must be from -16 to 16"):
            penalty(alpha)
    for alpha in (16, -16):
        assert -np.inf < penalty(alpha)(-1e9, 2**62) <= 0


def test_memory_is_that_of_the_caches():
    """Self attention's for prompt and new tokens but the last, and for each beam; cross attention's for the source."""
    texts = beginnings(decided("gpt", 0, n_layer=2), 5)
    texts.log_probabilities()
    assert texts.n_bytes == 2 * 2 * 3 * 2 * 6 * 4 * 8
    texts = beginnings(decided("seq2seq", 0), 5)
    assert texts.n_bytes == 2 * 4 * 2 * (5 + 5) * 4 * 8 + 4 * 5
    texts.keep(np.array([0, 0, 3]), np.array([1, 2, 1]))
    assert texts.n_bytes == 2 * 3 * 2 * (5 + 5) * 4 * 8 + 3 * 5


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [("seq2seq", {"longest": 9}, "9 tokens is longer than the model's context of 8"),
     ("seq2seq", {"longest": 0}, "at least 1"), ("gpt", {"longest": 0}, "at least 1"), ("gpt", {"end": -1}, "id -1"),
     ("seq2seq", {"end": V}, "end is the id 4"), ("gpt", {"width": 0}, "width must be"),
     ("gpt", {"width": 2.5}, "width must be a whole"), ("gpt", {"longest": 2.5}, "max_new_tokens must be a whole"),
     ("gpt", {"early_stopping": "ever"}, "early_stopping must be")],
)  # fmt: skip
def test_searches_that_cannot_be(kind, changes, message):
    given = {"longest": 4, "end": END, "width": 2, "early_stopping": True, **changes}
    with pytest.raises(BadInput, match=message):
        texts = beginnings(decided(kind, 0), given["longest"])
        beam_search(texts, [given["end"]], given["width"], early_stopping=given["early_stopping"])


@pytest.mark.parametrize(
    ("prompts", "message"),
    [([], "one length"), ([[]], "at least one token"), ([[1], [1, 2]], r"\[1, 2\]"), ([[1] * 9], "context is 8"),
     ([[1, V]], "ids outside 0 … 3"), ([[-1]], "ids outside 0 … 3"), ([[1.5]], "1.5 among its ids")],
)  # fmt: skip
def test_prompts_that_cannot_be_read(prompts, message):
    with pytest.raises(BadInput, match=message):
        continuations(decided("gpt", 0), prompts, 4)


def test_sources_without_a_mask_are_real_throughout():
    """Of a vocabulary of their own, too: it has 9 tokens, and that of the target 4."""
    model = decided("seq2seq", 2, source_vocab_size=9)
    source = np.array([[8, 5, 1], [4, 7, 7], [8, 5, 1]])
    without, masked = (
        [[(each.tokens, round(each.log_probability, 9)) for each in found] for found in beam_search(texts, [END], 3)]
        for texts in (translations(model, source, mask, BEGIN, 6) for mask in (None, np.ones((3, 3), dtype=bool)))
    )
    assert without == masked and without[0] == without[2] != without[1]


def test_sources_that_cannot_be_begun():
    with pytest.raises(BadInput, match="begin is the id 4"):
        translations(decided("seq2seq", 0), *SOURCES, V, 4)
    endless = decided("seq2seq", 0, positions="alibi")
    assert all(len(each) <= 9 for each in greedy_search(translations(endless, *SOURCES, BEGIN, 9), [END]))
