"""Cross entropy in blocks of rows; probabilities are computed only in the backward. Formulas: ../reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks


def cross_entropy(
    logits: Array, targets: Array, ignore_index: int = -100, label_smoothing: float = 0.0
) -> tuple[Array, Any]:
    n, v = logits.shape
    counts = targets != ignore_index
    chosen = np.where(counts, targets, 0)
    log_sum = np.empty(n, dtype=logits.dtype)
    losses = np.empty(n, dtype=logits.dtype)

    def block(_: int, i: int, j: int) -> None:
        x = logits[i:j]
        largest = x.max(axis=1)
        e = x - largest[:, None]
        np.exp(e, out=e)
        log_sum[i:j] = np.log(e.sum(axis=1)) + largest
        losses[i:j] = log_sum[i:j] - (1 - label_smoothing) * x[np.arange(j - i), chosen[i:j]]
        if label_smoothing:
            losses[i:j] -= label_smoothing * x.mean(axis=1)

    for_blocks(n, max(1, BLOCK // v), block, elements=logits.size)
    losses[~counts] = 0
    return losses, (logits, log_sum, counts, chosen, label_smoothing)


def cross_entropy_backward(dlosses: Array, saved: Any) -> Array:
    logits, log_sum, counts, chosen, label_smoothing = saved
    n, v = logits.shape
    factors = np.where(counts, dlosses, 0).astype(logits.dtype)
    dx = np.empty(logits.shape, dtype=logits.dtype)

    def block(_: int, i: int, j: int) -> None:
        out = dx[i:j]
        np.subtract(logits[i:j], log_sum[i:j, None], out=out)
        np.exp(out, out=out)
        if label_smoothing:
            out -= label_smoothing / v
        out[np.arange(j - i), chosen[i:j]] -= 1 - label_smoothing
        out *= factors[i:j, None]

    for_blocks(n, max(1, BLOCK // v), block, elements=logits.size)
    return dx
