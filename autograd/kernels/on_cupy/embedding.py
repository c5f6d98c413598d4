"""The embedding's gradient, added to the table's, always in the same order. Formula: ../reference/embedding.py."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from ..deposit import Deposit
from ..reference.embedding import embedding
from .launch import contiguous, over_rows, sum_type

__all__ = ["embedding", "embedding_backward"]

CHUNK = 64  # sorted places that a block of threads adds up: the same number stands in embedding.cu


def embedding_backward(dy: Array, saved: Any) -> Deposit:
    ids, shape = saved
    return Rows(ids.reshape(-1), dy.reshape(ids.size, shape[1]), shape)


class Rows(Deposit):
    """dy's rows, added to the rows of the table that `ids` names; a row named more than once receives them all."""

    def __init__(self, ids: Array, dy: Array, shape: tuple[int, int]) -> None:
        self.ids, self.source, self.shape = ids, dy, shape

    def add_to(self, buffer: Array) -> None:
        if self.ids.size == 0:
            return
        if not buffer.flags.c_contiguous:
            buffer += self.array(buffer.dtype)
            return
        xp = array_module(buffer)
        n, c = self.source.shape
        places = xp.argsort(self.ids, kind="stable").astype("int64", copy=False)
        ids = self.ids[places].astype("int64", copy=False)
        dy = contiguous(self.source.astype(buffer.dtype, copy=False))
        chunks = -(-n // CHUNK)
        pieces = xp.empty((chunks, 2, c), dtype=sum_type(buffer))
        over_rows("embedding", "add_runs", buffer, chunks, c, ids, places, dy, buffer, pieces, n, c)
        over_rows("embedding", "add_pieces", buffer, chunks, c, ids, buffer, pieces, n, c)
