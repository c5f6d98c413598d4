"""The bigram model: what is counted and what is learned are the same table."""

import math

import numpy as np
import pytest

from autograd import Key
from tinygpt.model import BigramLM, CountedBigram
from tinygpt.text.batches import Batch
from tinygpt.train import AdamW, causal_lm_loss, evaluate, train

pytestmark = pytest.mark.core


def probability(counted, a, b):
    return math.exp(-counted.nats(np.array([a, b])))


def test_an_example_by_hand():
    counted = CountedBigram(np.array([0, 1, 0, 1, 0, 2]), vocab_size=3)  # 0 is followed by 1, 1, 2; 1 by 0, 0
    assert probability(counted, 0, 1) == pytest.approx(2 / 3)
    assert probability(counted, 0, 2) == pytest.approx(1 / 3)
    assert probability(counted, 1, 0) == pytest.approx(1)
    assert counted.nats(np.array([0, 1, 0, 2])) == pytest.approx(-math.log(2 / 3 * 1 * 1 / 3))


def test_a_prior_by_hand():
    counted = CountedBigram(np.array([0, 1, 0, 1, 0, 2]), vocab_size=3, prior=9)
    single = np.array([4, 3, 2]) / 9  # each counted once more than seen
    assert probability(counted, 0, 0) == pytest.approx((0 + 9 * single[0]) / (3 + 9))
    assert probability(counted, 0, 1) == pytest.approx((2 + 9 * single[1]) / (3 + 9))
    assert probability(counted, 2, 1) == pytest.approx(single[1]), "nothing ever followed 2"


def test_an_unseen_pair_needs_a_prior():
    tokens = np.array([0, 1, 0, 1])
    for unseen in ([0, 0], [2, 0], [1, 3], [3, 3]):
        assert CountedBigram(tokens, 4).nats(np.array(unseen)) == math.inf
        assert 0 < CountedBigram(tokens, 4, prior=0.5).nats(np.array(unseen)) < math.inf


@pytest.mark.parametrize("prior", [0.01, 1, 32])
def test_probabilities_of_what_follows_add_up_to_one(prior):
    V = 11
    tokens = np.random.default_rng(0).integers(V - 1, size=60).astype(np.uint16)  # the last one never occurs
    counted = CountedBigram(tokens, V, prior)
    for a in range(V):
        assert sum(probability(counted, a, b) for b in range(V)) == pytest.approx(1)


def test_texts_too_short_to_have_a_pair():
    for tokens in ([], [1]):
        counted = CountedBigram(np.array(tokens, dtype=np.int64), 3, prior=1)
        assert counted.nats(np.array([1])) == counted.nats(np.array([], dtype=np.int64)) == 0
        assert math.isfinite(counted.nats(np.array([0, 1, 2])))


def test_counting_and_learning_agree():
    V = 6
    rng = np.random.default_rng(1)
    table = rng.dirichlet(np.full(V, 2.0), size=V)
    tokens = [0]
    for _ in range(800):
        tokens.append(rng.choice(V, p=table[tokens[-1]]))
    tokens = np.array(tokens)
    batch = Batch(tokens[None, :-1], tokens[None, 1:])
    model = BigramLM(V, Key(0))
    optimizer = AdamW(model.parameters(), beta2=0.99, weight_decay=0, grad_clip=0)
    for _ in train(model, causal_lm_loss, lambda index: batch, optimizer, 250, learning_rate=0.1):
        pass
    learned = evaluate(model, causal_lm_loss, [batch]).loss
    counted = CountedBigram(tokens, V).nats(tokens) / (len(tokens) - 1)
    assert counted <= learned + 1e-6, "no table is likelier than the counted one"
    assert learned == pytest.approx(counted, abs=1e-3)
