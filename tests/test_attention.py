"""Laws of attention: who sees whom, at every depth, and what that costs in memory.

B batch, H heads, G key heads, Tq queries, Tk keys, D channels of a head.
"""

import math
import tracemalloc

import numpy as np
import pytest

import autograd as ag
from autograd import Key, Tensor
from autograd.kernels import DEPTHS
from autograd.kernels.on_numpy.attention import KEPT, QUERIES, kept_weights
from tinygpt.model.masks import additive, causal_mask

pytestmark = pytest.mark.core


@pytest.fixture(params=DEPTHS, autouse=True)
def depth(request):
    with ag.use(request.param):
        yield request.param


def normal(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def qkv(b=2, h=2, g=2, tq=6, tk=6, d=4):
    return normal(b, h, tq, d), normal(b, g, tk, d, seed=1), normal(b, g, tk, d, seed=2)


def with_gradients(q, k, v, bias=None, **options):
    """The result and the gradients of everything, against a random cotangent."""
    leaves = [Tensor(a.copy(), requires_grad=True) for a in (q, k, v, *([] if bias is None else [bias]))]
    y = ag.attention(*leaves[:3], bias=leaves[3] if bias is not None else None, **options)
    y.backward(normal(*y.shape, seed=3))
    return [y.data, *(leaf.grad for leaf in leaves)]


def assert_all_close(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


class TestKnownNumbers:
    """Worked by hand: D = 1, so that no scaling hides; keys log 1, log 2, log 3 give weights 1 : 2 : 3."""

    Q = np.ones((1, 1, 3, 1))
    K = np.log([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    V = np.array([6.0, 12.0, 24.0]).reshape(1, 1, 3, 1)

    def result(self, **options):
        return ag.attention(self.Q, self.K, self.V, **options).data.reshape(-1)

    def test_plain(self):
        np.testing.assert_allclose(self.result(), [(6 + 24 + 72) / 6] * 3)

    def test_causal(self):
        np.testing.assert_allclose(self.result(causal=True), [6, 10, 17])

    def test_mask_is_true_where_a_query_may_look(self):
        mask = np.array([[True, False, False], [False, True, True], [True, False, True]])
        np.testing.assert_allclose(self.result(mask=mask), [6, 96 / 5, 78 / 4])
        inverted = self.result(mask=~mask)
        np.testing.assert_allclose(inverted, [96 / 5, 6, 12])
        assert not np.isclose(inverted, self.result(mask=mask)).any(), "an inverted mask must not pass"

    def test_bias_is_added_to_the_scores(self):
        np.testing.assert_allclose(self.result(bias=-self.K.reshape(3)), [14] * 3)

    def test_scores_are_divided_by_the_root_of_the_width(self):
        q, k = np.full((1, 1, 1, 4), 1.0), np.zeros((1, 1, 2, 4))
        k[0, 0, 1] = math.log(3) / 2  # q·k = 4 · log 3 / 2, over √4: log 3
        v = np.array([4.0, 8.0]).reshape(1, 1, 2, 1)
        np.testing.assert_allclose(ag.attention(q, k, v).data.reshape(-1), [(4 + 3 * 8) / 4])


class TestCausality:
    @pytest.mark.parametrize("tk", [6, 9, 200])
    def test_a_changed_future_leaves_earlier_results_bit_equal(self, tk):
        q, k, v = qkv(tq=min(tk, 150), tk=tk)
        offset = tk - q.shape[2]
        before = ag.attention(q, k, v, causal=True).data
        for cut in (offset + 1, tk - 1):
            k2, v2 = k.copy(), v.copy()
            k2[:, :, cut:] += 100
            v2[:, :, cut:] = -v2[:, :, cut:]
            after = ag.attention(q, k2, v2, causal=True).data
            np.testing.assert_array_equal(after[:, :, : cut - offset], before[:, :, : cut - offset])
            assert (after[:, :, cut - offset :] != before[:, :, cut - offset :]).any(axis=(1, 3)).all()

    @pytest.mark.parametrize(("tq", "tk"), [(6, 6), (3, 6), (6, 3), (1, 5), (140, 150)])
    def test_causal_is_the_mask_and_the_matrix_that_is_added(self, tq, tk):
        arrays = qkv(tq=tq, tk=tk)
        mask = causal_mask(tq, tk, arrays[0])
        causal = with_gradients(*arrays, causal=True)
        assert_all_close(with_gradients(*arrays, mask=mask), causal)
        assert_all_close(with_gradients(*arrays, bias=additive(mask))[:4], causal)

    def test_aligned_to_the_lower_right(self):
        """The last queries of a whole sequence, asked alone against all keys, as a cache asks them."""
        q, k, v = qkv(tq=7, tk=7)
        whole = ag.attention(q, k, v, causal=True).data
        for last in (1, 3):
            np.testing.assert_allclose(ag.attention(q[:, :, -last:], k, v, causal=True).data, whole[:, :, -last:])
        np.testing.assert_array_equal(causal_mask(2, 4, q), [[True, True, True, False], [True, True, True, True]])

    def test_one_query_sees_every_key(self):
        arrays = qkv(tq=1, tk=5)
        assert_all_close(with_gradients(*arrays, causal=True), with_gradients(*arrays))


class TestMasks:
    def test_padding_changes_nothing(self):
        q, k, v = qkv(tk=6)
        whole = with_gradients(q, k, v)
        garbage = 1e3 * normal(2, 2, 3, 4, seed=9)
        padded = with_gradients(
            q, np.concatenate([k, garbage], axis=2), np.concatenate([v, garbage], axis=2), mask=np.arange(9) < 6
        )
        assert_all_close([padded[0], padded[1], padded[2][:, :, :6], padded[3][:, :, :6]], whole)
        assert not padded[2][:, :, 6:].any() and not padded[3][:, :, 6:].any()

    def test_a_row_that_may_look_nowhere_gives_0_and_no_gradient(self):
        q, k, v = qkv()
        mask = np.ones((6, 6), dtype=bool)
        mask[2] = False
        y, dq, dk, dv = with_gradients(q, k, v, mask=mask)
        assert not y[:, :, 2].any() and not dq[:, :, 2].any()
        others = [i for i in range(6) if i != 2]
        leaves = [Tensor(a, requires_grad=True) for a in (q[:, :, others], k, v)]
        ag.attention(*leaves).backward(normal(*y.shape, seed=3)[:, :, others])
        assert_all_close([dk, dv], [leaves[1].grad, leaves[2].grad])

    def test_nobody_may_look_anywhere(self):
        for array in with_gradients(*qkv(), mask=np.zeros((6, 6), dtype=bool), bias=normal(6, 6)):
            assert not array.any()

    def test_a_mask_of_true_is_no_mask(self):
        arrays = qkv()
        assert_all_close(with_gradients(*arrays, mask=np.ones((1, 1, 1, 6), dtype=bool)), with_gradients(*arrays))

    def test_mask_and_causal_both_hold(self):
        arrays, mask = qkv(), np.random.default_rng(0).random((2, 1, 6, 6)) < 0.6
        both = with_gradients(*arrays, mask=mask & causal_mask(6, 6, mask))
        assert_all_close(with_gradients(*arrays, mask=mask, causal=True), both)

    def test_a_shift_of_all_scores_changes_nothing(self):
        arrays = qkv()
        assert_all_close(with_gradients(*arrays, bias=np.full((6, 1), 5.0))[:4], with_gradients(*arrays))


class TestHeads:
    @pytest.mark.parametrize("g", [1, 2])
    def test_grouped_heads_equal_repeated_heads(self, g):
        q, k, v = qkv(h=4, g=g)
        options = {"causal": True, "dropout": 0.3, "key": Key(1)}
        grouped = with_gradients(q, k, v, **options)
        y, dq, dk, dv = with_gradients(q, k.repeat(4 // g, axis=1), v.repeat(4 // g, axis=1), **options)
        dk, dv = (x.reshape(2, g, 4 // g, 6, 4).sum(axis=2) for x in (dk, dv))
        assert_all_close(grouped, [y, dq, dk, dv])

    def test_heads_and_batches_are_apart(self):
        q, k, v = qkv()
        whole = ag.attention(q, k, v).data
        for b in range(2):
            for h in range(2):
                part = ag.attention(*(x[b : b + 1, h : h + 1] for x in (q, k, v))).data
                np.testing.assert_allclose(part[0, 0], whole[b, h], rtol=1e-12)

    def test_equals_the_formula_in_einsum(self):
        q, k, v = qkv(tq=3, tk=5)
        weights = np.exp(np.einsum("bhqd,bhkd->bhqk", q, k) / 2)
        weights /= weights.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(ag.attention(q, k, v).data, np.einsum("bhqk,bhkd->bhqd", weights, v))


class TestDropout:
    def test_weights_are_dropped_and_the_rest_grows(self):
        """With the identity as values the result is the weights themselves."""
        n, p = 64, 0.25
        q, k, v = np.zeros((1, 2, n, 1)), np.zeros((1, 2, n, 1)), np.broadcast_to(np.eye(n), (1, 2, n, n))
        weights = ag.attention(q, k, v, dropout=p, key=Key(3)).data * n
        kept = weights > 0
        np.testing.assert_allclose(weights[kept], 1 / (1 - p))
        assert abs(kept.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / kept.size)
        assert (kept[0, 0] != kept[0, 1]).any()

    def test_without_a_key_nothing_is_dropped(self):
        arrays = qkv()
        np.testing.assert_array_equal(ag.attention(*arrays, dropout=0.5).data, ag.attention(*arrays).data)

    @pytest.mark.parametrize(("tq", "tk"), [(140, 140), (128, 3), (100, 17), (64, 64)])
    def test_every_depth_drops_the_same(self, tq, tk):
        """Also where the first queries, a whole block of them, see no key."""
        arrays = qkv(tq=tq, tk=tk)
        options = {"causal": True, "dropout": 0.5, "key": Key(2)}
        here = with_gradients(*arrays, **options)
        with ag.use("reference"):
            assert_all_close(here, with_gradients(*arrays, **options))


@pytest.mark.parametrize("depth", ["fast"], indirect=True)
def test_memory_grows_with_the_length_and_not_with_its_square():
    T, D = 2048, 8
    leaves = [Tensor(normal(1, 1, T, D, seed=i).astype(np.float32), requires_grad=True) for i in range(3)]
    tracemalloc.start()
    try:
        y = ag.attention(*leaves, causal=True)
        y.backward(np.ones(y.shape, np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < T * T * 4 / 2, f"{peak / 2**20:.1f} MiB, and the scores alone would be {T * T * 4 / 2**20:.0f}"


@pytest.mark.parametrize("depth", ["fast"], indirect=True)
@pytest.mark.parametrize("time", [40, KEPT, KEPT + 1])
def test_short_rows_keep_their_exponentials_and_long_ones_a_number(time):
    leaves = [Tensor(normal(2, 3, time, 4, seed=i).astype(np.float32), requires_grad=True) for i in range(3)]
    tracemalloc.start()
    try:
        y = ag.attention(*leaves, causal=True)
        held = tracemalloc.get_traced_memory()[0]
        with ag.no_grad():
            ag.attention(*leaves, causal=True)
            assert tracemalloc.get_traced_memory()[0] - held < 1.2 * y.data.nbytes, "nobody will go back"
    finally:
        tracemalloc.stop()
    of_a_head = kept_weights(time, True) + time * (4 + 1)  # y, and the sums or their logarithms
    triangle = min(time, QUERIES) ** 2  # of −∞, one for all
    assert held == pytest.approx(4 * (2 * 3 * of_a_head + triangle), rel=0.1)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("needs", [False, True])
def test_a_lone_query_finds_what_it_finds_as_the_last_of_many(groups, needs):
    """With a cache there is one, and nothing needs a gradient."""
    q, k, v = qkv(g=groups)
    mask, bias = normal(2, 1, 6, 6) > -0.5, normal(2, 6, 6, seed=5)
    whole = ag.attention(q, k, v, mask, bias, causal=True).data
    lone = Tensor(q[:, :, -1:], requires_grad=needs)
    last = ag.attention(lone, k, v, mask[:, :, -1:], bias[:, -1:], causal=True).data
    assert_all_close([last], [whole[:, :, -1:]])
    plain, last_of_many = ag.attention(lone, k, v).data, ag.attention(q, k, v, causal=True).data[:, :, -1:]
    assert_all_close([plain], [last_of_many])
    steep = ag.attention(Tensor(1e4 * q[:, :, -1:], requires_grad=needs), k, v).data
    assert np.isfinite(steep).all()
    nothing = ag.attention(lone, k, v, np.zeros((1, 6), dtype=bool)).data
    assert not nothing.any()
