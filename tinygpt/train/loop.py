"""The training loop: a generator that yields after every step, so that evaluation and saving are up to the caller."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autograd import Array, Key, configure

from ..text.batches import Batch
from .adam import REMEDY, AdamW
from .losses import Loss
from .scaling import LEAST
from .schedules import Schedule, constant


@dataclass(frozen=True)
class Step:
    """What one step did. A GPU may still be at work on it; reading `loss` or `grad_norm` waits for the result.

    Reading either raises FloatingPointError if the gradients were not finite; the step has then changed nothing. With
    a loss scale (float16), gradients are expected to overflow now and then. Such a step is `skipped` and raises
    nothing, unless the loss itself is not finite or the scale is already too small to be the cause.
    """

    index: int
    learning_rate: float
    tokens: int
    losses: Sequence[Array]
    """The summed loss of each micro-batch, in nats."""
    norm: Array
    scale: Array | None = None
    """The factor for the next loss (float16); None without scaling."""

    @property
    def loss(self) -> float:
        """The mean over the step's targets, in nats, before the update."""
        return self._read[0]

    @property
    def grad_norm(self) -> float:
        """The norm of the gradient of the mean loss, before clipping."""
        return self._read[1]

    @property
    def skipped(self) -> bool:
        """Whether the gradients of the scaled loss overflowed, so that the step changed nothing but the scale."""
        return not math.isfinite(self.grad_norm)

    @cached_property
    def _read(self) -> tuple[float, float]:
        loss, norm = _mean(self.losses, self.tokens), float(self.norm)
        if not math.isfinite(norm) and not self._overflow_is_the_scale(loss):
            raise FloatingPointError(f"step {self.index}, loss {loss}: the gradients are not finite: {REMEDY}")
        return loss, norm

    def _overflow_is_the_scale(self, loss: float) -> bool:
        return self.scale is not None and math.isfinite(loss) and float(self.scale) >= LEAST


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
    """Runs steps start … max_iters − 1: forward, backward, clip, Adam.

    Micro-batch j of step i is batches(i · accumulate + j). Their summed losses are divided once, by the number of all
    their targets, so that each target has the same weight even if micro-batches differ in size. Everything random
    follows from (seed, i, j), so a run resumed at `start` takes exactly the steps it would have taken.

    Raises ValueError if a step has no target, and FloatingPointError, with the step's number, if loss or gradients are
    not finite. Nothing here waits for a GPU: on a GPU, and with a loss scale, FloatingPointError is raised when the
    yielded step is read.
    """
    configure()
    rate = learning_rate if callable(learning_rate) else constant(learning_rate)
    for i in range(start, max_iters):
        losses, count = [], 0
        optimizer.zero_grad()
        for j in range(accumulate):
            key = Key(seed).fold("train", i, j)
            loss_sum, targets = loss(model, batches(i * accumulate + j), key)
            loss_sum.backward(optimizer.loss_scale)
            losses.append(loss_sum.data)
            count += targets
        if count == 0:
            raise ValueError(f"step {i}: no target counts towards the loss")
        lr = rate(i)
        try:
            norm = optimizer.step(lr, count)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {i}, loss {_mean(losses, count)}: {error}") from None
        yield Step(i, lr, count, losses, norm, optimizer.loss_scale)


def _mean(losses: Sequence[Array], count: int) -> float:
    return sum(loss.item() for loss in losses) / count
