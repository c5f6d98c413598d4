"""The elementary operations: each computes with arrays and records its textbook vjp.

g is the gradient of the loss with respect to the operation's result. A vjp may return a gradient in the result's
shape where an operand was broadcast: `backward` sums it. Names and arguments are NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .device import Array, array_module, device_of, is_numpy
from .kernels import room
from .kernels.deposit import Region
from .precision import is_floating
from .tensor import Tensor, record


def bare(x: Any) -> Any:
    """The array (or number) inside."""
    return x.data if isinstance(x, Tensor) else x


def as_tensor(x: Any, like: Tensor | None = None) -> Tensor:
    """x as a Tensor. A number takes the precision of the floating-point tensor it meets, never widening it."""
    if isinstance(x, Tensor):
        return x
    if like is None or getattr(x, "ndim", 0) or isinstance(x, list | tuple):
        return Tensor(x)
    number = array_module(like.data).asarray(x, dtype=like.dtype if is_floating(like.dtype) else None)
    if is_numpy(number) and number is not x:
        number.flags.writeable = False
    return Tensor(number)


def operands(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors on one device. Raises TypeError where they are not."""
    a, b = as_tensor(a, b if isinstance(b, Tensor) else None), as_tensor(b, a if isinstance(a, Tensor) else None)
    same_device(name, a, b)
    return a, b


def same_device(name: str, *tensors: Tensor | None) -> None:
    """Raises TypeError when an operation is given arrays of several devices."""
    arrays = [t.data for t in tensors if t is not None]
    if all(map(is_numpy, arrays)):
        return
    devices = {device_of(x) for x in arrays}
    if len(devices) > 1:
        raise TypeError(f"{name}: operands are on {' and '.join(sorted(devices))}; move one with to_device")


