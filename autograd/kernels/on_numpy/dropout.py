"""Dropout in blocks: a block's random numbers are generated where they are used. Formula: ../reference/dropout.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import Array
from ...random import Key
from ..cpu import BLOCK, for_blocks


def dropout(x: Array, p: float, key: Key) -> tuple[Array, Any]:
    flat_x = np.ascontiguousarray(x).reshape(-1)
    y, keep = np.empty_like(flat_x), np.empty(x.size, dtype=bool)
    grow = 1 / (1 - p) if p < 1 else 0.0

    def block(_: int, i: int, j: int) -> None:
        np.greater_equal(key.bits(j - i, np, start=i), round(p * 2**32), out=keep[i:j])
        np.multiply(flat_x[i:j], keep[i:j], out=y[i:j])
        y[i:j] *= grow

    for_blocks(x.size, BLOCK, block)
    return y.reshape(x.shape), (keep, grow)


def dropout_backward(dy: Array, saved: Any) -> Array:
    keep, grow = saved
    flat_dy = np.ascontiguousarray(dy).reshape(-1)
    dx = np.empty_like(flat_dy)

    def block(_: int, i: int, j: int) -> None:
        np.multiply(flat_dy[i:j], keep[i:j], out=dx[i:j])
        dx[i:j] *= grow

    for_blocks(dx.size, BLOCK, block)
    return dx.reshape(dy.shape)
