"""The embedding's gradient without `add.at`, which adds one row at a time. Formula: ../reference/embedding.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import Array
from ..deposit import Deposit
from ..reference.embedding import embedding

__all__ = ["embedding", "embedding_backward"]

SMALL_VOCABULARY = 512  # rows: up to here a product with a one-hot matrix is cheaper than sorting


def embedding_backward(dy: Array, saved: Any) -> Deposit:
    ids, shape = saved
    return Rows(ids.reshape(-1), dy.reshape(-1, shape[1]), shape)


class Rows(Deposit):
    """dy's rows, added to the rows of the table that `ids` names; a row named twice receives both."""

    def __init__(self, ids: Array, dy: Array, shape: tuple[int, int]) -> None:
        self.ids, self.source, self.shape = ids, dy, shape

    def add_to(self, buffer: Array) -> None:
        if self.ids.size == 0:
            return
        if self.shape[0] <= SMALL_VOCABULARY:
            buffer += self._one_hot_product()
            return
        order = np.argsort(self.ids, kind="stable")
        rows, starts = np.unique(self.ids[order], return_index=True)
        buffer[rows] += np.add.reduceat(self.source[order], starts, axis=0)

    def _one_hot_product(self) -> Array:
        one_hot = np.zeros((self.ids.size, self.shape[0]), dtype=self.source.dtype)
        one_hot[np.arange(self.ids.size), self.ids] = 1
        return one_hot.T @ self.source
