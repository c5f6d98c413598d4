"""The linear layer. Weights are stored (in, out), so that the code reads like the formula.

… any leading axes, I inputs, O outputs.
"""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module


def linear(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    transposed: bool = False,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Any]:
    """x (…, I), weight (I, O), bias (O,) or None → (…, O). Each column of the weight gives one output.

    transposed: the weight is stored (O, I), as the embedding table is when it also serves as the output layer.

    Formula: y = x W + b
    Paper: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", equation 1
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
    """
    y = x @ (weight.T if transposed else weight)
    return (y if bias is None else y + bias), (x, weight, transposed, needs)


def linear_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None]:
    """yₙₒ = Σᵢ xₙᵢ Wᵢₒ + bₒ, so dxₙᵢ = Σₒ dyₙₒ Wᵢₒ, dWᵢₒ = Σₙ xₙᵢ dyₙₒ and dbₒ = Σₙ dyₙₒ."""
    x, weight, transposed, (needs_x, needs_weight, needs_bias) = saved
    leading = tuple(range(x.ndim - 1))
    dx = dy @ (weight if transposed else weight.T) if needs_x else None
    dweight = array_module(x).tensordot(x, dy, axes=(leading, leading)) if needs_weight else None
    dbias = dy.sum(axis=leading) if needs_bias else None
    return dx, dweight.T if transposed and needs_weight else dweight, dbias
