"""Parameters laid out side by side, so that what concerns all of them is one pass over one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Array, array_module, is_half

from ..model.module import Parameter


class FlatGroup:
    """Values and gradients of some parameters in two contiguous buffers; each Parameter becomes a view.

    Decayed parameters come first, so that `values[:n_decayed]` is what weight decay applies to. `backward` writes
    gradients straight into `gradients`.

    Where `dtype`, in which the parameters are computed with, has 16 bits, both buffers are float32 all the same, and
    the parameters are views of a third one: the values rounded, which `changed` makes anew. What a step changes is
    often less than half the distance from one 16-bit number to the next. Rounded it would be lost each time; in the
    values it adds up.

    Formula: W ← W − step in float32, and forward and backward compute with round(W)
    Paper: Micikevicius et al. 2018, "Mixed precision training", section 3.1
    Example: examples/05_training.py
    Test: tests/test_precision.py
    """

    def __init__(self, parameters: Sequence[Parameter], dtype: Any = None) -> None:
        ordered = sorted(parameters, key=lambda p: not p.decays)
        first = ordered[0]
        xp = array_module(first.data)
        computing = first.dtype if dtype is None else dtype
        self.parameters = ordered
        self.n_decayed = sum(p.size for p in ordered if p.decays)
        n, rounds = sum(p.size for p in ordered), is_half(computing)
        self.values: Array = xp.empty(n, dtype="float32" if rounds else computing)
        self.gradients: Array = xp.zeros_like(self.values)
        self.rounded: Array | None = xp.empty(n, dtype=computing) if rounds else None
        self._value_of: dict[Parameter, Array] = {}
        start = 0
        for p in ordered:
            place = slice(start, start + p.size)
            value = self._value_of[p] = self.values[place].reshape(p.shape)
            value[...] = p.data
            p.data, p.grad = value if self.rounded is None else self.rounded[place].reshape(p.shape), None
            p.grad_buffer = self.gradients[place].reshape(p.shape)
            start = place.stop
        self._round()

    def value_of(self, parameter: Parameter) -> Array:
        """A parameter's exact value, not rounded to 16 bits; of a parameter outside the group, what it holds."""
        return self._value_of.get(parameter, parameter.data)

    def complete_gradients(self) -> None:
        """A parameter that took no part in the loss has a gradient of 0, not what an earlier step left behind."""
        for p in self.parameters:
            if p.grad is None:
                p.grad_buffer[...] = 0

    def forget_gradients(self) -> None:
        """The next gradient of each parameter is written, not added: the buffer need not be zeroed."""
        for p in self.parameters:
            p.grad = None

    def changed(self) -> None:
        """The values are others now: rounds them again, and tells every recorded graph."""
        self._round()
        for p in self.parameters:
            p.version += 1

    def _round(self) -> None:
        if self.rounded is not None:
            self.rounded[...] = self.values
