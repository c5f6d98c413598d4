"""Positions: what each formula promises, and that a model may look further than it was trained where they go on."""

import math

import numpy as np
import pytest

from autograd import Key, Tensor, attention, no_grad
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.positions import ALiBi, LearnedPositions, RotaryPositions, SinusoidalPositions, T5Bias

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(5)


def normal(*shape):
    return Tensor(RANDOM.standard_normal(shape))


def test_learned_positions_are_the_first_rows_of_their_table():
    positions = LearnedPositions(6, 4, Key(0))
    x = normal(2, 3, 4)
    np.testing.assert_array_equal(positions.add(x).data, x.data + positions.weight.data[:3])
    positions.add(x).sum().backward()
    np.testing.assert_array_equal(positions.weight.grad, [[2] * 4] * 3 + [[0] * 4] * 3)


def test_learned_positions_end():
    with pytest.raises(BadInput, match="7 tokens is longer than the model's context of 6"):
        LearnedPositions(6, 4, Key(0)).add(normal(1, 7, 4))


@pytest.mark.parametrize("channels", [1, 6, 7])
def test_sinusoidal_positions_are_the_papers_formula(channels):
    added = SinusoidalPositions().add(Tensor(np.zeros((1, 5, channels)))).data[0]
    for t in range(5):
        for c in range(channels):
            wave = math.sin if c % 2 == 0 else math.cos
            assert added[t, c] == pytest.approx(wave(t / 10000 ** (c // 2 * 2 / channels)), abs=1e-12)


def test_a_turn_keeps_lengths_and_makes_products_depend_on_the_distance_alone():
    turn = RotaryPositions().turn
    q, k = (np.broadcast_to(normal(1, 1, 1, 6).data, (1, 1, 9, 6)) for _ in range(2))  # one vector at every place
    turned_q, turned_k = turn(Tensor(q.copy())).data[0, 0], turn(Tensor(k.copy())).data[0, 0]
    np.testing.assert_allclose(np.linalg.norm(turned_q, axis=1), np.linalg.norm(q[0, 0], axis=1), rtol=1e-12)
    scores = turned_q @ turned_k.T
    for distance in range(-8, 9):
        along = np.diagonal(scores, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scores[0, 0], q[0, 0, 0] @ k[0, 0, 0], rtol=1e-12)


def test_alibi_slopes_and_distances():
    bias = ALiBi(8).bias(2, 4, normal(1)).data
    assert bias.shape == (1, 8, 2, 4)
    np.testing.assert_allclose(bias[0, :, 1, 0], [-3 / 2**h for h in range(1, 9)])
    np.testing.assert_allclose(bias[0, 0], [[-1, -0.5, 0, -0.5], [-1.5, -1, -0.5, 0]])


class TestT5Buckets:
    def test_each_near_distance_has_one_of_its_own_and_far_ones_share(self):
        buckets = T5Bias(1, Key(0), n_buckets=8, max_distance=16).buckets(-np.arange(40), np)
        assert buckets[:4].tolist() == [0, 1, 2, 3]
        assert (np.diff(buckets) >= 0).all() and buckets[-1] == 7 and (buckets[16:] == 7).all()
        assert sorted(set(buckets.tolist())) == list(range(8))

    def test_what_comes_after_is_one_bucket_or_half_of_them(self):
        assert set(T5Bias(1, Key(0)).buckets(np.arange(50), np).tolist()) == {0}
        both = T5Bias(1, Key(0), both_sides=True)
        before, after = both.buckets(-np.arange(1, 200), np), both.buckets(np.arange(1, 200), np)
        assert both.buckets(np.array([0]), np).tolist() == [0]
        assert before.max() < 16 <= after.min() and (after - before == 16).all()


def small(positions, n_layer=2, **changes):
    return GPT(GPTConfig(11, 8, n_layer, n_head=2, n_embd=8, positions=positions, **changes), Key(3))


@pytest.mark.parametrize("positions", FORMS["positions"])
class TestModels:
    def test_the_future_changes_nothing(self, positions):
        model, ids = small(positions), RANDOM.integers(11, size=(2, 8))
        changed = ids.copy()
        changed[:, 5:] = (ids[:, 5:] + 1) % 11
        with no_grad():
            before, after = model(ids).data, model(changed).data
        np.testing.assert_array_equal(before[:, :5], after[:, :5])
        assert not np.array_equal(before[:, 5:], after[:, 5:])

    def test_order_matters_where_there_are_positions(self, positions):
        model = small(positions, n_layer=1)  # a second causal layer would learn it from what the first could see
        for matrix in filter(lambda p: p.decays, model.parameters()):
            matrix.data *= 20  # a fresh model's attention is nearly even
        ids = np.array([[1, 2, 3, 4]])
        with no_grad():
            last, shuffled = (model(each).data[0, -1] for each in (ids, ids[:, [1, 0, 2, 3]]))
        assert np.allclose(last, shuffled, atol=1e-4) == (positions == "none")

    def test_longer_than_trained(self, positions):
        model, ids = small(positions), RANDOM.integers(11, size=(1, 13))
        if positions == "learned":
            with pytest.raises(BadInput, match="context of 8"):
                model(ids)
            return
        with no_grad():
            np.testing.assert_allclose(model(ids).data[:, :8], model(ids[:, :8]).data, atol=1e-6)

    def test_the_last_query_alone_sees_what_it_saw_among_all(self, positions):
        """A bias is aligned to the lower right, as causal attention is: this is how a cache works."""
        at = small(positions).wpe
        q, k, v = (normal(1, 2, 6, 4) for _ in range(3))
        whole = attention(q, k, v, bias=at.bias(6, 6, q), causal=True).data
        alone = attention(Tensor(q.data[:, :, -1:]), k, v, bias=at.bias(1, 6, q), causal=True).data
        np.testing.assert_allclose(whole[:, :, -1:], alone, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": "absolute"}, "positions must be one of learned"),
        ({"norm": "batch"}, "norm must be one of layer, rms"),
        ({"activation": "swish"}, "activation must be one of"),
        ({"n_kv_head": 3}, "no multiple of n_kv_head 3"),
        ({"n_kv_head": 0}, "n_kv_head must be a whole number of at least 1"),
        ({"n_inner": 2.5}, "n_inner must be a whole number"),
        ({"pre_norm": 1}, "pre_norm must be true or false"),
        ({"norm_eps": 0}, "norm_eps must be above 0"),
        ({"positions": "rotary", "head_size": 3}, "pairs of channels"),
    ],
)
def test_configurations_that_make_no_model(changes, message):
    with pytest.raises(BadInput, match=message):
        GPTConfig(11, n_head=2, n_embd=8, **changes)


@pytest.mark.parametrize(
    ("changes", "fewer"),
    [({"n_kv_head": 1}, 2 * 8 * 4 * 2 + 2 * 8), ({"norm": "rms"}, 5 * 8), ({"tied": False}, -11 * 8)],
)
def test_parameters_of_other_forms(changes, fewer):
    """Two layers, 8 channels, two heads of 4: what each form has fewer of than the plain one."""
    assert small("learned").n_params - small("learned", **changes).n_params == fewer
