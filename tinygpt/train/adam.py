"""Adam with decoupled weight decay and clipping, over flat buffers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autograd import (
    Array,
    adam_step,
    array_module,
    device_of,
    float_type,
    is_numpy,
    squared_norm,
    to_device,
)

from ..errors import BadInput
from ..model.module import Parameter
from .clip import clip_factor
from .flat import FlatGroup
from .scaling import LossScale

REMEDY = "lower the learning rate, lengthen the warm-up, or clip the gradients"


class AdamW:
    """Owns the gradients and the two moments of the parameters it is given, which become views of one buffer.

    Weight decay applies to matrices only. The formula stands in autograd/kernels/reference/adam.py.

    dtype: what the parameters are computed with from now on, if it is to be another than they have: "bfloat16" or
    "float16" for half the memory and several times the speed on a GPU. What is updated stays float32, and so do
    gradients and moments (flat.py). float16 has a scale for its losses, by which `backward` has to begin:
    loss.backward(optimizer.loss_scale). A step whose gradients overflow is then skipped, and counts for nothing but
    `steps`. Raises RuntimeError for bfloat16 where the package that it needs is missing.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        beta1: float = 0.9,
        beta2: float = 0.95,
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        grad_clip: float = 1.0,
        dtype: str | None = None,
    ) -> None:
        if not parameters:
            raise BadInput("AdamW was given no parameters")
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise BadInput(f"{name} must be at least 0 and below 1, not {beta}")
        for name, value in (("weight_decay", weight_decay), ("grad_clip", grad_clip), ("eps", eps)):
            if not (value >= 0 and math.isfinite(value)):
                raise BadInput(f"{name} must be a number of at least 0, not {value}")
        self.group = FlatGroup(parameters, None if dtype is None else float_type(dtype))
        self.scaling = LossScale(self.group.values) if parameters[0].dtype.name == "float16" else None
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.weight_decay, self.grad_clip = weight_decay, grad_clip
        xp = array_module(self.group.values)
        self.m: Array = xp.zeros_like(self.group.values)
        self.v: Array = xp.zeros_like(self.group.values)
        self.steps = 0

    @property
    def loss_scale(self) -> Array | None:
        """What `backward` begins with, an array of one number; None for 1."""
        return None if self.scaling is None else self.scaling.scale

    def step(self, lr: float, count: int = 1) -> Array:
        """Divides the gradients by `count`, clips, updates, forgets them; returns their norm before clipping.

        count: how many targets a summed loss covered. Nothing changes where a gradient is not finite. On the CPU that
        raises FloatingPointError, naming the first such parameter's shape, unless a loss scale expects it now and then.
        A GPU is not waited for: the norm is an array of one number there, which says so to whoever reads it.
        """
        group = self.group
        group.complete_gradients()
        squared = squared_norm(group.gradients)
        xp = array_module(squared)
        divisor = count if self.scaling is None else count * self.scaling.scale
        norm = xp.sqrt(squared) / divisor
        if self.scaling is not None:
            self.scaling.adjust(xp.isfinite(norm))
        elif is_numpy(norm):
            norm = self._checked(float(norm))
        scale = clip_factor(norm, self.grad_clip) / divisor
        self.steps += 1
        counted = self.steps if self.scaling is None else self.scaling.step
        n = group.n_decayed
        for part, decay in ((slice(0, n), self.weight_decay), (slice(n, None), 0.0)):
            adam_step(
                group.values[part], group.gradients[part], self.m[part], self.v[part],
                counted, lr, self.beta1, self.beta2, self.eps, decay, scale,
            )  # fmt: skip
        group.changed()
        group.forget_gradients()
        return norm

    def zero_grad(self) -> None:
        """Forgets gradients that no step has used."""
        self.group.forget_gradients()

    def value_of(self, parameter: Parameter) -> Array:
        """What is updated: of 16-bit parameters the float32 value behind them."""
        return self.group.value_of(parameter)

    def state(self) -> dict[str, Array]:
        """For checkpoints: the moments, flat, in the order of the buffer, and what a loss scale has found."""
        return {"m": self.m, "v": self.v, **({} if self.scaling is None else self.scaling.state())}

    def load_state(self, state: Mapping[str, Array], steps: int) -> None:
        """What `state` gave after so many steps, in any precision. Raises BadInput for moments of another model."""
        for name, buffer in (("m", self.m), ("v", self.v)):
            if name not in state or state[name].shape != buffer.shape:
                raise BadInput(f"it holds no moments adam.{name} that fit the model")
            buffer[...] = to_device(state[name], device_of(buffer))
        if self.scaling is not None:
            self.scaling.load_state(state, steps)
        self.steps = steps

    def _checked(self, norm: float) -> float:
        if math.isfinite(norm):
            return norm
        bad = [p for p in self.group.parameters if not math.isfinite(squared_norm(p.grad_buffer))]
        where = f"a parameter of shape {bad[0].shape}" if bad else "their norm, which overflows"
        raise FloatingPointError(f"the gradients are not finite, first in {where}: {REMEDY}")
