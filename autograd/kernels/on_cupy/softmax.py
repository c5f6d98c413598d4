"""Softmax and its logarithm, a block of threads for each row. The formulas: ../reference/softmax.py."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from .launch import contiguous, over_rows


def softmax(x: Array, axis: int = -1) -> tuple[Array, Any]:
    y = _along_rows("softmax", axis, x)
    return y, (y, axis)


def softmax_backward(dy: Array, saved: Any) -> Array:
    y, axis = saved
    return _along_rows("softmax_backward", axis, dy, y)


def log_softmax(x: Array, axis: int = -1) -> tuple[Array, Any]:
    y = _along_rows("log_softmax", axis, x)
    return y, (y, axis)


def log_softmax_backward(dy: Array, saved: Any) -> Array:
    y, axis = saved
    return _along_rows("log_softmax_backward", axis, dy, y)


def _along_rows(kernel: str, axis: int, *inputs: Array) -> Array:
    """Runs a kernel on arrays of one shape whose `axis` is brought to the end and then back."""
    xp = array_module(inputs[0])
    rows = [contiguous(xp.moveaxis(x, axis, -1)) for x in inputs]
    out = xp.empty(rows[0].shape, dtype=rows[0].dtype)
    columns = out.shape[-1]
    over_rows("softmax", kernel, out, out.size // columns if columns else 0, columns, *rows, out, columns)
    return xp.moveaxis(out, -1, axis)
