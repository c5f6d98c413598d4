"""Parameters laid out side by side, so that what concerns all of them is one pass over one array."""

from __future__ import annotations

from collections.abc import Sequence

from autograd import Array, array_module

from ..model.module import Parameter


class FlatGroup:
    """Values and gradients of some parameters in two contiguous buffers; each Parameter becomes a view.

    Decayed parameters come first, so that `values[:n_decayed]` is what weight decay applies to. `backward` writes
    gradients straight into `gradients`.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        ordered = sorted(parameters, key=lambda p: not p.decays)
        first = ordered[0]
        xp = array_module(first.data)
        self.parameters = ordered
        self.n_decayed = sum(p.size for p in ordered if p.decays)
        self.values: Array = xp.empty(sum(p.size for p in ordered), dtype=first.dtype)
        self.gradients: Array = xp.zeros_like(self.values)
        start = 0
        for p in ordered:
            stop = start + p.size
            value = self.values[start:stop].reshape(p.shape)
            value[...] = p.data
            p.data, p.grad = value, None
            p.grad_buffer = self.gradients[start:stop].reshape(p.shape)
            start = stop

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
        """Tells every recorded graph that the values are others now."""
        for p in self.parameters:
            p.version += 1
