"""Adam with decoupled weight decay and clipping, over flat buffers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograd import Array, adam_step, array_module, is_numpy, squared_norm

from ..errors import BadInput
from ..model.module import Parameter
from .clip import clip_factor
from .flat import FlatGroup

REMEDY = "lower the learning rate, lengthen the warm-up, or clip the gradients"


class AdamW:
    """Owns the gradients and the two moments of the parameters it is given, which become views of one buffer.

    Weight decay applies to matrices only. The formula stands in autograd/kernels/reference/adam.py.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        beta1: float = 0.9,
        beta2: float = 0.95,
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        grad_clip: float = 1.0,
    ) -> None:
        if not parameters:
            raise BadInput("AdamW was given no parameters")
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise BadInput(f"{name} must be at least 0 and below 1, not {beta}")
        for name, value in (("weight_decay", weight_decay), ("grad_clip", grad_clip), ("eps", eps)):
            if not (value >= 0 and math.isfinite(value)):
                raise BadInput(f"{name} must be a number of at least 0, not {value}")
        self.group = FlatGroup(parameters)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.weight_decay, self.grad_clip = weight_decay, grad_clip
        xp = array_module(self.group.values)
        self.m: Array = xp.zeros_like(self.group.values)
        self.v: Array = xp.zeros_like(self.group.values)
        self.steps = 0

    def step(self, lr: float, count: int = 1) -> Array:
        """Divides the gradients by `count`, clips, updates, forgets them; returns their norm before clipping.

        count: how many targets a summed loss covered. Nothing changes where a gradient is not finite. On the CPU that
        raises FloatingPointError, naming the first such parameter's shape. A GPU is not waited for: the norm is an
        array of one number there, which says so to whoever reads it.
        """
        group = self.group
        group.complete_gradients()
        squared = squared_norm(group.gradients)
        norm = array_module(squared).sqrt(squared) / count
        if is_numpy(norm):
            norm = self._checked(float(norm))
        scale = clip_factor(norm, self.grad_clip) / count
        self.steps += 1
        n = group.n_decayed
        for part, decay in ((slice(0, n), self.weight_decay), (slice(n, None), 0.0)):
            adam_step(
                group.values[part], group.gradients[part], self.m[part], self.v[part],
                self.steps, lr, self.beta1, self.beta2, self.eps, decay, scale,
            )  # fmt: skip
        group.changed()
        group.forget_gradients()
        return norm

    def zero_grad(self) -> None:
        """Forgets gradients that no step has used."""
        self.group.forget_gradients()

    def state(self) -> dict[str, Array]:
        """The moments under each parameter's place in the buffer, for checkpoints."""
        return {"m": self.m, "v": self.v}

    def _checked(self, norm: float) -> float:
        if math.isfinite(norm):
            return norm
        bad = [p for p in self.group.parameters if not math.isfinite(squared_norm(p.grad_buffer))]
        where = f"a parameter of shape {bad[0].shape}" if bad else "their norm, which overflows"
        raise FloatingPointError(f"the gradients are not finite, first in {where}: {REMEDY}")
