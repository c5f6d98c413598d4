"""Operations that move elements without changing them: reshaping, reordering axes, indexing, joining, splitting.

The vjp moves the gradient back the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..device import Array, array_module
from ..kernels.deposit import Region
from ..tensor import Tensor, record
from .operands import as_tensor, bare, same_device


def reshape(a: Any, shape: int | Sequence[int]) -> Tensor:
    """The same elements, in order, in another shape (an axis of −1 takes what remains); da = g in the shape of a."""
    a = as_tensor(a)
    before = a.shape
    return record(a.data.reshape(shape), (a,), lambda g: (g.reshape(before),))


def transpose(a: Any, *axes: Any) -> Tensor:
    """All axes reversed, or reordered as given: transpose(a, 1, 0) or transpose(a, (1, 0)); da = g reordered back."""
    a = as_tensor(a)
    y = a.data.transpose(*axes)
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    order = tuple(i % a.ndim for i in order) if order else tuple(reversed(range(a.ndim)))
    back = tuple(order.index(i) for i in range(a.ndim))
    return record(y, (a,), lambda g: (g.transpose(back),))


def swapaxes(a: Any, axis1: int, axis2: int) -> Tensor:
    """a with two axes exchanged; da = g with the same two exchanged."""
    a = as_tensor(a)
    return record(a.data.swapaxes(axis1, axis2), (a,), lambda g: (g.swapaxes(axis1, axis2),))


def broadcast_to(a: Any, shape: Sequence[int]) -> Tensor:
    """a repeated to `shape`, as a view; da = g summed over the repeats (`backward` does that)."""
    a = as_tensor(a)
    return record(array_module(a.data).broadcast_to(a.data, shape), (a,), lambda g: (g,))


def getitem(a: Any, index: Any) -> Tensor:
    """a[index] as in NumPy; da = g at index, 0 elsewhere. At a position that an index array repeats, gradients add."""
    a = as_tensor(a)
    index = tuple(_own(i) for i in index) if isinstance(index, tuple) else _own(index)
    shape = a.shape
    return record(a.data[index], (a,), lambda g: (Region(shape, index, g),))


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """The tensors one after another along an axis they have; each receives its part of g.

    Raises ValueError where their other axes differ, and TypeError for tensors on different devices.
    """
    tensors = [as_tensor(t) for t in tensors]
    same_device("concatenate", *tensors)
    arrays = [t.data for t in tensors]
    try:
        y = array_module(arrays[0]).concatenate(arrays, axis=axis)
    except ValueError as error:
        raise ValueError(f"concatenate: shapes {[t.shape for t in tensors]} along axis {axis}: {error}") from None
    ends = [0]
    for x in arrays:
        ends.append(ends[-1] + x.shape[axis])
    before = (slice(None),) * (axis % y.ndim)

    def vjp(g: Array) -> list:
        return [g[(*before, slice(i, j))] for i, j in pairwise(ends)]

    return record(y, tuple(tensors), vjp)


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis; tensor i receives g[i] along that axis.

    Raises ValueError where their shapes differ, and TypeError for tensors on different devices.
    """
    tensors = [as_tensor(t) for t in tensors]
    same_device("stack", *tensors)
    if len({t.shape for t in tensors}) != 1:
        raise ValueError(f"stack: all shapes must be equal, and these are {[t.shape for t in tensors]}")
    y = array_module(tensors[0].data).stack([t.data for t in tensors], axis=axis)
    before = (slice(None),) * (axis % y.ndim)
    return record(y, tuple(tensors), lambda g: [g[(*before, i)] for i in range(len(tensors))])


def split(a: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """A list of equal parts where their number is given, or of parts that end at the given positions.

    The parts are slices of a, each with its own gradient. Raises ValueError where equal parts do not come out even.
    """
    a = as_tensor(a)
    extent, axis = a.shape[axis], axis % a.ndim
    if isinstance(indices_or_sections, int):
        if extent % indices_or_sections:
            raise ValueError(f"split: axis {axis} of shape {a.shape} has no {indices_or_sections} equal parts")
        width = extent // indices_or_sections
        indices_or_sections = range(width, extent, width)
    ends = [0, *indices_or_sections, extent]
    before = (slice(None),) * axis
    return [getitem(a, (*before, slice(i, j))) for i, j in pairwise(ends)]


def _own(index: Any) -> Any:
    """A copy of an index array, so that the backward sees the one of the forward."""
    index = bare(index)
    return index.copy() if hasattr(index, "copy") else index
