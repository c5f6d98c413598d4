"""Compares the gradient of any function with finite differences, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .device import device_of, to_device, to_numpy
from .precision import is_floating
from .random import Key
from .tensor import Tensor


def gradcheck(
    function: Callable[..., Tensor], *inputs: Any, eps: float = 1e-5, tolerance: float = 1e-6, seed: int = 0
) -> None:
    """Raises AssertionError, naming input, entry and both values, where the gradient of function(*inputs) is wrong.

    inputs: arrays, numbers or tensors; function receives copies in double precision. Whole numbers (token ids, masks)
    are passed on as arrays and have no gradient to check. Where an input is on a GPU, function runs there.

    Raises ValueError for inputs that are all whole numbers, TypeError where function returns no Tensor.

    L is the sum of the result times a random cotangent. A plain sum would not do: that of a softmax is always 1, and
    its gradient 0. Every entry of every input is then moved by ±eps:

        ∂L/∂xᵢ ≈ (L(x + eps eᵢ) − L(x − eps eᵢ)) / 2 eps, with an error of order eps²

    and compared to within tolerance · max(1, |∂L/∂xᵢ|).

    Formula: ∂L/∂xᵢ ≈ (L(x + eps eᵢ) − L(x − eps eᵢ)) / 2 eps
    Paper: Nocedal & Wright 2006, "Numerical optimization", section 8.1
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
    """
    arrays, device = [_copied(x) for x in inputs], _device(inputs)

    def there(requires_grad: bool) -> list[Any]:
        moved = [to_device(a, device) for a in arrays]
        return [Tensor(a, requires_grad) if a.dtype == numpy.float64 else a for a in moved]

    leaves = there(requires_grad=True)
    if not any(isinstance(leaf, Tensor) for leaf in leaves):
        raise ValueError("gradcheck was given no input with decimals (1.0, not 1): nothing to differentiate by")
    result = function(*leaves)
    if not isinstance(result, Tensor):
        raise TypeError(f"gradcheck needs a function that returns a Tensor, not {type(result).__name__}")
    cotangent = to_device(Key(seed).fold("cotangent").normal(result.shape, dtype="float64"), device)
    result.backward(cotangent)

    def loss() -> float:
        return float((function(*there(requires_grad=False)).data * cotangent).sum())

    for number, (array, leaf) in enumerate(zip(arrays, leaves, strict=True)):
        if not isinstance(leaf, Tensor):
            continue
        computed = numpy.zeros_like(array) if leaf.grad is None else to_numpy(leaf.grad)
        if computed.shape != array.shape:
            raise AssertionError(f"input {number}: a gradient of shape {computed.shape} for a value {array.shape}")
        for entry in numpy.ndindex(array.shape):
            expected = _difference(loss, array, entry, eps)
            if not abs(computed[entry] - expected) <= tolerance * max(1.0, abs(expected)):
                raise AssertionError(
                    f"input {number}, entry {entry}: the gradient is {expected:.8g} by finite differences, "
                    f"and backward gave {computed[entry]:.8g}"
                )


def _copied(x: Any) -> numpy.ndarray:
    array = x.numpy() if isinstance(x, Tensor) else to_numpy(x)
    return array.astype(numpy.float64 if is_floating(array.dtype) else array.dtype)


def _device(inputs: tuple) -> str:
    """The device of the first input that is not on the CPU; "cpu" if all are."""
    devices = (device_of(x.data if isinstance(x, Tensor) else x) for x in inputs)
    return next((device for device in devices if device != "cpu"), "cpu")


def _difference(loss: Callable[[], float], array: numpy.ndarray, entry: tuple[int, ...], eps: float) -> float:
    """(L(x + eps e) − L(x − eps e)) / 2 eps for one entry of the array, which is restored afterwards."""
    value = array[entry]
    array[entry] = value + eps
    above = loss()
    array[entry] = value - eps
    below = loss()
    array[entry] = value
    return (above - below) / (2 * eps)
