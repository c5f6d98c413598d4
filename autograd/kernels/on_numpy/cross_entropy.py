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
    largest, total, losses = (np.empty(n, dtype=logits.dtype) for _ in range(3))

    def block(_: int, i: int, j: int) -> None:
        x = logits[i:j]
        largest[i:j] = x.max(axis=1)
        e = x - largest[i:j, None]
        there = (1 - label_smoothing) * e[np.arange(j - i), chosen[i:j]]
        if label_smoothing:
            there += label_smoothing * e.mean(axis=1)
        np.exp(e, out=e)
        total[i:j] = e.sum(axis=1)
        losses[i:j] = np.log(total[i:j]) - there

    for_blocks(n, max(1, BLOCK // v), block, elements=logits.size)
    losses[~counts] = 0
    return losses, (logits, largest, total, counts, chosen, label_smoothing)


def cross_entropy_backward(dlosses: Array, saved: Any) -> Array:
    logits, largest, total, counts, chosen, label_smoothing = saved
    n, v = logits.shape
    factors = dlosses.astype(logits.dtype, copy=False)
    dx = np.empty(logits.shape, dtype=logits.dtype)

    def block(_: int, i: int, j: int) -> None:
        out = dx[i:j]
        np.subtract(logits[i:j], largest[i:j, None], out=out)
        np.exp(out, out=out)
        out *= (factors[i:j] / total[i:j])[:, None]
        if label_smoothing:
            out -= (label_smoothing / v * factors[i:j])[:, None]
        out[np.arange(j - i), chosen[i:j]] -= (1 - label_smoothing) * factors[i:j]
        if not counts[i:j].all():
            out[~counts[i:j]] = 0  # whatever their logits are

    for_blocks(n, max(1, BLOCK // v), block, elements=logits.size)
    return dx
