"""GELU in blocks that stay in cache. The formulas: ../reference/activation.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks
from ..reference.activation import CUBIC, SQRT_2_OVER_PI, erf

TINY = 1e-30  # Φ(x) is 1/2 to the last bit for |x| below this, in float64 too


def gelu(x: Array, approximate: str = "tanh") -> tuple[Array, Any]:
    x = np.ascontiguousarray(x).reshape(x.shape)  # which a number would not keep
    y = np.empty_like(x)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)

    def block(_: int, i: int, j: int) -> None:
        a, out = flat_x[i:j], flat_y[i:j]
        if approximate == "none":
            np.multiply(a, 1 / math.sqrt(2), out=out)
            out[...] = erf(out)[0]
        else:
            np.multiply(a, a, out=out)
            out *= SQRT_2_OVER_PI * CUBIC
            out += SQRT_2_OVER_PI
            out *= a
            np.tanh(out, out=out)
        out += 1
        out *= a
        out *= 0.5

    for_blocks(x.size, BLOCK, block)
    return y, (x, y, approximate)


def gelu_backward(dy: Array, saved: Any) -> Array:
    """Φ need not be computed again: the forward left it in y = x Φ, whence 1 − t² = 4 Φ (1 − Φ) without a tanh."""
    x, y, approximate = saved
    dx = np.empty_like(x)
    flat_x, flat_y, flat_dx = x.reshape(-1), y.reshape(-1), dx.reshape(-1)
    flat_dy = np.ascontiguousarray(dy).reshape(-1)

    def block(_: int, i: int, j: int) -> None:
        a, out = flat_x[i:j], flat_dx[i:j]
        gate = np.abs(a)
        near_zero = gate < TINY if gate.min() < TINY else None
        phi = np.divide(flat_y[i:j], a if near_zero is None else np.where(near_zero, 1, a))
        if near_zero is not None:
            phi[near_zero] = 0.5
        np.multiply(a, a, out=out)
        if approximate == "none":
            out *= -0.5
            np.exp(out, out=out)
            out *= 1 / math.sqrt(2 * math.pi)
        else:
            out *= 6 * SQRT_2_OVER_PI * CUBIC
            out += 2 * SQRT_2_OVER_PI
            np.subtract(1, phi, out=gate)
            gate *= phi
            out *= gate
        out *= a
        out += phi
        out *= flat_dy[i:j]

    for_blocks(x.size, BLOCK, block)
    return dx
