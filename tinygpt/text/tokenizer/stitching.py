"""Very long pieces merged in overlapping parts, which are stitched together at tokens that two parts share.

Merged as a whole, a piece of n bytes takes up to n rounds. But if each merge uses only tokens made by earlier ones,
whether two tokens can be neighbours in an encoded text depends on these two alone. They cannot if, encoded together,
a merge across their boundary would be applied before both of them are complete. So if every two neighbours in a
sequence of tokens are neighbours in the encoding of some text, the sequence is the encoding of the text it spells.
Each part of the piece is encoded as if it were the whole. At a token that a part shares with the next, the result
continues with the next part; so every two neighbours in it come from the same part.

     the part [0, 64)      un|believ|able|ness|of|the|wh        the token |the| is in both at the same place:
     the part [32, 96)                   ss|of|the|whole|th     un|believ|able|ness|of|the|whole|th …
"""

from collections.abc import Callable

import numpy as np

from tinygpt.text.tokenizer.keys import stretches

STEP = 32
"""Bytes from the beginning of a part to that of the next, which lies in the middle of the part before."""

Split = Callable[[bytes, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(data, starts, lengths) → (the ids of the pieces there, one piece after another; how many each has)."""


def split_overlapping(
    split: Split, token_lengths: np.ndarray, data: bytes, starts: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The result of `split` for pieces of any length, though `split` only gets parts of up to 2 · STEP bytes.

    A piece gets no ids, and the count 0, if two of its consecutive parts share no token.
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
    """`split` of parts; equal parts, of which very long pieces have many, are split only once."""
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
    """For each part, the place of the first token that it shares with the part before it.

    It is −1 if there is none, and the part's own beginning if no part is before it. A place in the overlap belongs to
    two parts: to the second half of one and to the first half of the next.
    """
    token = place << 32 | ids
    in_first_half = place < begin[part] + STEP
    earlier = np.append(np.sort(token[~in_first_half]), -1)
    shared = np.flatnonzero(in_first_half & follows[part])
    shared = shared[earlier[np.searchsorted(earlier[:-1], token[shared])] == token[shared]]
    first = np.where(follows, -1, begin)
    first[part[shared][::-1]] = place[shared][::-1]
    return first
