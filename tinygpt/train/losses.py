"""One loss function a task: loss(model, batch, key) → (total, count), a sum in nats and how many targets it covers.

Sum and count stay apart so that whoever combines several batches divides once, by all targets together.
B batch, T time, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd import Key, Tensor, cross_entropy

from ..text.batches import IGNORE, Batch

Loss = Callable[[Any, Any, Key | None], tuple[Tensor, int]]


def causal_lm_loss(model: Any, batch: Batch, key: Key | None = None) -> tuple[Tensor, int]:
    """The negative log-likelihood of each next token given those before it.

    Formula: L = −Σ_t log p(x_t | x_0 … x_{t−1})
    Paper: Bengio et al. 2003, "A neural probabilistic language model", section 2
    Example: examples/05_training.py
    Test: tests/test_training.py
    """
    logits = model(batch.inputs, key)
    total = cross_entropy(logits, batch.targets, ignore_index=IGNORE, reduction="sum")
    return total, int((batch.targets != IGNORE).sum())
