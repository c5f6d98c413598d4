"""Baselines for masked language modeling: guesses from how often tokens occur, alone or next to one neighbour.

Each baseline is a function from a batch to a token for every position, (B, T). It sees what a model sees: where the
neighbour is hidden, it guesses the most frequent token.
Shapes: N tokens in the text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygpt.text.batches import checked_row
from tinygpt.text.masked_lm import MaskedBatch

Guess = Callable[[MaskedBatch], np.ndarray]
"""A function from a batch to its guessed ids, (B, T)."""


def most_frequent(tokens: np.ndarray) -> Guess:
    """Always the token that occurs most often."""
    token = _most_frequent(tokens)
    return lambda batch: np.full_like(batch.inputs, token)


def likeliest_after(tokens: np.ndarray, vocab_size: int) -> Guess:
    """The token that most often follows the left neighbour."""
    table = _likeliest_second(checked_row(tokens), vocab_size)

    def guess(batch: MaskedBatch) -> np.ndarray:
        first = np.full_like(batch.inputs[:, :1], table[vocab_size])
        return np.concatenate([first, table[batch.inputs[:, :-1]]], axis=1)

    return guess


def likeliest_before(tokens: np.ndarray, vocab_size: int) -> Guess:
    """The token that most often precedes the right neighbour."""
    table = _likeliest_second(checked_row(tokens)[::-1], vocab_size)

    def guess(batch: MaskedBatch) -> np.ndarray:
        last = np.full_like(batch.inputs[:, :1], table[vocab_size])
        return np.concatenate([table[batch.inputs[:, 1:]], last], axis=1)

    return guess


def _likeliest_second(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """(V + 1,): for each first token of a pair, its most frequent second token; ties go to the lowest id.

    The last entry, and the entry of a token that is never first, is the most frequent token of all.
    """
    table = np.full(vocab_size + 1, _most_frequent(tokens), dtype=np.int64)
    row = tokens.astype(np.int64)
    pairs, counts = np.unique(row[:-1] * vocab_size + row[1:], return_counts=True)
    rising = np.lexsort((-pairs, counts))  # later entries overwrite: the most frequent wins, then the lowest id
    table[pairs[rising] // vocab_size] = pairs[rising] % vocab_size
    return table


def _most_frequent(tokens: np.ndarray) -> int:
    return int(np.bincount(checked_row(tokens)).argmax())
