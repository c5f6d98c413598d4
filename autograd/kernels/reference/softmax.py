"""Softmax and its logarithm, along one axis."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module


def softmax(x: Array, axis: int = -1) -> tuple[Array, Any]:
    """Scores become probabilities: positive, with a sum of 1 along `axis`.

    Subtracting the largest score changes nothing (numerator and denominator shrink alike) and keeps exp from
    overflowing. Where all scores are −∞ there is no distribution; the result is 0, so that an attention query which may
    look nowhere gives 0.

    Formula: softmax(x)ᵢ = exp(xᵢ − max x) / Σⱼ exp(xⱼ − max x)
    Paper: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs", section 2
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
    """
    xp = array_module(x)
    e = xp.exp(x - _finite_max(x, axis))
    total = e.sum(axis=axis, keepdims=True)
    y = e / xp.where(total == 0, 1, total)
    return y, (y, axis)


def softmax_backward(dy: Array, saved: Any) -> Array:
    """∂yᵢ/∂xⱼ = yᵢ(δᵢⱼ − yⱼ), so dxⱼ = Σᵢ dyᵢ yᵢ(δᵢⱼ − yⱼ) = yⱼ (dyⱼ − Σᵢ dyᵢ yᵢ)."""
    y, axis = saved
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


def log_softmax(x: Array, axis: int = -1) -> tuple[Array, Any]:
    """The logarithm of softmax, without taking the logarithm of a probability that may have rounded to 0.

    Formula: log softmax(x)ᵢ = xᵢ − max x − log Σⱼ exp(xⱼ − max x)
    Paper: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs", section 2
    Example: examples/02_bigram.py
    Test: tests/test_gradients.py
    """
    xp = array_module(x)
    shifted = x - _finite_max(x, axis)
    total = xp.exp(shifted).sum(axis=axis, keepdims=True)
    y = shifted - xp.log(xp.where(total == 0, 1, total))
    return y, (y, axis)


def log_softmax_backward(dy: Array, saved: Any) -> Array:
    """∂yᵢ/∂xⱼ = δᵢⱼ − pⱼ with p = softmax(x) = exp(y), so dxⱼ = dyⱼ − pⱼ Σᵢ dyᵢ."""
    y, axis = saved
    return dy - array_module(y).exp(y) * dy.sum(axis=axis, keepdims=True)


def _finite_max(x: Array, axis: int) -> Array:
    """The largest score along `axis`, 0 where all are −∞ (because −∞ − (−∞) is NaN)."""
    xp = array_module(x)
    largest = x.max(axis=axis, keepdims=True)
    return xp.where(xp.isneginf(largest), 0, largest)
