"""Valid input never overflows, divides by zero or makes a NaN on the way, however large or masked it is."""

import math

import numpy as np
import pytest

import autograd as ag
from autograd.kernels import on_numpy, reference

pytestmark = pytest.mark.core

DTYPES = ["float32", "float64"]


@pytest.fixture(autouse=True)
def no_floating_point_errors():
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        yield


@pytest.mark.parametrize("room", [reference, on_numpy], ids=["reference", "fast"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_logits(room, dtype):
    x = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype=dtype)
    y, saved = room.softmax(x)
    np.testing.assert_allclose(y, [[1, 0, 0], [1 / 3] * 3, [1 / 3] * 3], rtol=1e-6)
    assert np.isfinite(room.softmax_backward(x, saved)).all()
    y, saved = room.log_softmax(x)
    np.testing.assert_allclose(y[0], [0, -2e4, -1e4])
    assert np.isfinite(room.log_softmax_backward(x, saved)).all()
    losses, saved = room.cross_entropy(x, np.array([1, 0, -100]), label_smoothing=0.1)
    assert np.isfinite(losses).all() and losses[0] > 1e4 and losses[2] == 0
    assert np.isfinite(room.cross_entropy_backward(np.ones(3, dtype), saved)).all()


@pytest.mark.parametrize("room", [reference, on_numpy], ids=["reference", "fast"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_minus_infinity(room, dtype):
    x = np.array([[-np.inf, -np.inf], [-np.inf, 1.0], [0.0, 0.0]], dtype=dtype)
    y, saved = room.softmax(x)
    np.testing.assert_array_equal(y, [[0, 0], [0, 1], [0.5, 0.5]])
    np.testing.assert_array_equal(room.softmax_backward(np.ones_like(x), saved)[:2], 0)
    y, saved = room.log_softmax(x)
    np.testing.assert_allclose(y, [[-np.inf, -np.inf], [-np.inf, 0], [-math.log(2)] * 2], rtol=1e-6)
    assert np.isfinite(room.log_softmax_backward(np.ones_like(x), saved)).all()
    losses, saved = room.cross_entropy(x[1:], np.array([1, 0]))
    np.testing.assert_allclose(losses, [0, math.log(2)], rtol=1e-6)
    dx = room.cross_entropy_backward(np.ones(2, dtype), saved)
    np.testing.assert_allclose(dx, [[0, 0], [-0.5, 0.5]], atol=1e-7)


@pytest.mark.parametrize("depth", ["composed", "reference", "fast"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_attention_with_huge_scores_and_masks(depth, dtype):
    q = np.array([[[[100.0], [-100.0], [0.0]]]], dtype=dtype)
    mask = np.array([[True, False, False], [False, False, False], [True, True, True]])
    bias = np.array([0.0, -np.inf, 0.0], dtype=dtype)
    leaves = [ag.Tensor(q.copy(), requires_grad=True) for _ in range(3)]
    with ag.use(depth):
        y = ag.attention(*leaves, mask=mask, bias=bias)
    assert y.data[0, 0, 1] == 0 and np.isfinite(y.data).all()
    y.backward(np.ones(y.shape))
    assert all(np.isfinite(leaf.grad).all() for leaf in leaves)


@pytest.mark.parametrize("size", [1, 40, 60, 80])
@pytest.mark.parametrize("slope", [1e-12, 1, 1e12])
def test_attention_where_all_scores_of_a_row_are_large_or_small(size, slope):
    """Rows whose exponentials are kept as they are must not overflow in the backward either."""
    rng = np.random.default_rng(0)
    q, k, v, dy = (rng.normal(size=(1, 2, 6, 4)).astype(np.float32) for _ in range(4))
    bias = (rng.normal(size=(1, 2, 6, 6)) + rng.choice([-size, size], size=(1, 2, 6, 1))).astype(np.float32)
    dy *= np.float32(slope)
    y, saved = on_numpy.attention(q, k, v, None, bias)
    exact, exactly = reference.attention(*(x.astype(np.float64) for x in (q, k, v)), None, bias.astype(np.float64))
    np.testing.assert_allclose(y, exact, rtol=1e-4, atol=1e-5)
    expected = reference.attention_backward(dy.astype(np.float64), exactly)
    for found, right in zip(on_numpy.attention_backward(dy, saved), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-4 * slope)


@pytest.mark.parametrize("room", [reference, on_numpy], ids=["reference", "fast"])
@pytest.mark.parametrize("approximate", ["tanh", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu_far_out(room, approximate, dtype):
    x = np.array([-1e4, -50, -1e-30, -0.0, 0.0, 1e-35, 50, 1e4], dtype=dtype)
    y, saved = room.gelu(x, approximate)
    np.testing.assert_allclose(y[[0, 1, -2, -1]], [0, 0, 50, 1e4], atol=1e-30)
    dx = room.gelu_backward(np.ones_like(x), saved)
    np.testing.assert_allclose(dx, [0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1], atol=1e-7)


@pytest.mark.parametrize("room", [reference, on_numpy], ids=["reference", "fast"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [7, 100, 1000, 1e4])
@pytest.mark.parametrize("c", [3, 4, 768])
def test_layer_norm_of_a_constant_row(room, dtype, value, c):
    y, saved = room.layer_norm(np.full((2, c), value, dtype), None, None, needs=(True, False, False))
    np.testing.assert_array_equal(y, 0)
    assert np.isfinite(room.layer_norm_backward(np.ones((2, c), dtype), saved)[0]).all()


@pytest.mark.parametrize("room", [reference, on_numpy], ids=["reference", "fast"])
@pytest.mark.parametrize("offset", [0, 1e3, 1e4, -1e6])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cross_entropy_of_logits_far_from_zero(room, offset, label_smoothing):
    """What all logits have in common changes nothing, and must not cost the digits in which they differ."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(6, 40)) + offset).astype(np.float32)
    targets, dlosses = rng.integers(40, size=6), rng.normal(size=6).astype(np.float32)
    losses, saved = room.cross_entropy(x, targets, label_smoothing=label_smoothing)
    exact, exactly = reference.cross_entropy(x.astype(np.float64), targets, label_smoothing=label_smoothing)
    np.testing.assert_allclose(losses, exact, atol=2e-6)
    expected = reference.cross_entropy_backward(dlosses.astype(np.float64), exactly)
    np.testing.assert_allclose(room.cross_entropy_backward(dlosses, saved), expected, atol=1e-6)


@pytest.mark.parametrize("room", [reference, on_numpy], ids=["reference", "fast"])
def test_logits_that_do_not_count_may_be_anything(room):
    x = np.array([[1.0, 2.0], [np.nan, 0.0]], dtype=np.float32)
    with np.errstate(invalid="ignore"):
        losses, saved = room.cross_entropy(x, np.array([0, -100]))
        dx = room.cross_entropy_backward(np.ones(2, np.float32), saved)
    assert losses[1] == 0 and np.isfinite(losses).all() and np.isfinite(dx).all()
    np.testing.assert_array_equal(dx[1], 0)
