"""The training loop: a generator that yields after every step, so that whatever else happens stands in the script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from autograd import Key, configure

from ..text.batches import Batch
from .adam import AdamW
from .losses import Loss
from .schedules import Schedule, constant


@dataclass(frozen=True)
class Step:
    """What one step did: loss is the mean over its targets, in nats, before the update."""

    index: int
    loss: float
    grad_norm: float
    learning_rate: float
    tokens: int


def train(
    model: Any,
    loss: Loss,
    batches: Callable[[int], Batch],
    optimizer: AdamW,
    max_iters: int,
    learning_rate: float | Schedule = 1e-3,
    accumulate: int = 1,
    start: int = 0,
    seed: int = 0,
) -> Iterator[Step]:
    """Steps start … max_iters − 1: forward, backward, clip, Adam.

    Micro-batch j of step i is batches(i · accumulate + j). Their summed losses are divided once, by all their targets
    together, so that ragged micro-batches weigh by their tokens. Everything random follows from (seed, i, j), so that
    a run resumed at `start` takes the very steps it would have taken.

    Raises FloatingPointError where loss or gradients are not finite, with the step's number.
    """
    configure()
    rate = learning_rate if callable(learning_rate) else constant(learning_rate)
    for i in range(start, max_iters):
        total, count = 0.0, 0
        optimizer.zero_grad()
        for j in range(accumulate):
            key = Key(seed).fold("train", i, j)
            loss_sum, targets = loss(model, batches(i * accumulate + j), key)
            loss_sum.backward()
            total, count = total + loss_sum.item(), count + targets
        if count == 0:
            raise ValueError(f"step {i}: no target counts towards the loss")
        lr = rate(i)
        try:
            norm = optimizer.step(lr, count)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {i}, loss {total / count}: {error}") from None
        yield Step(i, total / count, norm, lr, count)
