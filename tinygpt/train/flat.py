"""Parameters laid out in one contiguous buffer, so that an operation on all of them is one pass over one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Array, array_module, is_half

from ..model.module import Parameter


class FlatGroup:
    """Values and gradients of some parameters in two contiguous buffers; each Parameter becomes a view.

    Parameters with weight decay come first, so that `values[:n_decayed]` are theirs. `backward` writes gradients
    straight into `gradients`.

    dtype: the precision in which the parameters compute (None: the one they have). If it has 16 bits, both buffers are
    float32 all the same, and the parameters are views of a third buffer with the rounded values, which `changed`
    refreshes. A step often changes a value by less than half the distance between neighbouring 16-bit numbers. In 16
    bits every such change would be lost; in the float32 values they add up.

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
        """A parameter's value before it is rounded to 16 bits; for a parameter outside the group, its array."""
        return self._value_of.get(parameter, parameter.data)

    def complete_gradients(self) -> None:
        """Sets the gradient of each parameter that took no part in the loss to 0, in place of an earlier step's."""
        for p in self.parameters:
            if p.grad is None:
                p.grad_buffer[...] = 0

    def forget_gradients(self) -> None:
        """Makes the next gradient of each parameter overwrite the last one, so that the buffer need not be zeroed."""
        for p in self.parameters:
            p.grad = None

    def changed(self) -> None:
        """To be called after the values have changed: rounds them again, and marks recorded graphs as outdated."""
        self._round()
        for p in self.parameters:
            p.version += 1

    def _round(self) -> None:
        if self.rounded is not None:
            self.rounded[...] = self.values
