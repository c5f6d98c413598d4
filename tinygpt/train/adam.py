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
    """Adam for parameters whose values, gradients and moments it holds in flat buffers; each becomes a view.

    The formula is in autograd/kernels/reference/adam.py. beta1, beta2: how much of the running means of the gradients
    and of their squares each step keeps. eps: added to the root of the second mean, so that nothing is divided by 0.
    weight_decay: for matrices only. grad_clip: the largest norm of the gradient (0: no clipping). The defaults are
    GPT-3's (Brown et al. 2020, appendix B).

    dtype: the precision in which the parameters compute from now on (None: the one they have). On a GPU "bfloat16" and
    "float16" halve the memory of activations and are several times as fast. The values that are updated, the
    gradients and the moments stay float32 (flat.py). float16 needs a scaled loss: start the backward with
    loss.backward(optimizer.loss_scale). A step whose gradients overflow is then skipped; only `steps` counts it.

    Raises BadInput for no parameters or a value out of range, RuntimeError for bfloat16 if ml_dtypes is missing.
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
        for name, value in (("weight_decay", weight_decay), ("grad_clip", grad_clip)):
            if not (value >= 0 and math.isfinite(value)):
                raise BadInput(f"{name} must be a number of at least 0, not {value}")
        if not (eps > 0 and math.isfinite(eps)):
            raise BadInput(f"eps must be a number above 0, not {eps}: a gradient of 0 would be divided by 0")
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
        """The gradient with which `backward` starts: a one-element array, or None for 1."""
        return None if self.scaling is None else self.scaling.scale

    def step(self, lr: float, count: int = 1) -> Array:
        """Divides the gradients by `count`, clips, updates, discards them; returns their norm before clipping.

        count: the number of targets that a summed loss covered. If a gradient is not finite, neither values nor moments
        change. On the CPU this raises FloatingPointError, naming the shape of the first such parameter, unless there is
        a loss scale, with which gradients overflow now and then. On a GPU nothing waits for the result: the norm is a
        one-element array, and is not finite in this case.
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
        """Discards gradients that no step has used."""
        self.group.forget_gradients()

    def value_of(self, parameter: Parameter) -> Array:
        """The value that is updated: for a 16-bit parameter the float32 value behind it."""
        return self.group.value_of(parameter)

    def state(self) -> dict[str, Array]:
        """For checkpoints: the flat moments, in the order of the buffer, and the state of the loss scale, if any."""
        return {"m": self.m, "v": self.v, **({} if self.scaling is None else self.scaling.state())}

    def load_state(self, state: Mapping[str, Array], steps: int) -> None:
        """Restores what `state` returned after `steps` steps. Raises BadInput for the moments of another model."""
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
