"""The elementary operations: each computes with arrays and records its textbook vjp. Names and arguments are NumPy's.

    operands.py      what the arguments of an operation must satisfy: one device, shapes that broadcast
    elementwise.py   arithmetic, functions of one element, comparisons that choose
    reductions.py    sum, mean, var, max, min along axes
    shapes.py        reshape, transpose, indexing, concatenation
    products.py      the matrix product

In docstrings and code g is the gradient of the loss with respect to the operation's result, and da and db are those
with respect to its operands. A vjp may return a gradient in the shape of the result where an operand was broadcast:
`backward` sums it to the operand's shape.
"""

from .elementwise import (
    abs,
    add,
    clip,
    cos,
    divide,
    erf,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    sigmoid,
    sin,
    sqrt,
    subtract,
    tanh,
    where,
)
from .operands import as_tensor, bare, same_device
from .products import matmul
from .reductions import max, mean, min, sum, var
from .shapes import broadcast_to, concatenate, getitem, reshape, split, stack, swapaxes, transpose

__all__ = [
    "abs",
    "add",
    "as_tensor",
    "bare",
    "broadcast_to",
    "clip",
    "concatenate",
    "cos",
    "divide",
    "erf",
    "exp",
    "getitem",
    "log",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "negative",
    "power",
    "relu",
    "reshape",
    "same_device",
    "sigmoid",
    "sin",
    "split",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "swapaxes",
    "tanh",
    "transpose",
    "var",
    "where",
]
