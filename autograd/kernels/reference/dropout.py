"""Dropout, with its random numbers as an explicit key."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from ...random import Key


def dropout(x: Array, p: float, key: Key) -> tuple[Array, Any]:
    """Each element is set to 0 with probability p; the others grow by 1/(1 − p), which keeps the mean.

    Formula: y = x ∘ keep / (1 − p), keep ~ Bernoulli(1 − p)
    Paper: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 4
    Example: examples/05_training.py
    Test: tests/test_gradients.py
    """
    factors = keep_factors(x.shape, p, key, array_module(x), x.dtype)
    return x * factors, factors


def dropout_backward(dy: Array, saved: Any) -> Array:
    """y = x ∘ factors, and the factors do not depend on x."""
    return dy * saved


def keep_factors(shape: tuple[int, ...], p: float, key: Key, xp: Any, dtype: Any) -> Array:
    """0 with probability p, else 1/(1 − p). Element n depends on the key and on n alone."""
    keep = key.bits(shape, xp) >= round(p * 2**32)
    return keep.astype(dtype) * xp.asarray(1 / (1 - p) if p < 1 else 0, dtype=dtype)
