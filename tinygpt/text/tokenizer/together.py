"""Many pieces merged side by side: byte-pair encoding by its definition, for all of them at once.

Each piece is a row of a matrix. In each round every row applies the one of its possible merges that was learned first,
the leftmost of equal ones; a row without any is done. So a round makes each remaining row one token shorter, and the
matrix one column narrower. It costs a few operations on arrays, whether there are ten pieces or ten thousand.

Shapes: N pieces, W tokens in the longest.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import chain, pairwise

import numpy as np

from tinygpt.text.tokenizer.keys import Keys, KeyTable
from tinygpt.text.tokenizer.linked import IdPair
from tinygpt.text.tokenizer.stitching import STEP, split_overlapping

MANY = 100
"""From this many pieces on, a matrix is faster; fewer are split one by one."""

LONGEST_TOGETHER = 2 * STEP
"""Bytes; a longer piece is stitched together from parts of that length."""

_WIDTHS = (0, 8, 16, 32, LONGEST_TOGETHER)
"""Pieces of similar length share a matrix."""

ROWS = 2048
"""Rows of a matrix: so few that it fits into a core's cache."""

_NOTHING = (1 << 32) - 1
"""An id that no token has; it pads the rows."""

_NEVER = (1 << 31) - 1
"""The rank of a merge that does not exist."""


Part = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(rows, the ids of all of them, how many ids each has)."""


class MergesTogether:
    """Applies merges in the order learned: the pair of ids pairs[i] becomes the id made[i]."""

    def __init__(
        self,
        byte_ids: Sequence[int],
        pairs: Collection[IdPair],
        made: Sequence[int],
        token_lengths: Sequence[int] | None,
        split_one: Callable[[bytes], list[int]],
    ) -> None:
        """`token_lengths`, in bytes: None if merges use tokens that are made later, which stitching.py does not allow.
        `split_one` splits a single piece."""
        self._byte_ids = np.array(byte_ids, dtype=np.uint32)
        self._made = np.array(made, dtype=np.uint32)
        left, right = np.fromiter(chain.from_iterable(pairs), np.int64).reshape(-1, 2).T
        self._pairs = KeyTable()
        _, ranks = self._pairs.add(Keys.of_pairs(left, right))
        self._ranks = np.append(ranks, _NEVER).astype(np.int32)
        self._token_lengths = None if token_lengths is None else np.array(token_lengths, dtype=np.int64)
        self._split_one = split_one

    def split(self, data: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(the ids of the pieces data[start : start + length], one piece after another; how many each has).

        Formula: next merge of a piece = argmin over its neighbours (a, b) of rank(a, b), then a b becomes ab
        Paper: Sennrich et al. 2016, "Neural machine translation of rare words with subword units", section 3.2
        Example: examples/03_tokenizer.py
        Test: tests/test_tokenizer_columns.py
        """
        short, long = np.flatnonzero(lengths <= LONGEST_TOGETHER), np.flatnonzero(lengths > LONGEST_TOGETHER)
        parts, alone = [], [short, long]
        if len(short) >= MANY:
            parts.append((short, *self._side_by_side(data, starts[short], lengths[short])))
            alone = [long]
        if len(long) and self._token_lengths is not None:
            ids, counts = split_overlapping(self._side_by_side, self._token_lengths, data, starts[long], lengths[long])
            parts.append((long, ids, counts))
            alone[-1] = long[counts == 0]
        return _joined([*parts, self._one_by_one(data, starts, lengths, np.concatenate(alone))], len(starts))

    def _one_by_one(self, data: bytes, starts: np.ndarray, lengths: np.ndarray, rows: np.ndarray) -> Part:
        split = [self._split_one(data[starts[row] : starts[row] + lengths[row]]) for row in rows.tolist()]
        counts = np.array([len(ids) for ids in split], dtype=np.int64)
        return rows, np.fromiter(chain.from_iterable(split), np.int64, counts.sum()), counts

    def _side_by_side(self, data: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`split` of pieces of up to LONGEST_TOGETHER bytes."""
        merged = np.full((len(starts), int(lengths.max())), _NOTHING, np.uint32)
        text = np.frombuffer(data, np.uint8)
        for shorter, longest in pairwise(_WIDTHS):
            of_width = np.flatnonzero((shorter < lengths) & (lengths <= longest))
            for i in range(0, len(of_width), ROWS):
                rows = of_width[i : i + ROWS]
                column = np.arange(int(lengths[rows].max()))
                inside = column < lengths[rows, None]
                ids = np.full(inside.shape, _NOTHING, np.uint32)
                ids[inside] = self._byte_ids[text[(starts[rows, None] + column)[inside]]]
                self._merge(ids, rows, merged)
        there = merged != _NOTHING
        return merged[there], there.sum(axis=1)

    def _merge(self, ids: np.ndarray, rows: np.ndarray, merged: np.ndarray) -> None:
        """Merges ids (N, W) until nothing is left to merge, and writes each row into its row of `merged`."""
        ranks = self._rank(ids[:, :-1], ids[:, 1:])
        while ids.shape[1] > 1 and len(ids):
            first = ranks.argmin(axis=1)
            rank = ranks[np.arange(len(ids)), first]
            if (done := rank == _NEVER).any():
                merged[rows[done], : ids.shape[1]] = ids[done]
                rows, ids, ranks, first, rank = (each[~done] for each in (rows, ids, ranks, first, rank))
            ids, ranks = self._join(ids, ranks, first, self._made[rank])
        merged[rows, : ids.shape[1]] = ids

    def _join(
        self, ids: np.ndarray, ranks: np.ndarray, place: np.ndarray, made: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """In each row, replaces the id at `place` and the one after it by the id that they make."""
        (N, W), row = ids.shape, np.arange(len(ids))
        ids[row, place] = made
        ids = ids[np.arange(W) != place[:, None] + 1].reshape(N, W - 1)
        ranks = ranks[np.arange(W - 1) != place[:, None]].reshape(N, W - 2)
        before, behind = np.flatnonzero(place > 0), np.flatnonzero(place < W - 2)
        row = np.concatenate([before, behind])
        place = np.concatenate([place[before] - 1, place[behind]])
        ranks[row, place] = self._rank(ids[row, place], ids[row, place + 1])
        return ids, ranks

    def _rank(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The rank of the merge of the two ids, _NEVER if there is none."""
        numbers = self._pairs.find(Keys.of_pairs(left.ravel(), right.ravel()))
        return self._ranks[numbers].reshape(left.shape)


def _joined(parts: list[Part], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids of all parts in the order of the n rows, and how many each row has."""
    row = np.concatenate([np.repeat(rows, counts) for rows, _, counts in parts])
    order = np.argsort(row, kind="stable")
    return np.concatenate([ids for _, ids, _ in parts])[order], np.bincount(row, minlength=n)
