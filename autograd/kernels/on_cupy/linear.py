"""The linear layer: one product of matrices, and gradients as products too. Formula: ../reference/linear.py."""

from __future__ import annotations

import math
from typing import Any

from ...device import Array, array_module
from ..deposit import Deposit
from .columns import add_to_rows, column_sums
from .launch import contiguous
from .products import product


def linear(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    transposed: bool = False,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Any]:
    i, o = reversed(weight.shape) if transposed else weight.shape
    rows = x.reshape(math.prod(x.shape[:-1]), i)
    y = array_module(x).empty((len(rows), o), dtype=x.dtype)
    product(rows, weight.T if transposed else weight, y)
    if bias is not None:
        add_to_rows(y, contiguous(bias.astype(y.dtype, copy=False)))
    return y.reshape(*x.shape[:-1], o), (rows, x.shape, weight, transposed, needs)


def linear_backward(dy: Array, saved: Any) -> tuple[Array | None, Deposit | None, Array | None]:
    """The weight's gradient is left as a product to be added where it belongs."""
    rows, shape, weight, transposed, (needs_x, needs_weight, needs_bias) = saved
    flat = contiguous(dy).reshape(len(rows), dy.shape[-1])
    dx = None
    if needs_x:
        dx = array_module(dy).empty(rows.shape, dtype=rows.dtype)
        product(flat, weight if transposed else weight.T, dx)
        dx = dx.reshape(shape)
    dweight = (WeightGradient(flat, rows) if transposed else WeightGradient(rows, flat)) if needs_weight else None
    dbias = column_sums(flat, None, False, True)[1] if needs_bias else None
    return dx, dweight, dbias


class WeightGradient(Deposit):
    """xᵀ dy for x (N, I) and dy (N, O), which cuBLAS adds to a buffer (I, O) as it computes it."""

    def __init__(self, x: Array, dy: Array) -> None:
        self.x, self.source = x, dy
        self.shape = (x.shape[1], dy.shape[1])

    def add_to(self, buffer: Array) -> None:
        product(self.x.T, self.source, buffer, beta=1.0)

    def write_to(self, buffer: Array) -> None:
        product(self.x.T, self.source, buffer)
