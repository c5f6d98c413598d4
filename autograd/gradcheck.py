"""Any function's gradient against finite differences, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from .device import Key
from .tensor import Tensor


def gradcheck(
    function: Callable[..., Tensor],
    arrays: Sequence[Any],
    eps: float = 1e-5,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> None:
    """Raises AssertionError, naming the argument and element, where function's gradient is wrong.

    The result is multiplied by a random cotangent before it is summed: a plain sum is blind (that of a softmax
    does not depend on its input at all). Every element of every argument is then moved by ±eps:

        ∂L/∂xᵢ ≈ (L(x + eps eᵢ) − L(x − eps eᵢ)) / 2 eps, with an error of order eps²

    and compared to within tolerance · max(1, |∂L/∂xᵢ|).

    Formula: ∂L/∂xᵢ ≈ (L(x + eps eᵢ) − L(x − eps eᵢ)) / 2 eps
    Paper: Nocedal & Wright 2006, "Numerical optimization", section 8.1
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
    """
    arrays = [numpy.array(a, dtype=numpy.float64) for a in arrays]
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    result = function(*leaves)
    cotangent = Key(seed).fold("cotangent").normal(result.shape, dtype="float64")
    result.backward(cotangent)

    def loss() -> float:
        return float((function(*(Tensor(a) for a in arrays)).data * cotangent).sum())

    for number, (array, leaf) in enumerate(zip(arrays, leaves, strict=True)):
        computed = numpy.zeros_like(array) if leaf.grad is None else leaf.grad
        assert computed.shape == array.shape, f"argument {number}: gradient {computed.shape}, value {array.shape}"
        for index in numpy.ndindex(array.shape):
            value = array[index]
            array[index] = value + eps
            above = loss()
            array[index] = value - eps
            below = loss()
            array[index] = value
            expected = (above - below) / (2 * eps)
            error = abs(computed[index] - expected)
            assert error <= tolerance * max(1.0, abs(expected)), (
                f"argument {number}, element {index}: the gradient is {expected:.8g} by finite differences, "
                f"and backward gave {computed[index]:.8g}"
            )
