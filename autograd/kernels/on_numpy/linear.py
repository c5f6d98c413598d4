"""The linear layer: plain products of matrices, with the bias added in place. Formula: ../reference/linear.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks
from ..deposit import Product


def linear(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    transposed: bool = False,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Any]:
    i, o = reversed(weight.shape) if transposed else weight.shape
    rows = x.reshape(math.prod(x.shape[:-1]), i)
    y = rows @ (weight.T if transposed else weight)
    if bias is not None:
        for_blocks(len(y), max(1, BLOCK // max(o, 1)), lambda _, a, b: _add(y[a:b], bias), elements=y.size)
    return y.reshape(*x.shape[:-1], o), (rows, x.shape, weight, transposed, needs)


def _add(rows: Array, bias: Array) -> None:
    rows += bias


def linear_backward(dy: Array, saved: Any) -> tuple[Array | None, Product | None, Array | None]:
    """dweight is a Product, which is computed when its buffer is known."""
    rows, shape, weight, transposed, (needs_x, needs_weight, needs_bias) = saved
    flat = dy.reshape(len(rows), dy.shape[-1])
    dx = (flat @ (weight if transposed else weight.T)).reshape(shape) if needs_x else None
    left, right = (flat, rows) if transposed else (rows, flat)
    dweight = Product(left, right, _multiply) if needs_weight else None
    dbias = np.ones(len(flat), dtype=flat.dtype) @ flat if needs_bias else None
    return dx, dweight, dbias


def _multiply(left: Array, right: Array, out: Array, beta: float) -> None:
    """out ← left @ right + beta · out, for a beta of 0 or 1; for 0 the product is written in place."""
    if beta:
        out += left @ right
    else:
        np.matmul(left, right, out=out)
