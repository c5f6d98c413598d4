"""Softmax in blocks of rows. The formulas: ../reference/softmax.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks


def softmax(x: Array, axis: int = -1) -> tuple[Array, Any]:
    rows, y = _rows_last(x, axis), None
    y = np.empty_like(rows)
    flat_x, flat_y = _flat(rows), _flat(y)

    def block(_: int, i: int, j: int) -> None:
        softmax_rows(flat_x[i:j], flat_y[i:j])

    _for_rows(flat_x, block)
    return np.moveaxis(y, -1, axis), (y, axis)


def softmax_rows(x: Array, out: Array) -> None:
    """Softmax of each row of x (N, C) into out, which may be x."""
    largest = x.max(axis=1, keepdims=True)
    largest[np.isneginf(largest)] = 0
    np.subtract(x, largest, out=out)
    np.exp(out, out=out)
    total = out.sum(axis=1, keepdims=True)
    total[total == 0] = 1
    out /= total


def softmax_backward(dy: Array, saved: Any) -> Array:
    y, axis = saved
    dy = _rows_last(dy, axis)
    dx = np.empty_like(y)
    flat_y, flat_dy, flat_dx = _flat(y), _flat(dy), _flat(dx)

    def block(_: int, i: int, j: int) -> None:
        along = np.vecdot(flat_y[i:j], flat_dy[i:j])
        np.subtract(flat_dy[i:j], along[:, None], out=flat_dx[i:j])
        flat_dx[i:j] *= flat_y[i:j]

    _for_rows(flat_y, block)
    return np.moveaxis(dx, -1, axis)


def log_softmax(x: Array, axis: int = -1) -> tuple[Array, Any]:
    rows = _rows_last(x, axis)
    y = np.empty_like(rows)
    flat_x, flat_y = _flat(rows), _flat(y)

    def block(_: int, i: int, j: int) -> None:
        out = flat_y[i:j]
        largest = flat_x[i:j].max(axis=1, keepdims=True)
        largest[np.isneginf(largest)] = 0
        np.subtract(flat_x[i:j], largest, out=out)
        total = np.exp(out).sum(axis=1, keepdims=True)
        total[total == 0] = 1
        out -= np.log(total)

    _for_rows(flat_x, block)
    return np.moveaxis(y, -1, axis), (y, axis)


def log_softmax_backward(dy: Array, saved: Any) -> Array:
    y, axis = saved
    dy = _rows_last(dy, axis)
    dx = np.empty_like(y)
    flat_y, flat_dy, flat_dx = _flat(y), _flat(dy), _flat(dx)

    def block(_: int, i: int, j: int) -> None:
        out = flat_dx[i:j]
        np.exp(flat_y[i:j], out=out)
        out *= -flat_dy[i:j].sum(axis=1, keepdims=True)
        out += flat_dy[i:j]

    _for_rows(flat_y, block)
    return np.moveaxis(dx, -1, axis)


def _rows_last(x: Array, axis: int) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, axis, -1))


def _flat(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1]) if x.size else x.reshape(0, max(x.shape[-1], 1))


def _for_rows(x: Array, block: Any) -> None:
    n, c = x.shape
    for_blocks(n, max(1, BLOCK // c), block, elements=x.size)
