"""The matrix product."""

from __future__ import annotations

import math
from typing import Any

from ..device import Array
from ..tensor import Tensor, record
from .operands import operands


def matmul(a: Any, b: Any) -> Tensor:
    """a @ b over the last two axes; leading axes broadcast. da = g bᵀ, db = aᵀ g.

    A 1-D operand is a row on the left and a column on the right. Raises ValueError for a number and where the shapes do
    not fit, TypeError for operands on different devices.
    """
    a, b = operands("matmul", a, b)
    x, y = a.data, b.data
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul: shapes {x.shape} and {y.shape}: a number has no axis to sum over (use *)")
    row, column = x.ndim == 1, y.ndim == 1
    left, right = x[None, :] if row else x, y[:, None] if column else y
    try:
        z = x @ y
    except ValueError:
        raise ValueError(
            f"matmul: shapes {x.shape} and {y.shape} do not fit: the last axis of the first must be as long as "
            "the second-last (or only) axis of the second, and leading axes must broadcast"
        ) from None
    needs_a, needs_b = a.requires_grad, b.requires_grad

    def vjp(g: Array) -> tuple:
        g = g[..., None] if column else g
        g = g[..., None, :] if row else g
        da = db = None
        if needs_a:
            da = g @ right.swapaxes(-1, -2)
            da = da[..., 0, :] if row else da
        if needs_b and right.ndim == 2:  # one product over all leading axes, not a batch of them and a sum
            rows = math.prod(left.shape[:-1])
            db = left.reshape(rows, left.shape[-1]).T @ g.reshape(rows, g.shape[-1])
        elif needs_b:
            db = left.swapaxes(-1, -2) @ g
        return da, db[..., 0] if column and db is not None else db

    return record(z, (a, b), vjp)
