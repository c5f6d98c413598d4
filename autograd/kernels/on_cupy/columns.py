"""Sums over all rows in a fixed order: first over parts of the rows, in parallel, then over the parts."""

from __future__ import annotations

from ...device import Array, array_module
from .launch import THREADS, launch, over_rows, sum_type

PARTS = 256  # enough for every multiprocessor to have some blocks, whatever the number of columns
FEWEST_ROWS = 16  # in a part


def column_sums(
    dy: Array, normalization: tuple[Array, Array, Array] | None, needs_products: bool, needs_sums: bool
) -> tuple[Array | None, Array | None]:
    """(Σ dy x̂, Σ dy) over the rows of dy (N, C); x̂ = (x − mean) · inverse_std from normalization = (x, mean, …).

    The sums of 16-bit numbers are float32: they are gradients of parameters, which are summed in float32.
    """
    xp = array_module(dy)
    n, c = dy.shape
    rows_of_part = max(FEWEST_ROWS, -(-n // PARTS))
    parts = -(-n // rows_of_part)
    products = xp.empty((parts, c), dtype=sum_type(dy)) if needs_products else None
    sums = xp.empty((parts, c), dtype=sum_type(dy)) if needs_sums else None
    blocks = parts * -(-c // THREADS)
    given = normalization or (None, None, None)
    launch("columns", "column_sums", dy, blocks, THREADS, dy, *given, products, sums, n, c, rows_of_part)
    return tuple(None if x is None else x.sum(axis=0) for x in (products, sums))


def add_to_rows(y: Array, bias: Array) -> None:
    """y (N, C) += bias (C,)"""
    n, c = y.shape
    over_rows("columns", "add_to_rows", y, n, c, y, bias, c)
