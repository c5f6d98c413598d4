"""Elementwise operations: arithmetic, functions of one operand, choices between two.

Those with two operands broadcast as in NumPy. They raise ValueError, with both shapes, where the shapes do not
broadcast, and TypeError for operands on different devices (operands.py).
"""

from __future__ import annotations

from typing import Any

from ..device import Array, array_module
from ..kernels import room
from ..tensor import Tensor, record
from .operands import as_tensor, bare, broadcasting


def add(a: Any, b: Any) -> Tensor:
    """a + b; da = g, db = g."""
    a, b = broadcasting("add", a, b)
    return record(a.data + b.data, (a, b), lambda g: (g, g))


def subtract(a: Any, b: Any) -> Tensor:
    """a − b; da = g, db = −g."""
    a, b = broadcasting("subtract", a, b)
    return record(a.data - b.data, (a, b), lambda g: (g, -g))


def multiply(a: Any, b: Any) -> Tensor:
    """a b; da = g b, db = g a."""
    a, b = broadcasting("multiply", a, b)
    x, y = a.data, b.data
    return record(x * y, (a, b), lambda g: (g * y, g * x))


def divide(a: Any, b: Any) -> Tensor:
    """a / b; da = g / b, db = −g a / b²."""
    a, b = broadcasting("divide", a, b)
    x, y = a.data, b.data
    return record(x / y, (a, b), lambda g: (g / y, -g * x / (y * y)))


def power(a: Any, b: Any) -> Tensor:
    """aᵇ; da = g b aᵇ⁻¹, db = g aᵇ log a.

    da is 0 where b = 0, even at a = 0, and db is 0 where a = 0 < b.
    """
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
    """−a; da = −g."""
    a = as_tensor(a)
    return record(-a.data, (a,), lambda g: (-g,))


def exp(a: Any) -> Tensor:
    """eᵃ; da = g eᵃ."""
    a = as_tensor(a)
    y = array_module(a.data).exp(a.data)
    return record(y, (a,), lambda g: (g * y,))


def log(a: Any) -> Tensor:
    """The natural logarithm of a; da = g / a."""
    a = as_tensor(a)
    x = a.data
    return record(array_module(x).log(x), (a,), lambda g: (g / x,))


def sqrt(a: Any) -> Tensor:
    """√a; da = g / (2 √a)."""
    a = as_tensor(a)
    y = array_module(a.data).sqrt(a.data)
    return record(y, (a,), lambda g: (g / (2 * y),))


def sin(a: Any) -> Tensor:
    """sin a, a in radians; da = g cos a."""
    a = as_tensor(a)
    x, xp = a.data, array_module(a.data)
    return record(xp.sin(x), (a,), lambda g: (g * xp.cos(x),))


def cos(a: Any) -> Tensor:
    """cos a, a in radians; da = −g sin a."""
    a = as_tensor(a)
    x, xp = a.data, array_module(a.data)
    return record(xp.cos(x), (a,), lambda g: (-g * xp.sin(x),))


def tanh(a: Any) -> Tensor:
    """tanh a; da = g (1 − tanh² a)."""
    a = as_tensor(a)
    y = array_module(a.data).tanh(a.data)
    return record(y, (a,), lambda g: (g * (1 - y * y),))


def erf(a: Any) -> Tensor:
    """The error function, 2/√π ∫₀ᵃ exp(−t²) dt; da = g · 2/√π exp(−a²)."""
    a = as_tensor(a)
    kernels = room(a.data)
    y, saved = kernels.erf(a.data)
    return record(y, (a,), lambda g: (kernels.erf_backward(g, saved),))


def abs(a: Any) -> Tensor:
    """|a|; da = g sign(a), which is 0 at a = 0: |a| = max(a, −a), and a tie shares the gradient."""
    a = as_tensor(a)
    x, xp = a.data, array_module(a.data)
    return record(xp.abs(x), (a,), lambda g: (g * xp.sign(x),))


def relu(a: Any) -> Tensor:
    """max(a, 0); da = g where a > 0, else 0 (at a = 0, too)."""
    a = as_tensor(a)
    x = a.data
    return record(array_module(x).maximum(x, 0), (a,), lambda g: (g * (x > 0),))


def sigmoid(a: Any) -> Tensor:
    """y = 1 / (1 + e⁻ᵃ), computed as (tanh(a/2) + 1)/2, which does not overflow; da = g y (1 − y)."""
    a = as_tensor(a)
    y = (array_module(a.data).tanh(a.data / 2) + 1) / 2
    return record(y, (a,), lambda g: (g * y * (1 - y),))


def maximum(a: Any, b: Any) -> Tensor:
    """The larger of each two elements; da = g where a > b, g/2 where a = b, else 0; db likewise."""
    a, b = broadcasting("maximum", a, b)
    x, y = a.data, b.data

    def vjp(g: Array) -> tuple:
        tie = _half_of_ties(x, y)
        return g * ((x > y) + tie), g * ((y > x) + tie)

    return record(array_module(x).maximum(x, y), (a, b), vjp)


def minimum(a: Any, b: Any) -> Tensor:
    """The smaller of each two elements; da = g where a < b, g/2 where a = b, else 0; db likewise."""
    a, b = broadcasting("minimum", a, b)
    x, y = a.data, b.data

    def vjp(g: Array) -> tuple:
        tie = _half_of_ties(x, y)
        return g * ((x < y) + tie), g * ((y < x) + tie)

    return record(array_module(x).minimum(x, y), (a, b), vjp)


def _half_of_ties(x: Array, y: Array) -> Array:
    """1/2 where elements are equal, else 0: each of the two then receives half of the gradient."""
    return (x == y) * 0.5


def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """min(max(a, a_min), a_max); a bound of None is no bound.

    da = g where a lies strictly between the bounds and 0 beyond them; where a equals a bound the two tie, and each
    receives g/2. A bound may itself be a Tensor, and receives the gradient where it is the result.
    """
    a = as_tensor(a)
    if a_min is not None:
        a = maximum(a, a_min)
    return a if a_max is None else minimum(a, a_max)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """a where the condition holds, b elsewhere; da = g where it holds, else 0, and db the other way round.

    The condition is boolean (whole numbers: not 0), a constant without a gradient.
    """
    a, b = broadcasting("where", a, b)
    xp = array_module(a.data)
    condition = xp.asarray(bare(condition), dtype=bool)
    y = xp.where(condition, a.data, b.data)
    return record(y, (a, b), lambda g: (g * condition, g * ~condition))
