"""The rules that look at logits alone keep what they are defined to keep, ties included; the draw has their odds."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograd import Key, softmax
from tinygpt.errors import BadInput
from tinygpt.generate import chain, min_p, sample, temperature, top_k, top_p
from tinygpt.generate.sampling import greedy

pytestmark = pytest.mark.core

LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32))
WITH_TIES = st.lists(st.integers(-3, 3), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32))


def probabilities(logits):
    e = np.exp(logits.astype(np.float64) - logits.max())
    return e / e.sum()


@pytest.mark.parametrize("t", [1e-300, 1e-40, 1e300])
def test_extreme_temperatures_do_not_overflow_into_nonsense(t):
    logits = np.array([1.0, 3.0, 2.0], dtype=np.float32)
    tokens = {sample(temperature(t)(logits, ()), Key(n)) for n in range(50)}
    assert tokens == ({1} if t < 1 else {0, 1, 2})


@given(LOGITS | WITH_TIES, st.sets(st.integers(0, 11)), st.sampled_from([1e-310, 5e-324, 1e-300, 1e308]))
@settings(max_examples=60, deadline=None)
def test_a_tiny_temperature_leaves_the_likeliest_and_a_huge_one_all(logits, out, t):
    logits[[i for i in out if i < len(logits)]] = -np.inf
    with np.errstate(over="raise", invalid="raise"):
        divided = temperature(t)(logits, ())
    assert divided.max() < np.inf and not np.isnan(divided).any()
    np.testing.assert_array_equal(np.isneginf(divided[np.isneginf(logits)]), True)
    if np.isfinite(logits).any():
        likely = softmax(divided).data
        assert likely[logits == logits.max()] == pytest.approx(likely.max(), rel=1e-12), "ties stay ties"
        assert t < 1 or likely[np.isfinite(logits)].min() == pytest.approx(likely.max(), rel=1e-12)


def test_where_a_temperature_overflows_the_likeliest_are_left():
    logits = np.array([-3.0, -np.inf, -2.0, -2.0, -1e300])
    np.testing.assert_array_equal(temperature(1e-310)(logits, ()), [-np.inf, -np.inf, 0.0, 0.0, -np.inf])
    nothing = np.full(3, -np.inf)
    np.testing.assert_array_equal(temperature(1e-310)(nothing, ()), nothing)


@pytest.mark.parametrize("t", [0, -1, math.nan, math.inf])
def test_temperatures_that_make_no_sense(t):
    with pytest.raises(BadInput, match="temperature"):
        temperature(t)


@pytest.mark.parametrize("k", [0, -3, 1.5, math.nan, "3"])
def test_top_k_that_makes_no_sense(k):
    with pytest.raises(BadInput, match="top_k must be a whole number of at least 1"):
        top_k(k)
    assert top_k(np.int32(1))(np.array([2.0, 3.0]), ())[0] == -np.inf, "NumPy's whole numbers are whole numbers"


@pytest.mark.parametrize("p", [0, -0.5, 1.01, math.nan, math.inf])
def test_top_p_that_makes_no_sense(p):
    with pytest.raises(BadInput, match="top_p"):
        top_p(p)


@given(LOGITS, st.integers(1, 14))
@settings(max_examples=80, deadline=None)
def test_top_k_keeps_the_k_likeliest(logits, k):
    k = min(k, len(logits))
    kept = top_k(k)(logits, ())
    smallest = sorted(logits, reverse=True)[k - 1]
    for before, after in zip(logits, kept, strict=True):
        assert after == (before if before >= smallest else -np.inf)
    assert np.isfinite(kept).sum() >= k


@given(LOGITS, st.floats(0.01, 1))
@settings(max_examples=80, deadline=None)
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, p):
    kept = top_p(p)(logits, ())
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
    np.testing.assert_allclose(top_k(2)(logits, ()), [no, logits[1], no, logits[3]])
    np.testing.assert_allclose(top_p(0.5)(logits, ()), [no, logits[1], no, logits[3]])
    np.testing.assert_allclose(top_p(0.39)(logits, ()), [no, logits[1], no, no])
    np.testing.assert_allclose(top_p(0.71)(logits, ()), [no, logits[1], logits[2], logits[3]])
    np.testing.assert_array_equal(top_p(1)(logits, ()), logits)
    np.testing.assert_array_equal(top_k(4)(logits, ()), logits)
    np.testing.assert_allclose(temperature(0.5)(logits, ()), 2 * logits)


def test_equals():
    assert greedy(np.array([1.0, 2.0, 2.0])) == 1
    np.testing.assert_array_equal(top_k(1)(np.array([2.0, 1.0, 2.0]), ()), [2.0, -np.inf, 2.0])
    assert np.isfinite(top_p(0.5)(np.zeros(4), ())).sum() == 2, "the smallest set, though all are alike"


def test_rules_apply_in_the_order_given():
    logits = np.array([4.0, 2.0, 0.0])
    np.testing.assert_array_equal(chain(temperature(2.0), top_k(2))(logits, ()), [2.0, 1.0, -np.inf])
    assert np.isfinite(chain(temperature(100.0), top_p(0.5))(logits, ())).sum() == 2
    assert np.isfinite(chain(top_p(0.5), temperature(100.0))(logits, ())).sum() == 1
    np.testing.assert_array_equal(chain()(logits, ()), logits)


def test_rules_leave_what_they_were_given():
    logits = np.random.default_rng(0).normal(size=9)
    before = logits.copy()
    chain(temperature(0.7), top_k(4), top_p(0.8), min_p(0.1))(logits, ())
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize(
    "rule",
    [chain(), temperature(0.6), top_k(3), chain(temperature(1.5), top_p(0.8)), min_p(0.3)],
    ids=["plain", "t", "k", "t p", "min"],
)
def test_tokens_are_drawn_as_often_as_they_are_likely(rule):
    logits = rule(np.array([0.3, -1.0, 1.2, 0.0, 0.9, -2.0], dtype=np.float32), ())
    draws = 2000
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


def test_the_greatest_number_that_a_key_may_give_draws_a_possible_token():
    """Also where the probabilities add up to a little less than it."""

    class AlmostOne:
        def uniform(self, n):
            return np.full(n, 1 - 2.0**-53)

    assert np.cumsum(softmax(np.zeros(10)).data)[-1] <= 1 - 2.0**-53
    assert sample(np.zeros(10), AlmostOne()) == 9
    assert sample(np.array([*np.zeros(10), -np.inf]), AlmostOne()) == 9


@pytest.mark.parametrize("p", [0, -0.5, 1.01, math.nan, math.inf])
def test_min_p_that_makes_no_sense(p):
    with pytest.raises(BadInput, match="min_p"):
        min_p(p)


def test_top_k_beyond_the_vocabulary():
    with pytest.raises(BadInput, match="at most the 3 tokens of the vocabulary, not 4"):
        top_k(4)(np.zeros(3), ())


@given(LOGITS | WITH_TIES, st.floats(0.001, 1))
@example(np.array([1.0, 2.0, 2.0]), 1.0)
@settings(max_examples=80, deadline=None)
def test_min_p_keeps_what_is_likely_enough_beside_the_likeliest(logits, p):
    kept = np.isfinite(min_p(p)(logits, ()))
    assert kept[logits == logits.max()].all()
    weights = probabilities(logits)
    rounding = 1e-12
    assert (weights[kept] >= p * weights.max() * (1 - rounding)).all()
    assert (weights[~kept] <= p * weights.max() * (1 + rounding)).all()
    for value in set(logits):
        assert len(set(kept[logits == value])) == 1, "ties stay or go together"


@given(WITH_TIES, st.floats(0.01, 1), st.randoms())
@settings(max_examples=80, deadline=None)
def test_ties_under_top_p_take_the_smallest_set_and_the_lowest_ids(logits, p, random):
    kept = np.isfinite(top_p(p)(logits, ()))
    cut = logits[kept].min()
    tied = kept[logits == cut]
    assert list(tied) == sorted(tied, reverse=True), "those with lower ids stay"
    assert kept[logits > cut].all() and not kept[logits < cut].any()
    order = list(range(len(logits)))
    random.shuffle(order)
    shuffled = top_p(p)(logits[order], ())
    assert sorted(shuffled) == sorted(top_p(p)(logits, ())), "as much mass, wherever the tokens stand"


@pytest.mark.parametrize("n", [3, 7, 10, 100, 1000, 50257])  # the last is GPT-2's vocabulary
def test_top_p_counts_equal_tokens_exactly(n):
    for k in {1, n // 3 + 1, n // 2 + 1, n}:
        assert np.isfinite(top_p((k - 0.5) / n)(np.zeros(n, dtype=np.float32), ())).sum() == k


@given(WITH_TIES, st.sets(st.integers(0, 11)), st.floats(0.05, 1), st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_what_one_rule_excludes_no_later_one_brings_back(logits, out, p, k):
    before = logits.copy()
    before[[i for i in out if i < len(logits)]] = -np.inf
    for rule in (temperature(0.7), top_k(min(k, len(logits))), top_p(p), min_p(p)):
        assert np.isneginf(rule(before, ())[np.isneginf(before)]).all()


@pytest.mark.parametrize("draw", [lambda logits: sample(logits, Key(0)), greedy])
def test_nothing_to_choose_from(draw):
    with pytest.raises(BadInput, match="exclude every token"):
        draw(np.full(3, -np.inf))
    for wrong in (math.nan, math.inf):
        with pytest.raises(BadInput, match="not finite"):
            draw(np.array([0.0, wrong, 1.0]))
