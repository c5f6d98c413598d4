"""Learning rates as functions of the step."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(learning_rate: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: learning_rate


def warmup_cosine(learning_rate: float, min_lr: float, warmup_iters: int, max_iters: int) -> Schedule:
    """Rises linearly over the first w steps, while Adam's second moment is a poor estimate, then falls along a cosine.

    w: warmup_iters, max: max_iters. After max_iters the rate stays at min_lr.

    Formula: lr_t = lr (t + 1)/(w + 1) for t < w, then min_lr + (lr − min_lr)(1 + cos(π (t − w)/(max − w)))/2
    Paper: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", section 3
    Example: examples/05_training.py
    Test: tests/test_adam.py
    """

    def rate(step: int) -> float:
        if step < warmup_iters:
            return learning_rate * (step + 1) / (warmup_iters + 1)
        if step >= max_iters:
            return min_lr
        progress = (step - warmup_iters) / max(1, max_iters - warmup_iters)
        return min_lr + (learning_rate - min_lr) * (1 + math.cos(math.pi * progress)) / 2

    return rate
