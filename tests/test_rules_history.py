"""The rules that look at what is written: nothing comes twice, nothing banned comes at all, no text ends too soon."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Key
from tinygpt.errors import BadInput
from tinygpt.generate import (
    banned,
    banned_words,
    chain,
    min_length,
    no_repeat_ngram,
    repetition_penalty,
    sample,
    temperature,
)
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer

pytestmark = pytest.mark.core

V = 6
TOKENS = st.lists(st.integers(0, V - 1), max_size=12)
LOGITS = st.lists(st.floats(-9, 9, width=32), min_size=V, max_size=V).map(lambda x: np.array(x, dtype=np.float32))


def excluded(rule, tokens, size=V):
    return set(np.flatnonzero(np.isneginf(rule(np.zeros(size, dtype=np.float32), tokens))).tolist())


def draw_text(rule, size, length, seed, begin=()):
    """Tokens drawn evenly from those that the rule leaves."""
    tokens = list(begin)
    for n in range(length):
        tokens.append(sample(rule(np.zeros(size, dtype=np.float32), tokens), Key(seed).fold(n)))
    return tokens


@given(LOGITS, TOKENS, st.floats(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_penalty_lowers_what_is_written_and_nothing_else(logits, tokens, theta):
    before, found = logits.copy(), repetition_penalty(theta)(logits, tokens)
    for i in range(V):
        if i in tokens:
            expected = logits[i] / theta if logits[i] > 0 else logits[i] * theta
            assert found[i] == pytest.approx(float(expected), rel=1e-6) and found[i] <= logits[i]
        else:
            assert found[i] == logits[i]
    np.testing.assert_array_equal(logits, before)
    np.testing.assert_array_equal(found, repetition_penalty(theta)(logits, sorted(set(tokens))), "once, in any order")


@given(LOGITS, TOKENS, st.floats(0.5, 5), st.floats(0.1, 5))
@settings(max_examples=50, deadline=None)
def test_a_penalty_and_a_temperature_may_change_places(logits, tokens, theta, t):
    first = chain(repetition_penalty(theta), temperature(t))(logits, tokens)
    np.testing.assert_allclose(chain(temperature(t), repetition_penalty(theta))(logits, tokens), first, rtol=1e-12)


def test_penalty_by_hand():
    logits = np.array([2.0, -1.0, 0.0, 3.0, -np.inf])
    np.testing.assert_array_equal(repetition_penalty(2.0)(logits, [4, 0, 1, 2, 0]), [1.0, -2.0, 0.0, 3.0, -np.inf])
    np.testing.assert_array_equal(repetition_penalty(1.0)(logits, [0, 1]), logits)
    np.testing.assert_array_equal(repetition_penalty(2.0)(logits, []), logits)


@given(TOKENS, st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_no_repeat_excludes_exactly_what_would_repeat(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    ends = [tuple([*tokens, i][-n:]) for i in range(V)]
    expected = {i for i, end in enumerate(ends) if len(end) == n and end in grams}
    assert excluded(no_repeat_ngram(n), tokens) == expected


@pytest.mark.parametrize(("n", "length"), [(1, 12), (2, 40), (3, 60)])
def test_a_text_without_repetition(n, length):
    tokens = draw_text(no_repeat_ngram(n), 12, length, seed=n)
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    assert len(grams) == len(set(grams))


@given(TOKENS, st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=3), max_size=4))
@settings(max_examples=100, deadline=None)
def test_banned_excludes_exactly_the_ends_of_the_sequences(tokens, sequences):
    ends = {i for i in range(V) for each in sequences if [*tokens, i][-len(each) :] == each}
    assert excluded(banned(sequences), tokens) == ends


TOKENIZER = Tokenizer.train(["the cat sat on the cat mat, then the cats sat. " * 4], 280)


def test_a_banned_word_is_written_by_no_spelling():
    spelled = [TOKENIZER.token_bytes(i) for i in range(TOKENIZER.vocab_size)]
    assert b" cat" in spelled and b"at" in spelled
    letters = [i for i, token in enumerate(spelled) if token and set(token) <= set(b" cat")]
    others = [[i] for i in range(TOKENIZER.vocab_size) if i not in letters]
    rule = chain(banned(others), banned_words(["cat"], TOKENIZER))
    free = TOKENIZER.decode(draw_text(banned(others), TOKENIZER.vocab_size, 400, seed=1))
    kept = TOKENIZER.decode(draw_text(rule, TOKENIZER.vocab_size, 400, seed=1))
    assert "cat" in free and "cat" not in kept
    assert "ca" in kept and "at" in kept and " " in kept


def test_banned_words_look_at_whole_tokens_with_and_without_a_space():
    rule = banned_words(["cat"], TOKENIZER)

    def would_end(text, *pieces):
        ids = [TOKENIZER.encode(piece) for piece in pieces]
        assert [len(each) for each in ids] == [1] * len(pieces), "one token each"
        (last,) = TOKENIZER.encode(text)
        return last in excluded(rule, [each for (each,) in ids], TOKENIZER.vocab_size)

    assert would_end(" cat") and would_end("t", "c", "a") and would_end("at", "c") and would_end("t", " ", "c", "a")
    assert not would_end("t", "a") and not would_end("c") and not would_end("t", "c", "a", "a")


def test_a_vocabulary_of_characters_without_a_space():
    tokenizer = CharTokenizer("abc")
    assert excluded(banned_words(["ab", "c", "猫"], tokenizer), [0], 3) == {1, 2}


def test_every_token_that_spells_a_banned_word_is_banned():
    class Twins:
        vocab_size = 4

        def token_bytes(self, number):
            return [b"a", b"b", b"a", b"ab"][number]

    assert excluded(banned_words(["a"], Twins()), [], 4) == {0, 2}
    assert excluded(banned_words(["ba"], Twins()), [1], 4) == {0, 2}


@pytest.mark.parametrize("prompt", [0, 3])
def test_no_text_ends_before_its_time(prompt):
    rule = min_length(prompt + 5, end=2)
    for length in range(12):
        assert excluded(rule, [1] * length) == ({2} if length < prompt + 5 else set())


@given(LOGITS, TOKENS)
@settings(max_examples=50, deadline=None)
def test_rules_leave_what_they_were_given(logits, tokens):
    before, before_tokens = logits.copy(), list(tokens)
    rules = [repetition_penalty(1.5), no_repeat_ngram(2), banned([[1], [0, 2]]), min_length(20, 3)]
    found = chain(*rules)(logits, tokens)
    np.testing.assert_array_equal(logits, before)
    assert tokens == before_tokens
    singly = [np.isneginf(rule(logits, tokens)) for rule in rules]
    np.testing.assert_array_equal(np.isneginf(found), np.any(singly, axis=0), "a chain excludes what any of it does")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        *((lambda theta=theta: repetition_penalty(theta), "repetition_penalty must be from 1e-200 to 1e")
          for theta in (0, -1.2, math.nan, math.inf, 1e-308, 1e308)),
        *((lambda n=n: no_repeat_ngram(n), "no_repeat_ngram must be a whole number")
          for n in (0, 2.5, math.nan, True, "2")),
        (lambda: banned([[1], []]), "at least one token"),
        (lambda: banned([[6]])(np.zeros(6), []), "outside 0 … 5"),
        (lambda: banned([[-1]])(np.zeros(6), []), "outside 0 … 5"),
        (lambda: banned_words(["a", ""], TOKENIZER), "at least one character"),
        *((lambda n=n: min_length(n, 0), "the minimum length must be a whole number") for n in (-1, 1.5)),
    ],
)
def test_rules_that_make_no_sense(make, words):
    with pytest.raises(BadInput, match=words):
        make()
