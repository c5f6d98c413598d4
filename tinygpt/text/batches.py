"""Batches of windows over one long row of token ids: inputs and next-token targets.

Shapes: N tokens in the row, B windows in a batch, T tokens in a window (the block size).
A window of inputs tokens[s : s+T] has the targets tokens[s+1 : s+T+1]: every position predicts its successor.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinygpt.errors import BadInput

IGNORE = -100
"""The target of a position that does not count in the loss: the default `ignore_index` of cross entropy."""

_LOW_64_BITS = (1 << 64) - 1


class Batch(NamedTuple):
    """inputs (B, T) int64; targets (B, T) int64, IGNORE where a position does not count in the loss."""

    inputs: np.ndarray
    targets: np.ndarray


def random_windows(tokens: np.ndarray, batch_size: int, block_size: int, seed: int, index: int) -> Batch:
    """B windows whose starts are drawn uniformly from the N - T positions that have T successors.

    A pure function of its arguments: batch 1000 does not need the batches before it, and a resumed run sees the same
    batches as an uninterrupted one.

    Raises BadInput if the row is shorter than one window and its last target.
    """
    tokens = checked_row(tokens)
    _at_least_one(batch_size=batch_size, block_size=block_size)
    n_starts = len(tokens) - block_size
    _require_a_target(tokens)
    if n_starts < 1:
        raise BadInput(
            f"the text has {len(tokens)} tokens, too few for a context of {block_size}, which needs "
            f"{block_size + 1}: lower block_size to at most {len(tokens) - 1} or give more text"
        )
    starts = drawing(seed, index).integers(n_starts, size=batch_size)
    windows = tokens[starts[:, None] + np.arange(block_size + 1)].astype(np.int64)
    return Batch(np.ascontiguousarray(windows[:, :-1]), np.ascontiguousarray(windows[:, 1:]))


def strided_windows(tokens: np.ndarray, batch_size: int, block_size: int, stride: int | None = None) -> Iterator[Batch]:
    """Windows at 0, stride, 2·stride … that together score each of the N - 1 targets exactly once.

    With stride = T, the default, the windows lie end to end. A smaller stride makes them overlap: each window then
    scores only the targets that its predecessor did not reach, with at least T - stride tokens of context for each. The
    last window is padded with zeros whose targets are IGNORE; the last batch may have fewer rows. Sliding evaluation as
    in Baevski and Auli 2019, "Adaptive input representations for neural language modeling", section 4.

    Raises BadInput for a row without a target, or a stride outside 1 … T.
    """
    tokens = checked_row(tokens)
    stride = block_size if stride is None else stride
    _at_least_one(batch_size=batch_size, block_size=block_size, stride=stride)
    if stride > block_size:
        raise BadInput(
            f"a stride of {stride} would skip targets between windows of {block_size}: "
            f"choose a stride of at most {block_size}"
        )
    _require_a_target(tokens)
    n_targets = len(tokens) - 1
    n_windows = 1 + max(0, math.ceil((n_targets - block_size) / stride))
    return (
        _meeting_batch(tokens, block_size, stride, range(first, min(first + batch_size, n_windows)))
        for first in range(0, n_windows, batch_size)
    )


def _meeting_batch(tokens: np.ndarray, block_size: int, stride: int, windows: range) -> Batch:
    inputs = np.zeros((len(windows), block_size), dtype=np.int64)
    targets = np.full((len(windows), block_size), IGNORE, dtype=np.int64)
    for row, window in enumerate(windows):
        start = window * stride
        successors = tokens[start + 1 : start + block_size + 1]
        already_scored = 0 if window == 0 else block_size - stride
        inputs[row, : len(successors)] = tokens[start : start + len(successors)]
        targets[row, already_scored : len(successors)] = successors[already_scored:]
    return Batch(inputs, targets)


def pad(rows: Sequence[Sequence[int]], fill: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(ids (B, longest) int64, mask): the rows padded with `fill` to the longest; the mask is True at real tokens."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    ids = np.full(mask.shape, fill, dtype=np.int64)
    if lengths.any():
        ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return ids, mask


def drawing(seed: int, index: int, purpose: int = 0) -> np.random.Generator:
    """The random generator for batch `index`: the same numbers every time, and separate ones for each purpose.

    Philox is a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Its key
    here is (seed, index), and the purpose is the highest word of its counter, which counting never reaches.
    """
    key = np.array([seed & _LOW_64_BITS, index & _LOW_64_BITS], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, purpose], dtype=np.uint64)))


def checked_row(tokens: np.ndarray) -> np.ndarray:
    """The tokens as an array. Raises BadInput if they are not one row of integers."""
    tokens = np.asanyarray(tokens)
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise BadInput(
            f"tokens must be one row of integers, not {tokens.dtype} of shape {tokens.shape}: "
            "encode the text with a tokenizer's encode_array"
        )
    return tokens


def _require_a_target(tokens: np.ndarray) -> None:
    if len(tokens) < 2:
        raise BadInput(f"the text has {len(tokens)} tokens, and a prediction needs at least 2: give more text")


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise BadInput(f"{name} must be at least 1, not {size}")
