"""Cross entropy that reads the logits once, however many classes. The formulas: ../reference/cross_entropy.py."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from .launch import contiguous, over_rows, sum_type


def cross_entropy(
    logits: Array, targets: Array, ignore_index: int = -100, label_smoothing: float = 0.0
) -> tuple[Array, Any]:
    """The losses of 16-bit logits are float32: at 11 nats neighbouring bfloat16 numbers are 1/16 apart."""
    xp = array_module(logits)
    logits, targets = contiguous(logits), contiguous(targets.astype("int64", copy=False))
    n, v = logits.shape
    losses, largest, log_sums = (xp.empty(n, dtype=sum_type(logits)) for _ in range(3))
    constants = v, ignore_index, float(1 - label_smoothing), label_smoothing / max(v, 1)
    arrays = logits, targets, losses, largest, log_sums
    over_rows("cross_entropy", "cross_entropy", logits, n, v, *arrays, *constants)
    return losses, (logits, targets, largest, log_sums, constants)


def cross_entropy_backward(dlosses: Array, saved: Any) -> Array:
    logits, targets, largest, log_sums, constants = saved
    n, v = logits.shape
    dlogits = array_module(logits).empty((n, v), dtype=logits.dtype)
    given = contiguous(dlosses.astype(log_sums.dtype, copy=False)), logits, targets, largest, log_sums, dlogits
    over_rows("cross_entropy", "cross_entropy_backward", logits, n, v, *given, *constants)
    return dlogits
