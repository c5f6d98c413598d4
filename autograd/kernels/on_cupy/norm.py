"""Layer normalization, and root-mean-square normalization as the same without a mean: ../reference/norm.py.

The forward saves the input and two numbers for each row. The backward recomputes the normalized rows from them.
"""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from .columns import column_sums
from .launch import contiguous, over_rows, rows_of, sum_type


def layer_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float = 1e-5,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Any]:
    return _norm(x, weight, bias, eps, True, needs)


def layer_norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None]:
    return _norm_backward(dy, saved)


def rms_norm(x: Array, weight: Array, eps: float = 1e-5, needs: tuple[bool, bool] = (True, True)) -> tuple[Array, Any]:
    return _norm(x, weight, None, eps, False, (*needs, False))


def rms_norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None]:
    return _norm_backward(dy, saved)[:2]


def _norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, centred: bool, needs: tuple[bool, bool, bool]
) -> tuple[Array, Any]:
    xp = array_module(x)
    rows = rows_of(x)
    n, c = rows.shape
    weight, bias = (p if p is None else contiguous(p.astype(x.dtype, copy=False)) for p in (weight, bias))
    y = xp.empty((n, c), dtype=x.dtype)
    means, inverse_stds = xp.empty(n, dtype=sum_type(x)), xp.empty(n, dtype=sum_type(x))
    over_rows("norm", "normalize", x, n, c, rows, weight, bias, y, means, inverse_stds, c, float(eps), int(centred))
    return y.reshape(x.shape), ((rows, means, inverse_stds), weight, centred, needs)


def _norm_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None]:
    (rows, means, inverse_stds), weight, centred, (needs_x, needs_weight, needs_bias) = saved
    n, c = rows.shape
    flat = contiguous(dy).reshape(n, c)
    dx = None
    if needs_x:
        dx = array_module(dy).empty((n, c), dtype=rows.dtype)
        given = flat, rows, weight, means, inverse_stds, dx
        over_rows("norm", "normalize_backward", rows, n, c, *given, c, int(centred))
        dx = dx.reshape(dy.shape)
    if not (needs_weight or needs_bias):
        return dx, None, None
    return dx, *column_sums(flat, (rows, means, inverse_stds), needs_weight, needs_bias)
