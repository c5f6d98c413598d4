"""Generation: the rules keep what they are defined to keep, the draw has the right odds, and a key is a text."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Key
from tinygpt.errors import BadInput
from tinygpt.generate import chain, generate, sample, temperature, top_k, top_p
from tinygpt.generate.sampling import greedy
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.tokenizer import StreamDecoder, Tokenizer

pytestmark = pytest.mark.core

MODEL = GPT(GPTConfig(vocab_size=19, block_size=8, n_layer=1, n_head=2, n_embd=8, dropout=0.5), Key(0))
for parameter in MODEL.parameters():  # a fresh model hardly prefers anything
    parameter.data = parameter.data * 8

LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32))


def probabilities(logits):
    e = np.exp(logits.astype(np.float64) - logits.max())
    return e / e.sum()


def write(n=20, prompt=(1,), **options):
    return list(generate(MODEL, list(prompt), n, **options))


def test_without_a_key_the_likeliest_token_is_taken():
    assert write() == write() == write(rule=temperature(3.0)) == write(key=Key(1), rule=top_k(1))
    tokens = [1]
    for _ in range(7):
        tokens.append(int(MODEL(np.array([tokens])).data[0, -1].argmax()))
    assert write(7) == tokens[1:]


def test_the_same_key_writes_the_same_text():
    assert write(key=Key(5)) == write(key=Key(5))
    assert write(key=Key(5)) != write(key=Key(6))
    assert write(30, key=Key(5))[:20] == write(20, key=Key(5)), "a longer text begins like the shorter one"


def test_a_low_temperature_is_greedy():
    assert write(key=Key(2), rule=temperature(1e-4)) == write()
    assert write(40, key=Key(2), rule=temperature(1e9)) != write(40)
    assert len(set(write(200, key=Key(2), rule=temperature(1e9)))) == 19, "a high one is blind"


@pytest.mark.parametrize("t", [1e-300, 1e-40, 1e300])
def test_extreme_temperatures_do_not_overflow_into_nonsense(t):
    logits = np.array([1.0, 3.0, 2.0], dtype=np.float32)
    tokens = {sample(temperature(t)(logits), Key(n)) for n in range(50)}
    assert tokens == ({1} if t < 1 else {0, 1, 2})


def test_a_text_goes_on_beyond_the_context():
    tokens = [3, *write(40, prompt=(3,))]
    for n in range(8, 40):
        window = np.array([tokens[n - 8 : n]])
        assert tokens[n] == int(MODEL(window).data[0, -1].argmax())


def test_a_prompt_as_long_as_the_context_is_read_whole():
    prompt = [1, 2, 3, 4, 5, 6, 7, 8]
    assert write(1, prompt=prompt) == [int(MODEL(np.array([prompt])).data[0, -1].argmax())]


def test_tokens_come_one_by_one():
    asked = []
    stream = generate(MODEL, [1], 10**9, rule=lambda logits: asked.append(1) or logits)
    assert not asked
    next(stream)
    next(stream)
    assert len(asked) == 2


def test_stop_tokens_end_the_text_and_are_not_part_of_it():
    whole = write(30, key=Key(3))
    for stop in (whole[0], whole[10]):
        assert write(30, key=Key(3), stop_tokens=[stop]) == whole[: whole.index(stop)]
    assert write(30, key=Key(3), stop_tokens={whole[4], whole[9]}) == whole[: min(map(whole.index, whole[4:10:5]))]
    assert write(0) == []


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ([], "at least one token"),
        (list(range(9)), "9 tokens, and the context is 8"),
        ([19], r"outside 0 … 18"),
        ([-1], r"outside 0 … 18"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused(prompt, words):
    with pytest.raises(BadInput, match=words):
        write(prompt=prompt)


@pytest.mark.parametrize("t", [0, -1, math.nan, math.inf])
def test_temperatures_that_make_no_sense(t):
    with pytest.raises(BadInput, match="temperature"):
        temperature(t)


@pytest.mark.parametrize("rule", [lambda: top_k(0), lambda: top_k(-3)])
def test_top_k_that_makes_no_sense(rule):
    with pytest.raises(BadInput, match="top_k"):
        rule()


@pytest.mark.parametrize("p", [0, -0.5, 1.01, math.nan, math.inf])
def test_top_p_that_makes_no_sense(p):
    with pytest.raises(BadInput, match="top_p"):
        top_p(p)


@given(LOGITS, st.integers(1, 14))
@settings(max_examples=150, deadline=None)
def test_top_k_keeps_the_k_likeliest(logits, k):
    kept = top_k(k)(logits)
    smallest = sorted(logits, reverse=True)[min(k, len(logits)) - 1]
    for before, after in zip(logits, kept, strict=True):
        assert after == (before if before >= smallest else -np.inf)
    assert np.isfinite(kept).sum() >= min(k, len(logits))


@given(LOGITS, st.floats(0.01, 1))
@settings(max_examples=150, deadline=None)
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, p):
    kept = top_p(p)(logits)
    chosen = np.isfinite(kept)
    np.testing.assert_array_equal(kept[chosen], logits[chosen])
    weights = probabilities(logits)
    assert chosen.any()
    if not chosen.all():
        assert weights[chosen].min() >= weights[~chosen].max(), "no likelier token is left out"
    rounding = 1e-5
    assert weights[chosen].sum() >= p - rounding
    if chosen.sum() > 1:
        assert weights[chosen].sum() - weights[chosen].min() < p + rounding, "one fewer would not reach p"


def test_rules_by_hand():
    logits = np.log(np.array([0.1, 0.4, 0.2, 0.3]))
    no = -np.inf
    np.testing.assert_allclose(top_k(2)(logits), [no, logits[1], no, logits[3]])
    np.testing.assert_allclose(top_p(0.5)(logits), [no, logits[1], no, logits[3]])
    np.testing.assert_allclose(top_p(0.39)(logits), [no, logits[1], no, no])
    np.testing.assert_allclose(top_p(0.71)(logits), [no, logits[1], logits[2], logits[3]])
    np.testing.assert_array_equal(top_p(1)(logits), logits)
    np.testing.assert_array_equal(top_k(4)(logits), logits)
    np.testing.assert_allclose(temperature(0.5)(logits), 2 * logits)


def test_equals():
    assert greedy(np.array([1.0, 2.0, 2.0])) == 1
    np.testing.assert_array_equal(top_k(1)(np.array([2.0, 1.0, 2.0])), [2.0, -np.inf, 2.0])
    assert np.isfinite(top_p(0.5)(np.zeros(4))).sum() == 2, "the smallest set, though all are alike"


def test_rules_apply_in_the_order_given():
    logits = np.array([4.0, 2.0, 0.0])
    np.testing.assert_array_equal(chain(temperature(2.0), top_k(2))(logits), [2.0, 1.0, -np.inf])
    assert np.isfinite(chain(temperature(100.0), top_p(0.5))(logits)).sum() == 2
    assert np.isfinite(chain(top_p(0.5), temperature(100.0))(logits)).sum() == 1
    np.testing.assert_array_equal(chain()(logits), logits)


def test_rules_leave_what_they_were_given():
    logits = np.random.default_rng(0).normal(size=9)
    before = logits.copy()
    chain(temperature(0.7), top_k(4), top_p(0.8))(logits)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize(
    "rule", [chain(), temperature(0.6), top_k(3), chain(temperature(1.5), top_p(0.8))], ids=["plain", "t", "k", "t p"]
)
def test_tokens_are_drawn_as_often_as_they_are_likely(rule):
    logits = rule(np.array([0.3, -1.0, 1.2, 0.0, 0.9, -2.0], dtype=np.float32))
    draws = 4000
    counts = np.bincount([sample(logits, Key(7).fold("token", n)) for n in range(draws)], minlength=6)
    expected = draws * probabilities(logits)
    possible = expected > 0
    assert not counts[~possible].any()
    chi_squared = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert chi_squared < 20.5, "5 degrees of freedom exceed 20.5 once in a thousand times"


def test_a_token_without_probability_is_never_drawn():
    logits = np.full(7, -np.inf)
    logits[4] = -1000.0
    assert {sample(logits, Key(n)) for n in range(100)} == {4}


def test_the_least_number_that_a_key_may_give_draws_a_possible_token():
    class Zero:
        def uniform(self, n):
            return np.zeros(n)

    assert sample(np.array([-np.inf, -np.inf, 0.0, 0.0]), Zero()) == 2


def test_a_stream_never_shows_half_a_character():
    tokenizer = Tokenizer.train(["äöü 猫 😀 naïve café " * 3], 300)
    rng = np.random.default_rng(0)
    for _ in range(60):
        ids = rng.integers(tokenizer.vocab_size, size=40).tolist()
        decoder, shown = StreamDecoder(tokenizer), ""
        for n, token in enumerate(ids, start=1):
            shown += decoder.push(token)
            assert tokenizer.decode(ids[:n]).startswith(shown)
        assert shown + decoder.finish() == tokenizer.decode(ids)


def test_a_stream_shows_a_character_as_soon_as_it_is_whole():
    tokenizer = Tokenizer()
    text = "aé猫😀"
    decoder = StreamDecoder(tokenizer)
    assert [decoder.push(i) for i in tokenizer.encode(text)] == ["a", "", "é", "", "", "猫", "", "", "", "😀"]
    assert decoder.finish() == ""
