"""A score is the log-likelihood of every token, whatever the windows; it agrees with generation and evaluation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Key
from tinygpt.errors import BadInput
from tinygpt.generate import generate_with_logprobs, score, score_text
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import strided_windows
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer
from tinygpt.train import causal_lm_loss, evaluate

pytestmark = pytest.mark.core

T, V = 8, 19
MODEL = GPT(GPTConfig(vocab_size=V, block_size=T, n_layer=1, n_head=2, n_embd=8, dropout=0.5), Key(0))
for parameter in MODEL.parameters():
    parameter.data = parameter.data * 8


def expected(tokens, stride):
    """By definition: each token after the window that reaches it first, one forward pass a token."""
    found = []
    for place in range(1, len(tokens)):
        window = max(0, math.ceil((place - T) / stride)) * stride
        logits = MODEL(np.array([tokens[window:place]])).data[0, -1].astype(np.float64)
        found.append(logits[tokens[place]] - np.log(np.exp(logits).sum()))
    return found


@given(st.lists(st.integers(0, V - 1), min_size=2, max_size=30), st.integers(1, T))
@settings(max_examples=25, deadline=None)
def test_every_token_but_the_first_is_scored_once_with_the_context_of_its_window(tokens, stride):
    np.testing.assert_allclose(score(MODEL, tokens, stride), expected(tokens, stride), atol=1e-4)


def test_windows_meet_by_default():
    tokens = np.random.default_rng(0).integers(V, size=41)
    np.testing.assert_array_equal(score(MODEL, tokens), score(MODEL, tokens, T))


def test_the_total_is_what_evaluation_finds():
    tokens = np.random.default_rng(1).integers(V, size=100)
    for stride in (T, 3):
        nats = evaluate(MODEL, causal_lm_loss, strided_windows(tokens, 4, T, stride)).nats
        assert -score(MODEL, tokens, stride).sum() == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint64])
def test_ids_may_have_any_type_of_whole_numbers(dtype):
    tokens = np.random.default_rng(3).integers(V, size=21)
    np.testing.assert_array_equal(score(MODEL, tokens.astype(dtype)), score(MODEL, tokens.tolist()))


def test_what_a_model_writes_scores_as_it_was_written():
    written = list(generate_with_logprobs(MODEL, [1], T, key=Key(3)))
    found = score(MODEL, [1, *(each.token for each in written)])
    np.testing.assert_allclose(found, [each.logprob for each in written], atol=1e-5)


def test_many_small_batches_score_as_one(monkeypatch):
    tokens = np.random.default_rng(2).integers(V, size=60)
    whole = score(MODEL, tokens, 2)
    monkeypatch.setitem(score.__globals__, "BATCH_LOGITS", 1)
    np.testing.assert_allclose(score(MODEL, tokens, 2), whole, atol=1e-5)


def some_gpt(vocab_size):
    return GPT(GPTConfig(vocab_size=vocab_size, block_size=T, n_layer=1, n_head=1, n_embd=4), Key(1))


def test_the_first_token_of_a_text_follows_the_end_of_another():
    tokenizer = Tokenizer.train(["the cat sat " * 3], 265, special_tokens=["<|endoftext|>"])
    model, text = some_gpt(tokenizer.vocab_size), "the 猫 sat <|endoftext|>"
    found = score_text(model, tokenizer, text)
    assert found.given == [tokenizer.end_of_text] and found.tokens == tokenizer.encode(text)
    assert tokenizer.end_of_text not in found.tokens, "written in a text, its name is text"
    assert found.n_bytes == len(text.encode())
    np.testing.assert_array_equal(found.logprobs, score(model, [tokenizer.end_of_text, *tokenizer.encode(text)]))
    total = found.evaluation
    assert found.total == pytest.approx(-total.nats) and total.tokens == len(found.tokens)
    assert total.perplexity == pytest.approx(np.exp(-found.logprobs.mean()))
    assert total.bits_per_byte == pytest.approx(-found.logprobs.sum() / math.log(2) / len(text.encode()))


def test_without_an_end_of_text_the_first_token_is_given():
    tokenizer = CharTokenizer("aéb")
    found = score_text(some_gpt(3), tokenizer, "éabba")
    assert (found.given, found.tokens, found.n_bytes) == ([1], [0, 2, 2, 0], 4), "its bytes do not count either"


@pytest.mark.parametrize(
    ("tokens", "stride", "words"),
    [
        ([1], None, "1 tokens, and scoring needs at least 2"),
        ([], None, "0 tokens"),
        ([1, 19], None, "outside 0 … 18"),
        ([-1, 1], None, "outside 0 … 18"),
        ([1, 2, 3], 9, "stride must be from 1 to the context of 8, not 9"),
        ([1, 2, 3], 0, "stride"),
        ([1, 2, 3], 2.5, "stride must be a whole number"),
        ([1.5, 2], None, "type float64, and ids of tokens must be whole"),
        ([True, False], None, "type bool"),
    ],
)
def test_what_cannot_be_scored(tokens, stride, words):
    with pytest.raises(BadInput, match=words):
        score(MODEL, tokens, stride)


def test_texts_that_cannot_be_scored():
    for text, words in (("", "no text"), ("a", "at least 2"), ("a猫", "U\\+732B")):
        with pytest.raises(BadInput, match=words):
            score_text(some_gpt(3), CharTokenizer("abc"), text)
