"""Layer normalization over the last axis, and root-mean-square normalization, which leaves out the mean.

… any leading axes, C channels.
"""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module


def layer_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float = 1e-5,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Any]:
    """Each position is shifted to mean 0 and scaled to variance 1, then given a learned scale and shift.

    x (…, C), weight and bias (C,) or None.

    Formula: y = x̂ · weight + bias, x̂ = (x − mean(x)) / √(var(x) + eps)
    Paper: Ba, Kiros & Hinton 2016, "Layer normalization", section 3
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
    """
    xp = array_module(x)
    centred = x - x.mean(axis=-1, keepdims=True)
    inverse_std = 1 / xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)
    normalized = centred * inverse_std
    y = normalized
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y, (normalized, inverse_std, weight, needs)


def layer_norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None]:
    """With s = 1/√(var + eps) and n = dy · weight, the gradient that reaches x̂:

    x̂ = (x − μ) s. The mean and the variance depend on x too: ∂μ/∂xᵢ = 1/C and ∂s/∂xᵢ = −s² x̂ᵢ / C, so
    dxᵢ = s nᵢ − s mean(n) − s x̂ᵢ mean(n x̂).
    The last two terms remove from n its parts along a shift of all channels and along x̂: shifting x, or scaling it,
    changes nothing in x̂ (but for eps).
    """
    normalized, inverse_std, weight, (needs_x, needs_weight, needs_bias) = saved
    leading = tuple(range(dy.ndim - 1))
    dx = dweight = dbias = None
    if needs_x:
        n = dy if weight is None else dy * weight
        along = (n * normalized).mean(axis=-1, keepdims=True)
        dx = inverse_std * (n - n.mean(axis=-1, keepdims=True) - normalized * along)
    if needs_weight:
        dweight = (dy * normalized).sum(axis=leading)
    if needs_bias:
        dbias = dy.sum(axis=leading)
    return dx, dweight, dbias


def rms_norm(
    x: Array, weight: Array, eps: float = 1e-5, needs: tuple[bool, bool] = (True, True)
) -> tuple[Array, Any]:
    """Each position is scaled to mean square 1, then given a learned scale. x (…, C), weight (C,).

    Formula: y = x̂ · weight, x̂ = x / √(mean(x²) + eps)
    Paper: Zhang & Sennrich 2019, "Root mean square layer normalization", section 4
    Example: examples/07_positions.py
    Test: tests/test_gradients.py
    """
    xp = array_module(x)
    inverse_rms = 1 / xp.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    normalized = x * inverse_rms
    return normalized * weight, (normalized, inverse_rms, weight, needs)


def rms_norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None]:
    """With r = 1/√(mean(x²) + eps) and n = dy · weight: ∂r/∂xᵢ = −r² x̂ᵢ / C, so dxᵢ = r nᵢ − r x̂ᵢ mean(n x̂).

    Only scaling x leaves x̂ unchanged here; shifting it does not.
    """
    normalized, inverse_rms, weight, (needs_x, needs_weight) = saved
    dx = dweight = None
    if needs_x:
        n = dy * weight
        dx = inverse_rms * (n - normalized * (n * normalized).mean(axis=-1, keepdims=True))
    if needs_weight:
        dweight = (dy * normalized).sum(axis=tuple(range(dy.ndim - 1)))
    return dx, dweight
