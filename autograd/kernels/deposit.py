"""Gradients that are not computed until there is a place to put them.

A weight's gradient is as large as the weight. Computing it as a new array and then adding that to the gradient
buffer passes twice over memory; a deposit computes it straight into the buffer. `backward` in tensor.py is the
only caller: an operation returns a deposit in place of an array and never learns where it went.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..device import Array, array_module


class Deposit(ABC):
    """The gradient of an array of `shape`, able to add itself to a buffer of that shape."""

    shape: tuple[int, ...]
    source: Array  # an array that decides library and precision

    @abstractmethod
    def add_to(self, buffer: Array) -> None:
        """buffer += the gradient"""

    def write_to(self, buffer: Array) -> None:
        buffer[...] = 0
        self.add_to(buffer)

    def array(self) -> Array:
        buffer = array_module(self.source).empty(self.shape, dtype=self.source.dtype)
        self.write_to(buffer)
        return buffer


class Region(Deposit):
    """The gradient of x where y = x[index]: dy in that region, 0 elsewhere. Repeated indices add."""

    def __init__(self, shape: tuple[int, ...], index: object, dy: Array) -> None:
        self.shape, self.index, self.source = shape, index, dy

    def add_to(self, buffer: Array) -> None:
        if _is_basic(self.index):
            buffer[self.index] += self.source
        else:
            array_module(buffer).add.at(buffer, self.index, self.source)


class Product(Deposit):
    """xᵀ dy for x (N, I) and dy (N, O): the gradient of a linear layer's weight (I, O)."""

    def __init__(self, x: Array, dy: Array) -> None:
        self.x, self.source = x, dy
        self.shape = (x.shape[1], dy.shape[1])

    def add_to(self, buffer: Array) -> None:
        buffer += self.x.T @ self.source

    def write_to(self, buffer: Array) -> None:
        array_module(buffer).matmul(self.x.T, self.source, out=buffer)


def _is_basic(index: object) -> bool:
    """Whether an index is made of integers, slices, None and … only, and so names each element at most once."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)
