"""Greedy and beam search: their laws, on models that have learned nothing and so prefer nothing."""

from itertools import product

import numpy as np
import pytest

from autograd import Key, log_softmax, no_grad
from tinygpt.errors import BadInput
from tinygpt.generate import beam_search, greedy_search
from tinygpt.generate.translate import Hypothesis
from tinygpt.model import Seq2Seq, Seq2SeqConfig
from tinygpt.text.pair_batches import pad

pytestmark = pytest.mark.core

V, BEGIN, END = 4, 0, 3
SOURCES = pad([[1, 2, 2], [2], [1, 1, 2, 2, 1], [3, 1]])


def decided(seed, **changes):
    """A model whose random weights are large enough that its distributions are far from flat."""
    model = Seq2Seq(Seq2SeqConfig(V, 8, n_layer=1, n_head=2, n_embd=8, **changes), Key(seed))
    for n, p in enumerate(model.parameters()):
        p.data += Key(seed).fold("away", n).normal(p.shape, 0.8)
    return model


def log_p(model, source, mask, target):
    with no_grad():
        logits = model(source, np.array([[BEGIN, *target[:-1]]]), mask).data[0]
    return float(log_softmax(logits.astype(np.float64)).data[np.arange(len(target)), list(target)].sum())


def all_targets(longest):
    """Every target that a search may return: ended before the longest, or cut there."""
    for length in range(longest + 1):
        for tokens in product([token for token in range(V) if token != END], repeat=length):
            yield list(tokens), length < longest


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_is_greedy(seed):
    model = decided(seed)
    for penalty in (0.0, 1.0):
        assert beam_search(model, *SOURCES, BEGIN, END, 7, 1, penalty) == greedy_search(model, *SOURCES, BEGIN, END, 7)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_wide_as_everything_is_exhaustive(seed, penalty):
    model, longest = decided(seed), 3
    found = beam_search(model, *SOURCES, BEGIN, END, longest, V**longest, penalty)
    for source, mask, best in zip(*SOURCES, found):
        scores = {}
        for tokens, ended in all_targets(longest):
            whole = [*tokens, END] if ended else tokens
            value = log_p(model, source[None], mask[None], whole)
            scores[tuple(tokens)] = Hypothesis(tokens, value, ended).score(penalty)
        assert scores[tuple(best)] == pytest.approx(max(scores.values()), abs=1e-5)


@pytest.mark.parametrize("search", [greedy_search, beam_search])
def test_together_or_alone(search):
    model = decided(1)
    together = search(model, *SOURCES, BEGIN, END, 6)
    assert together == [
        search(model, source[None, mask], mask[None, mask], BEGIN, END, 6)[0] for source, mask in zip(*SOURCES)
    ]


def test_greedy_takes_the_likeliest_token():
    model = decided(2)
    source, mask = SOURCES
    for row, target in enumerate(greedy_search(model, source, mask, BEGIN, END, 5)):
        with no_grad():
            logits = model(source[row : row + 1], np.array([[BEGIN, *target]]), mask[row : row + 1]).data[0]
        likeliest = logits.argmax(axis=-1).tolist()
        assert likeliest[: len(target)] == target and (len(target) == 5 or likeliest[len(target)] == END)


def test_the_length_penalty_of_the_paper():
    short, long = Hypothesis([1], -2.0, True), Hypothesis([1] * 6, -3.0, True)
    assert short.score(0) > long.score(0) and short.score(1) < long.score(1)
    assert long.score(1) == pytest.approx(-3.0 / 2) and Hypothesis([1] * 7, -3.0, False).score(1) == long.score(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"max_new_tokens": 9}, "9 tokens is longer than the model's context of 8"), ({"max_new_tokens": 0}, "at least 1"),
     ({"begin": V}, "begin is the id 4"), ({"end": -1}, "end is the id -1"), ({"width": 0}, "width must be")],
)  # fmt: skip
def test_searches_that_cannot_be(changes, message):
    with pytest.raises(BadInput, match=message):
        beam_search(decided(0), *SOURCES, **{"begin": BEGIN, "end": END, "max_new_tokens": 4, **changes})
    assert all(len(each) <= 9 for each in greedy_search(decided(0, positions="alibi"), *SOURCES, BEGIN, END, 9))
