"""Sums of products by named axes."""

from __future__ import annotations

import string
from typing import Any

from .device import Array, array_module
from .ops import as_tensor, same_device
from .tensor import Tensor, record


def einsum(subscripts: str, *tensors: Any) -> Tensor:
    """Sums of products by named axes: einsum("bhqd,bhkd->bhqk", q, k).

    Subscripts as in numpy.einsum: letters, "..." for the axes without a letter, a repeated letter for a diagonal.
    Raises ValueError where subscripts and shapes do not fit, and TypeError for operands on different devices.

    The gradient of an operand is again an einsum, with that operand's letters and the result's exchanged.
    """
    tensors = tuple(as_tensor(t) for t in tensors)
    same_device("einsum", *tensors)
    arrays = [t.data for t in tensors]
    inputs, output = _letters(subscripts, [x.ndim for x in arrays])
    xp = array_module(arrays[0])
    try:
        y = xp.einsum(f"{','.join(inputs)}->{output}", *arrays, optimize=True)
    except ValueError as error:
        shapes = ", ".join(str(x.shape) for x in arrays)
        raise ValueError(f"einsum({subscripts!r}) does not fit shapes {shapes}: {error}") from None
    needs = [t.requires_grad for t in tensors]

    def vjp(g: Array) -> list:
        return [_einsum_gradient(i, g, arrays, inputs, output) if need else None for i, need in enumerate(needs)]

    return record(y, tensors, vjp)


def _einsum_gradient(i: int, g: Array, arrays: list[Array], inputs: list[str], output: str) -> Array:
    xp = array_module(g)
    others = [j for j in range(len(arrays)) if j != i]
    elsewhere = set(output).union(*(inputs[j] for j in others))
    letters = "".join(dict.fromkeys(inputs[i]))
    shared = "".join(c for c in letters if c in elsewhere)
    subscripts = f"{','.join([output, *(inputs[j] for j in others)])}->{shared}"
    gradient = xp.einsum(subscripts, g, *(arrays[j] for j in others), optimize=True)
    extents = dict(zip(inputs[i], arrays[i].shape, strict=True))
    gradient = gradient.reshape([gradient.shape[shared.index(c)] if c in shared else 1 for c in letters])
    if stretched := tuple(axis for axis, c in enumerate(letters) if extents[c] == 1):
        gradient = gradient.sum(axis=stretched, keepdims=True)  # of length 1 here and longer in another operand
    # along a letter that no other operand and not the result has, all elements receive the same
    gradient = xp.broadcast_to(gradient, [extents[c] for c in letters])
    if letters == inputs[i]:
        return gradient
    full = xp.zeros(arrays[i].shape, dtype=gradient.dtype)  # a repeated letter: only the diagonal took part
    xp.einsum(f"{inputs[i]}->{letters}", full)[...] = gradient
    return full


def _letters(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The operands' and the result's letters: an implicit result written out, "..." replaced, aligned at the right."""
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ndims):
        raise ValueError(f"einsum({subscripts!r}) names {len(inputs)} operands and was given {len(ndims)}")
    unused = [c for c in string.ascii_letters if c not in subscripts]
    widths = [n - len(s) + 3 if "..." in s else 0 for s, n in zip(inputs, ndims, strict=True)]
    rest = "".join(unused[: max([0, *widths])])
    inputs = [s.replace("...", rest[len(rest) - w :]) for s, w in zip(inputs, widths, strict=True)]
    for s, n in zip(inputs, ndims, strict=True):
        if len(s) != n:
            raise ValueError(f"einsum({subscripts!r}): {s!r} names {len(s)} axes of an operand that has {n}")
    if not arrow:
        once = sorted(c for c in set("".join(inputs)) if "".join(inputs).count(c) == 1 and c not in rest)
        output = rest + "".join(once)
    return inputs, output.replace("...", rest)
