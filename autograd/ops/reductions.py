"""Reductions along one axis, several axes, or all of them (None). keepdims keeps each reduced axis, with length 1.

In the docstrings n is the number of elements that go into each result, and g is repeated along the reduced axes
(`_spread`), so that it has the shape of a.
"""

from __future__ import annotations

import math
from typing import Any

from ..device import Array, array_module
from ..tensor import Tensor, record
from .operands import as_tensor

Axis = int | tuple[int, ...] | None


def sum(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ a; da = g."""
    a = as_tensor(a)
    shape = a.shape
    y = a.data.sum(axis=axis, keepdims=keepdims)
    return record(y, (a,), lambda g: (_spread(g, shape, axis),))


def mean(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ a / n; da = g / n."""
    a = as_tensor(a)
    shape = a.shape
    y = a.data.mean(axis=axis, keepdims=keepdims)
    return record(y, (a,), lambda g: (_spread(g / _count(shape, axis), shape, axis),))


def var(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ (a − mean(a))² / n (NumPy's default, not n − 1); da = 2 g (a − mean(a)) / n."""
    a = as_tensor(a)
    x = a.data
    y = x.var(axis=axis, keepdims=keepdims)

    def vjp(g: Array) -> tuple:
        centred = x - x.mean(axis=axis, keepdims=True)
        return (_spread(2 * g / _count(x.shape, axis), x.shape, axis) * centred,)

    return record(y, (a,), vjp)


def max(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element; da = g for that element, else 0. Elements that tie for it share g equally."""
    a = as_tensor(a)
    x = a.data
    y = x.max(axis=axis, keepdims=keepdims)
    return record(y, (a,), lambda g: (_to_equal(g, x, y, axis),))


def min(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element; da = g for that element, else 0. Elements that tie for it share g equally."""
    a = as_tensor(a)
    x = a.data
    y = x.min(axis=axis, keepdims=keepdims)
    return record(y, (a,), lambda g: (_to_equal(g, x, y, axis),))


def _to_equal(g: Array, x: Array, y: Array, axis: Axis) -> Array:
    """The gradient of y = max(x) or min(x): g, divided among the elements of x that equal y."""
    equal = x == _spread(y, x.shape, axis)
    return _spread(g, x.shape, axis) * equal / equal.sum(axis=axis, keepdims=True)


def _axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return tuple(i % ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    """n: how many elements go into each result."""
    return math.prod(shape[i] for i in _axes(len(shape), axis))


def _spread(g: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """g, with or without the reduced axes, repeated along them: a view of `shape`."""
    kept = list(shape)
    for i in _axes(len(shape), axis):
        kept[i] = 1
    xp = array_module(g)
    return xp.broadcast_to(xp.asarray(g).reshape(kept), shape)