def broadcasting(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Operands of an elementwise operation. Raises ValueError, with both shapes, where they do not fit."""
    a, b = operands(name, a, b)
    if a.shape == b.shape:
        return a, b
    for m, n in zip(reversed(a.shape), reversed(b.shape), strict=False):
        if m != n and m != 1 and n != 1:
            raise ValueError(
                f"{name}: shapes {a.shape} and {b.shape} do not fit: counted from the last, axes must be "
                "equal, or one of them 1 or absent"
            )
    return a, b


def add(a: Any, b: Any) -> Tensor:
    a, b = broadcasting("add", a, b)
    return record(a.data + b.data, (a, b), lambda g: (g, g))


def subtract(a: Any, b: Any) -> Tensor:
    a, b = broadcasting("subtract", a, b)
    return record(a.data - b.data, (a, b), lambda g: (g, -g))


def multiply(a: Any, b: Any) -> Tensor:
    a, b = broadcasting("multiply", a, b)
    x, y = a.data, b.data
    return record(x * y, (a, b), lambda g: (g * y, g * x))


def divide(a: Any, b: Any) -> Tensor:
    a, b = broadcasting("divide", a, b)
    x, y = a.data, b.data
    return record(x / y, (a, b), lambda g: (g / y, -g * x / (y * y)))


def power(a: Any, b: Any) -> Tensor:
    """a ** b. d/da = b a^(b−1), which is 0 for b = 0 even at a = 0; d/db = a^b log a, which is 0 at a = 0 < b."""
    a, b = broadcasting("power", a, b)
    x, y = a.data, b.data
    xp, needs_a, needs_b = array_module(x), a.requires_grad, b.requires_grad
    z = x**y

    def vjp(g: Array) -> tuple:
        dx = g * y * x ** xp.where(y == 0, 1, y - 1) if needs_a else None
        dy = g * z * xp.log(xp.where(x == 0, 1, x)) if needs_b else None
        return dx, dy

    return record(z, (a, b), vjp)


def negative(a: Any) -> Tensor:
    a = as_tensor(a)
    return record(-a.data, (a,), lambda g: (-g,))


def matmul(a: Any, b: Any) -> Tensor:
    """a @ b: matrices in the last two axes, leading axes broadcast; a 1-D operand is a row (left) or column (right).

    y = a b gives da = g bᵀ and db = aᵀ g.
    """
    a, b = operands("matmul", a, b)
    x, y = a.data, b.data
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul: shapes {x.shape} and {y.shape}: a number has no axis to sum over (use *)")
    row, column = x.ndim == 1, y.ndim == 1
    left, right = x[None, :] if row else x, y[:, None] if column else y
    try:
        z = x @ y
    except ValueError:
        raise ValueError(
            f"matmul: shapes {x.shape} and {y.shape} do not fit: the last axis of the first must be as long as "
            "the second-last (or only) axis of the second, and leading axes must broadcast"
        ) from None
    needs_a, needs_b = a.requires_grad, b.requires_grad

    def vjp(g: Array) -> tuple:
        g = g[..., None] if column else g
        g = g[..., None, :] if row else g
        da = db = None
        if needs_a:
            da = g @ right.swapaxes(-1, -2)
            da = da[..., 0, :] if row else da
        if needs_b and right.ndim == 2:  # one product over all leading axes, not a batch of them and a sum
            rows = math.prod(left.shape[:-1])
            db = left.reshape(rows, left.shape[-1]).T @ g.reshape(rows, g.shape[-1])
        elif needs_b:
            db = left.swapaxes(-1, -2) @ g
        return da, db[..., 0] if column and db is not None else db

    return record(z, (a, b), vjp)


def exp(a: Any) -> Tensor:
    a = as_tensor(a)
    y = array_module(a.data).exp(a.data)
    return record(y, (a,), lambda g: (g * y,))


def log(a: Any) -> Tensor:
    a = as_tensor(a)
    x = a.data
    return record(array_module(x).log(x), (a,), lambda g: (g / x,))


def sqrt(a: Any) -> Tensor:
    a = as_tensor(a)
    y = array_module(a.data).sqrt(a.data)
    return record(y, (a,), lambda g: (g / (2 * y),))


def tanh(a: Any) -> Tensor:
    a = as_tensor(a)
    y = array_module(a.data).tanh(a.data)
    return record(y, (a,), lambda g: (g * (1 - y * y),))


def erf(a: Any) -> Tensor:
    a = as_tensor(a)
    kernels = room(a.data)
    y, saved = kernels.erf(a.data)
    return record(y, (a,), lambda g: (kernels.erf_backward(g, saved),))


def relu(a: Any) -> Tensor:
    """max(x, 0); the gradient at 0 is taken as 0."""
    a = as_tensor(a)
    x = a.data
    return record(array_module(x).maximum(x, 0), (a,), lambda g: (g * (x > 0),))


def sigmoid(a: Any) -> Tensor:
    """1 / (1 + exp(−x)), written with tanh, which does not overflow."""
    a = as_tensor(a)
    y = (array_module(a.data).tanh(a.data / 2) + 1) / 2
    return record(y, (a,), lambda g: (g * y * (1 - y),))


def maximum(a: Any, b: Any) -> Tensor:
    """Elementwise. Equal elements share the gradient, half each."""
    a, b = broadcasting("maximum", a, b)
    x, y = a.data, b.data

    def vjp(g: Array) -> tuple:
        tie = (x == y) * 0.5
        return g * ((x > y) + tie), g * ((y > x) + tie)

    return record(array_module(x).maximum(x, y), (a, b), vjp)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """a where the (boolean, constant) condition holds, b elsewhere."""
    a, b = broadcasting("where", a, b)
    xp = array_module(a.data)
    condition = xp.asarray(bare(condition), dtype=bool)
    y = xp.where(condition, a.data, b.data)
    return record(y, (a, b), lambda g: (g * condition, g * ~condition))


def sum(a: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    shape = a.shape
    y = a.data.sum(axis=axis, keepdims=keepdims)
    return record(y, (a,), lambda g: (_spread(g, shape, axis, keepdims),))


def mean(a: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    shape = a.shape
    y = a.data.mean(axis=axis, keepdims=keepdims)
    return record(y, (a,), lambda g: (_spread(g / _count(shape, axis), shape, axis, keepdims),))


def max(a: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The largest element. Elements that tie for it share the gradient equally."""
    a = as_tensor(a)
    x = a.data
    y = x.max(axis=axis, keepdims=keepdims)

    def vjp(g: Array) -> tuple:
        largest = x == _spread(y, x.shape, axis, keepdims)
        return (_spread(g, x.shape, axis, keepdims) * largest / largest.sum(axis=axis, keepdims=True),)

    return record(y, (a,), vjp)


def var(a: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The mean square distance from the mean (NumPy's default, no n − 1)."""
    a = as_tensor(a)
    x = a.data
    y = x.var(axis=axis, keepdims=keepdims)

    def vjp(g: Array) -> tuple:
        centred = x - x.mean(axis=axis, keepdims=True)
        return (_spread(2 * g / _count(x.shape, axis), x.shape, axis, keepdims) * centred,)

    return record(y, (a,), vjp)


def _axes(ndim: int, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return tuple(i % ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _count(shape: tuple[int, ...], axis: int | tuple[int, ...] | None) -> int:
    n = 1
    for i in _axes(len(shape), axis):
        n *= shape[i]
    return n


def _spread(g: Array, shape: tuple[int, ...], axis: int | tuple[int, ...] | None, keepdims: bool) -> Array:
    """The gradient of a sum: every element that went in receives what came out."""
    kept = list(shape)
    for i in _axes(len(shape), axis):
        kept[i] = 1
    xp = array_module(g)
    return xp.broadcast_to(xp.asarray(g).reshape(kept), shape)


def reshape(a: Any, shape: int | Sequence[int]) -> Tensor:
    a = as_tensor(a)
    before = a.shape
    return record(a.data.reshape(shape), (a,), lambda g: (g.reshape(before),))


def transpose(a: Any, *axes: Any) -> Tensor:
    """All axes reversed, or reordered as given: transpose(x, 1, 0) or transpose(x, (1, 0))."""
    a = as_tensor(a)
    y = a.data.transpose(*axes)
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    order = tuple(i % a.ndim for i in order) if order else tuple(reversed(range(a.ndim)))
    back = tuple(order.index(i) for i in range(a.ndim))
    return record(y, (a,), lambda g: (g.transpose(back),))


def swapaxes(a: Any, axis1: int, axis2: int) -> Tensor:
    a = as_tensor(a)
    return record(a.data.swapaxes(axis1, axis2), (a,), lambda g: (g.swapaxes(axis1, axis2),))


def broadcast_to(a: Any, shape: Sequence[int]) -> Tensor:
    a = as_tensor(a)
    return record(array_module(a.data).broadcast_to(a.data, shape), (a,), lambda g: (g,))


def getitem(a: Any, index: Any) -> Tensor:
    """x[index] as in NumPy; where an index array repeats a position, its gradients add."""
    a = as_tensor(a)
    index = tuple(bare(i) for i in index) if isinstance(index, tuple) else bare(index)
    shape = a.shape
    return record(a.data[index], (a,), lambda g: (Region(shape, index, g),))


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
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
    tensors = [as_tensor(t) for t in tensors]
    same_device("stack", *tensors)
    if len({t.shape for t in tensors}) != 1:
        raise ValueError(f"stack: all shapes must be equal, and these are {[t.shape for t in tensors]}")
    y = array_module(tensors[0].data).stack([t.data for t in tensors], axis=axis)
    before = (slice(None),) * (axis % y.ndim)
    return record(y, tuple(tensors), lambda g: [g[(*before, i)] for i in range(len(tensors))])


def split(a: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Equal parts where given their number, or parts that end at the given positions."""
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
