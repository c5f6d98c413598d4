"""Gradients on their way through `backward`: their sums, and deposits: gradients that are computed when they are added.

A weight's gradient is as large as the weight. Computing it as a new array and then adding that to the gradient buffer
passes over memory twice; a deposit computes it straight into the buffer. An operation returns a deposit in place of an
array; only `backward` in tensor.py decides where it is added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ..device import Array, array_module
from ..precision import wide


class Deposit(ABC):
    """The gradient of an array of `shape`, able to add itself to a buffer of that shape."""

    shape: tuple[int, ...]
    source: Array  # an array that has the gradient's library and precision

    @abstractmethod
    def add_to(self, buffer: Array) -> None:
        """buffer += the gradient"""

    def write_to(self, buffer: Array) -> None:
        buffer[...] = 0
        self.add_to(buffer)

    def array(self, dtype: Any = None) -> Array:
        """The gradient as a new array, in the source's precision unless another is asked for."""
        buffer = array_module(self.source).empty(self.shape, dtype=self.source.dtype if dtype is None else dtype)
        self.write_to(buffer)
        return buffer


class Region(Deposit):
    """The gradient of x where y = x[index]: dy in that region, 0 elsewhere. Repeated indices add."""

    def __init__(self, shape: tuple[int, ...], index: object, dy: Array) -> None:
        self.shape, self.index, self.source = shape, index, dy

    def add_to(self, buffer: Array) -> None:
        if _is_basic(self.index):
            buffer[self.index] += self.source
            return
        total = wide(buffer)  # repeated indices are summed in float32; CuPy's add.at takes no bfloat16
        array_module(buffer).add.at(total, self.index, wide(self.source))
        if total is not buffer:
            buffer[...] = total

    def interval(self) -> tuple[int, int, int] | None:
        """(axis, start, stop) if the region is this part of one axis and all of the others, else None."""
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        whole = slice(None)
        cut = [axis for axis, part in enumerate(parts) if not (isinstance(part, slice) and part == whole)]
        if len(cut) != 1:
            return None
        axis, part = cut[0], parts[cut[0]]
        if isinstance(part, slice) and part.step in (None, 1):
            start, stop, _ = part.indices(self.shape[axis])
            return axis, start, stop
        if type(part) is int:
            return axis, part % self.shape[axis], part % self.shape[axis] + 1
        return None


def _join(regions: list[Region]) -> Array:
    """The sum of regions of one value. If they tile it along an axis, they are copied to their places, not added."""
    first = regions[0]
    whole = array_module(first.source).empty(first.shape, dtype=first.source.dtype)
    if _tile(regions):
        for region in regions:
            whole[region.index] = region.source
        return whole
    whole[...] = 0
    for region in regions:
        region.add_to(whole)
    return whole


def _tile(regions: list[Region]) -> bool:
    """Whether the regions cover one axis from end to end, each element once."""
    intervals = [region.interval() for region in regions]
    if None in intervals or len({axis for axis, _, _ in intervals}) != 1:
        return False
    end = 0
    for _, start, stop in sorted(intervals):
        if start != end:
            return False
        end = stop
    return end == regions[0].shape[intervals[0][0]]


class Product(Deposit):
    """xᵀ dy for x (N, I) and dy (N, O): the gradient of a linear layer's weight (I, O).

    multiply(left, right, out, beta) is the room's own product: out ← left @ right + beta · out, for a beta of 0 or 1.
    """

    def __init__(self, x: Array, dy: Array, multiply: Callable[..., None]) -> None:
        self.x, self.source, self.multiply = x, dy, multiply
        self.shape = (x.shape[1], dy.shape[1])

    def add_to(self, buffer: Array) -> None:
        self.multiply(self.x.T, self.source, buffer, beta=1.0)

    def write_to(self, buffer: Array) -> None:
        self.multiply(self.x.T, self.source, buffer, beta=0.0)


class GradientSum:
    """The gradient of one value, summed over its uses as they arrive.

    The first array may also be another value's gradient, so it is never changed; a sum computed here is `ours`, and is
    added to in place. Regions (slices of the value) are collected first: if they tile the value, they are copied.
    """

    __slots__ = ("ours", "regions", "total")

    def __init__(self) -> None:
        self.total: Array | None = None
        self.ours = False
        self.regions: list[Region] = []

    def add(self, cotangent: Any) -> None:
        if isinstance(cotangent, Region):
            self.regions.append(cotangent)
        elif self.total is None:
            self.ours = isinstance(cotangent, Deposit)
            self.total = cotangent.array() if self.ours else cotangent
        elif isinstance(cotangent, Deposit):
            self._own()
            cotangent.add_to(self.total)
        elif self.ours:
            self.total += cotangent
        else:
            self.total, self.ours = self.total + cotangent, True

    def value(self) -> Array:
        if self.total is None:
            return _join(self.regions)
        if self.regions:
            self._own()
            for region in self.regions:
                region.add_to(self.total)
        return self.total

    def _own(self) -> None:
        if not self.ours:
            self.total, self.ours = self.total.copy(), True


def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an array of `shape` that was broadcast to x's shape: x summed over what was repeated."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return x.sum(axis=repeated, keepdims=True)


def _is_basic(index: object) -> bool:
    """Whether an index consists of integers, slices, None and ... only, and so names each element at most once."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)
