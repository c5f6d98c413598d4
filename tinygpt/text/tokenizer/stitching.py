"""Endless pieces merged in parts that overlap, and stitched together where two parts agree.

Merging by itself takes a piece of n bytes n rounds. But whether two tokens can stand side by side in an encoded text
depends on these two alone, where merges are learned one after another: they can unless, were they encoded together,
some merge would join what lies on the two sides of their boundary before the one or the other is made. So a row of
tokens of which all neighbours stand side by side in the encoding of something is the encoding of what it spells. Parts
of the piece are encoded as if each were all; where one and the next have a token in common, the row goes over from the
one to the other, and every two neighbours come from one of them.

     the part [0, 64)      un|believ|able|ness|of|the|wh        the token |the| is in both at the same place:
     the part [32, 96)                   ss|of|the|whole|th     un|believ|able|ness|of|the|whole|th …
"""

from collections.abc import Callable

import numpy as np

from tinygpt.text.tokenizer.keys import stretches

STEP = 32
"""Bytes from the beginning of a part to that of the next, which is where the one before has its middle."""

Split = Callable[[bytes, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(data, starts, lengths) → (the ids of the pieces there, one piece after another; how many each has)."""


def split_overlapping(
    split: Split, token_lengths: np.ndarray, data: bytes, starts: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What `split` would give for pieces of any length, though it only gets parts of up to 2 · STEP bytes.

    A piece has no ids, and the count 0, where two parts have no token in common.
    """
    n_parts = np.maximum(1, -(-lengths // STEP) - 1)
    piece = np.repeat(np.arange(len(starts)), n_parts)
    number = np.arange(len(piece)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    begin = starts[piece] + STEP * number
    end = np.minimum(begin + 2 * STEP, (starts + lengths)[piece])
    ids, counts = _split_once(split, data, begin, end)
    part = np.repeat(np.arange(len(begin)), counts)
    place = _places(token_lengths[ids], begin, counts)
    goes_over = _first_shared(ids, place, part, begin, number > 0)
    until = np.append(goes_over[1:], np.iinfo(np.int64).max)
    until[np.cumsum(n_parts) - 1] = np.iinfo(np.int64).max
    complete = np.bincount(piece, goes_over < 0) == 0
    kept = (place >= goes_over[part]) & (place < until[part]) & complete[piece[part]]
    return ids[kept], np.bincount(piece[part[kept]], minlength=len(starts))


def _split_once(split: Split, data: bytes, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`split` of parts, of which equal ones, as endless pieces have many, are split but once."""
    number_of: dict[bytes, int] = {}
    parts = (data[first:behind] for first, behind in zip(begin.tolist(), end.tolist(), strict=True))
    number = [number_of.setdefault(part, len(number_of)) for part in parts]
    _, rows = np.unique(number, return_index=True)
    ids, counts = split(data, begin[rows], (end - begin)[rows])
    first, count = (np.cumsum(counts) - counts)[number], counts[number]
    return stretches(ids, first, count), count


def _places(token_lengths: np.ndarray, begin: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Where each token begins in the data."""
    before = np.cumsum(token_lengths) - token_lengths
    first = np.cumsum(counts) - counts
    return before + np.repeat(begin - before[first], counts)


def _first_shared(
    ids: np.ndarray, place: np.ndarray, part: np.ndarray, begin: np.ndarray, follows: np.ndarray
) -> np.ndarray:
    """For each part the place of the first token that the part before it has, too; −1 where there is none, and its own
    beginning where none is before it.

    A place in the overlap belongs to two parts: to the second half of one and to the first half of the next.
    """
    token = place << 32 | ids
    in_first_half = place < begin[part] + STEP
    earlier = np.append(np.sort(token[~in_first_half]), -1)
    shared = np.flatnonzero(in_first_half & follows[part])
    shared = shared[earlier[np.searchsorted(earlier[:-1], token[shared])] == token[shared]]
    first = np.where(follows, -1, begin)
    first[part[shared][::-1]] = place[shared][::-1]
    return first
