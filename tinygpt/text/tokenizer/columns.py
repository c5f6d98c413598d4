"""Encoding a long text block by block, with operations on whole arrays instead of a step for each piece.

    text → where its pieces begin (cutting.py) → a number for each different piece (numbering.py)
         → new pieces, merged side by side (together.py) → the ids of all pieces, concatenated

A piece that occurred before costs a few nanoseconds in each of these. Short text is not encoded in this way: there are
some hundred operations, and each takes microseconds, however little data it gets.
"""

import threading
from collections import Counter
from collections.abc import Mapping

import numpy as np

from tinygpt.text.tokenizer.cutting import cut
from tinygpt.text.tokenizer.keys import Column, stretches
from tinygpt.text.tokenizer.numbering import PieceNumbers
from tinygpt.text.tokenizer.pieces import parts_of
from tinygpt.text.tokenizer.stitching import Split

LONG_TEXT = 4096
"""From this many characters on, a text is encoded in columns; with fewer, piece by piece is as fast."""

BLOCK = 1 << 19
"""Characters in a block: enough to have many new pieces at once, few enough that its arrays take some 50 MB."""

REMEMBERED_PIECES = 1 << 18
"""English has some 100,000 different pieces in 100 MB; a full cache takes about 20 MB."""

REMEMBERED_IDS = 1 << 21
"""Of all cached pieces together, so that a few very long ones do not fill the memory either."""

LONGEST_REMEMBERED = 64
"""Bytes; a longer piece is unlikely to occur again."""


class BlockIds:
    """The ids of texts that GPT2_PATTERN cuts. The ids of each piece are cached, until the cache is full."""

    def __init__(self, split: Split, whole: Mapping[bytes, int]) -> None:
        """A piece in `whole` gets the id given there, any other the ids that `split` gives."""
        self._split, self._whole = split, whole
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._numbers = PieceNumbers(LONGEST_REMEMBERED)
        self._ids, self._first, self._count = Column(np.uint32), Column(np.int64), Column(np.int64)
        if self._whole:
            lengths = np.array([len(token) for token in self._whole])
            _, rows = self._numbers(b"".join(self._whole), np.cumsum(lengths) - lengths, lengths)
            self._keep(np.array([*self._whole.values()])[rows], np.ones(len(rows), np.int64))

    def __call__(self, text: str) -> np.ndarray:
        """The ids, uint32."""
        with self._lock:
            return np.concatenate([self._of_block(part) for part in parts_of(text, BLOCK)])

    def _of_block(self, text: str) -> np.ndarray:
        if len(self._numbers) > REMEMBERED_PIECES or len(self._ids) > REMEMBERED_IDS:
            self._forget()
        data, starts, lengths = cut(text)
        numbers, new = self._numbers(data, starts, lengths)
        if len(new):
            self._keep(*self._split(data, starts[new], lengths[new]))
        return stretches(self._ids, self._first[numbers], self._count[numbers])

    def _keep(self, ids: np.ndarray, counts: np.ndarray) -> None:
        """Caches the ids of the pieces that were numbered last."""
        self._first.append(len(self._ids) + np.cumsum(counts) - counts)
        self._count.append(counts)
        self._ids.append(ids)


class PieceCounts:
    """Counts the pieces that GPT2_PATTERN finds in texts. The pieces of several short texts are numbered together."""

    def __init__(self) -> None:
        self._numbers = PieceNumbers()
        self._pieces: list[bytes] = []
        self._counts = np.zeros(0, np.int64)
        self._waiting: list[tuple[bytes, np.ndarray, np.ndarray]] = []
        self._n_waiting = 0

    def add(self, text: str) -> None:
        for part in parts_of(text, BLOCK):
            self._waiting.append(cut(part))
            self._n_waiting += len(part)
            if self._n_waiting >= BLOCK:
                self._count()

    def taken(self) -> Counter[bytes]:
        """The counts since the last call."""
        self._count()
        rows = np.flatnonzero(self._counts).tolist()
        counts = Counter({self._pieces[row]: int(self._counts[row]) for row in rows})
        self._counts[:] = 0
        return counts

    def _count(self) -> None:
        """Counts the pieces that are waiting."""
        if not self._waiting:
            return
        texts, starts, lengths = zip(*self._waiting)
        self._waiting, self._n_waiting = [], 0
        before = np.cumsum([0, *map(len, texts[:-1])])
        data, length = b"".join(texts), np.concatenate(lengths)
        start = np.concatenate([begin + place for begin, place in zip(before.tolist(), starts)])
        numbers, new = self._numbers(data, start, length)
        self._pieces += [data[place : place + n] for place, n in zip(start[new].tolist(), length[new].tolist())]
        counted = np.bincount(numbers, minlength=len(self._pieces))
        counted[: len(self._counts)] += self._counts
        self._counts = counted
