"""GELU and the error function, one kernel each. The formulas: ../reference/activation.py."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from .launch import contiguous, over_elements


def gelu(x: Array, approximate: str = "tanh", needs: bool = True) -> tuple[Array, Any]:
    """The backward computes Φ(x) again: this takes less time than writing the derivative and reading it back."""
    x, y = contiguous(x), _empty(x)
    over_elements("activation", "gelu", x, x.size, x, y, x.size, int(approximate == "none"))
    return y, (x, approximate) if needs else None


def gelu_backward(dy: Array, saved: Any) -> Array:
    x, approximate = saved
    dx = _empty(x)
    over_elements("activation", "gelu_backward", x, x.size, contiguous(dy), x, dx, x.size, int(approximate == "none"))
    return dx


def erf(x: Array) -> tuple[Array, Any]:
    x, y = contiguous(x), _empty(x)
    over_elements("activation", "error_function", x, x.size, x, y, x.size)
    return y, x


def erf_backward(dy: Array, saved: Any) -> Array:
    x = saved
    dx = _empty(x)
    over_elements("activation", "error_function_backward", x, x.size, contiguous(dy), x, dx, x.size)
    return dx


def _empty(x: Array) -> Array:
    return array_module(x).empty(x.shape, dtype=x.dtype)
