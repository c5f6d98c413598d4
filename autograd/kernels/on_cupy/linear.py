"""The linear layer: one matrix product, and gradients that are products, too. Formula: ../reference/linear.py."""

from __future__ import annotations

import math
from typing import Any

from ...device import Array, array_module
from ..deposit import Product
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


def linear_backward(dy: Array, saved: Any) -> tuple[Array | None, Product | None, Array | None]:
    """dweight is a Product: cuBLAS computes it when its buffer is known, and adds it there in the same call."""
    rows, shape, weight, transposed, (needs_x, needs_weight, needs_bias) = saved
    flat = contiguous(dy).reshape(len(rows), dy.shape[-1])
    dx = None
    if needs_x:
        dx = array_module(dy).empty(rows.shape, dtype=rows.dtype)
        product(flat, weight if transposed else weight.T, dx)
        dx = dx.reshape(shape)
    left, right = (flat, rows) if transposed else (rows, flat)
    dweight = Product(left, right, product) if needs_weight else None
    dbias = column_sums(flat, None, False, True)[1] if needs_bias else None
    return dx, dweight, dbias
