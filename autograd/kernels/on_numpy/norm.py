"""Both normalizations in blocks of rows. The derivations: ../reference/norm.py."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks


def layer_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float = 1e-5,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Any]:
    c = x.shape[-1]
    rows = np.ascontiguousarray(x).reshape(-1, c)
    normalized = np.empty_like(rows)
    inverse_std = np.empty((len(rows), 1), dtype=x.dtype)
    y = normalized if weight is None and bias is None else np.empty_like(rows)
    summing = ones(c, x.dtype)

    def block(_: int, i: int, j: int) -> None:
        centred = normalized[i:j]
        np.subtract(rows[i:j], (rows[i:j] @ summing / c)[:, None], out=centred)
        variance = np.vecdot(centred, centred)[:, None] / c
        inverse_std[i:j] = 1 / np.sqrt(variance + eps)
        centred *= inverse_std[i:j]
        if weight is not None:
            np.multiply(centred, weight, out=y[i:j])
        if bias is not None:
            np.add(centred if weight is None else y[i:j], bias, out=y[i:j])

    for_blocks(len(rows), max(1, BLOCK // max(c, 1)), block, elements=x.size)
    return y.reshape(x.shape), (normalized, inverse_std, weight, needs)


def layer_norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None]:
    normalized, inverse_std, weight, (needs_x, needs_weight, needs_bias) = saved
    n, c = normalized.shape
    flat_dy = np.ascontiguousarray(dy).reshape(n, c)
    size = max(1, BLOCK // max(c, 1))
    dx = np.empty_like(normalized) if needs_x else None
    weight_parts = np.zeros((-(-n // size), c), dtype=dy.dtype) if needs_weight else None
    bias_parts = np.zeros((-(-n // size), c), dtype=dy.dtype) if needs_bias else None

    def block(number: int, i: int, j: int) -> None:
        g, x_hat = flat_dy[i:j], normalized[i:j]
        scratch = g * x_hat
        if needs_weight:
            scratch.sum(axis=0, out=weight_parts[number])
        if needs_bias:
            g.sum(axis=0, out=bias_parts[number])
        if not needs_x:
            return
        out = dx[i:j]
        summing = ones(c, dy.dtype) if weight is None else weight
        along, level = scratch @ summing / c, g @ summing / c  # the means of n·x̂ and of n, with n = g·weight
        np.multiply(x_hat, along[:, None], out=scratch)
        np.multiply(g, 1 if weight is None else weight, out=out)
        out -= level[:, None]
        out -= scratch
        out *= inverse_std[i:j]

    for_blocks(n, size, block, elements=normalized.size)
    return (
        dx.reshape(dy.shape) if needs_x else None,
        weight_parts.sum(axis=0) if needs_weight else None,
        bias_parts.sum(axis=0) if needs_bias else None,
    )


@functools.lru_cache(maxsize=8)
def ones(c: int, dtype: np.dtype) -> Array:
    """The vector whose product with a row is the row's sum. Dividing that by c gives exactly 7 for a row of 7s, which a
    vector of 1/c would not: 1/c is rounded."""
    return np.ones(c, dtype=dtype)


def rms_norm(x: Array, weight: Array, eps: float = 1e-5, needs: tuple[bool, bool] = (True, True)) -> tuple[Array, Any]:
    c = x.shape[-1]
    rows = np.ascontiguousarray(x).reshape(-1, c)
    normalized, y = np.empty_like(rows), np.empty_like(rows)
    inverse_rms = np.empty((len(rows), 1), dtype=x.dtype)

    def block(_: int, i: int, j: int) -> None:
        mean_square = np.vecdot(rows[i:j], rows[i:j])[:, None] / c
        inverse_rms[i:j] = 1 / np.sqrt(mean_square + eps)
        np.multiply(rows[i:j], inverse_rms[i:j], out=normalized[i:j])
        np.multiply(normalized[i:j], weight, out=y[i:j])

    for_blocks(len(rows), max(1, BLOCK // max(c, 1)), block, elements=x.size)
    return y.reshape(x.shape), (normalized, inverse_rms, weight, needs)


def rms_norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None]:
    normalized, inverse_rms, weight, (needs_x, needs_weight) = saved
    n, c = normalized.shape
    flat_dy = np.ascontiguousarray(dy).reshape(n, c)
    size = max(1, BLOCK // max(c, 1))
    dx = np.empty_like(normalized) if needs_x else None
    weight_parts = np.zeros((-(-n // size), c), dtype=dy.dtype) if needs_weight else None

    def block(number: int, i: int, j: int) -> None:
        g, x_hat = flat_dy[i:j], normalized[i:j]
        scratch = g * x_hat
        if needs_weight:
            scratch.sum(axis=0, out=weight_parts[number])
        if not needs_x:
            return
        out, along = dx[i:j], scratch @ (weight / c)  # the mean of n·x̂, with n = g·weight
        np.multiply(x_hat, along[:, None], out=scratch)
        np.multiply(g, weight, out=out)
        out -= scratch
        out *= inverse_rms[i:j]

    for_blocks(n, size, block, elements=normalized.size)
    return (
        dx.reshape(dy.shape) if needs_x else None,
        weight_parts.sum(axis=0) if needs_weight else None,
    )
