"""Cross entropy of a softmax: how many nats the right answer costs.

N rows (one prediction each), V classes.
"""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module


def cross_entropy(
    logits: Array, targets: Array, ignore_index: int = -100, label_smoothing: float = 0.0
) -> tuple[Array, Any]:
    """Per row, −Σᵥ qᵥ log pᵥ with p = softmax(logits). (N, V), (N,) → (N,)

    q puts 1 − ε on the target and spreads ε evenly over all V classes (ε = label_smoothing); with ε = 0 the loss
    is −log p[target], the negative log-likelihood. Rows whose target is ignore_index give 0 and no gradient.

    Formula: loss = log Σᵥ exp(xᵥ) − (1 − ε) x[target] − ε mean(x)
    Paper: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", section 7
    Example: examples/02_bigram.py
    Test: tests/test_gradients.py
    """
    xp = array_module(logits)
    rows = xp.arange(logits.shape[0])
    counts = targets != ignore_index
    chosen = xp.where(counts, targets, 0)
    largest = logits.max(axis=1, keepdims=True)
    shifted = logits - largest  # which changes no loss, and keeps the digits of large logits
    log_sum = xp.log(xp.exp(shifted).sum(axis=1))
    losses = log_sum - (1 - label_smoothing) * shifted[rows, chosen]
    if label_smoothing:
        losses = losses - label_smoothing * shifted.mean(axis=1)
    return xp.where(counts, losses, 0), (shifted, log_sum, counts, chosen, label_smoothing)


def cross_entropy_backward(dlosses: Array, saved: Any) -> Array:
    """The gradient of log Σ exp(x) is p, that of x[target] a one-hot row, that of the mean 1/V: dx = p − q."""
    shifted, log_sum, counts, chosen, label_smoothing = saved
    xp = array_module(shifted)
    n, v = shifted.shape
    difference = xp.exp(shifted - log_sum[:, None]) - label_smoothing / v
    difference[xp.arange(n), chosen] -= 1 - label_smoothing
    return xp.where(counts[:, None], difference * dlosses[:, None], 0)
