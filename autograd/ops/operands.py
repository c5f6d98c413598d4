"""The first step of every operation: its arguments become Tensors, and are checked to fit together."""

from __future__ import annotations

from typing import Any

from ..device import array_module, device_of, is_numpy
from ..precision import is_floating
from ..tensor import Tensor


def bare(x: Any) -> Any:
    """The array inside a Tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def as_tensor(x: Any, like: Tensor | None = None) -> Tensor:
    """x as a Tensor. A number takes the precision of `like`, a floating-point tensor, and never widens the result."""
    if isinstance(x, Tensor):
        return x
    if like is None or getattr(x, "ndim", 0) or isinstance(x, list | tuple):
        return Tensor(x)
    number = array_module(like.data).asarray(x, dtype=like.dtype if is_floating(like.dtype) else None)
    if is_numpy(number) and number is not x:
        number.flags.writeable = False
    return Tensor(number)


def operands(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors on one device. Raises TypeError where they are on different ones."""
    a, b = as_tensor(a, b if isinstance(b, Tensor) else None), as_tensor(b, a if isinstance(a, Tensor) else None)
    same_device(name, a, b)
    return a, b


def same_device(name: str, *tensors: Tensor | None) -> None:
    """Raises TypeError when an operation is given arrays on several devices."""
    arrays = [t.data for t in tensors if t is not None]
    if all(map(is_numpy, arrays)):
        return
    devices = {device_of(x) for x in arrays}
    if len(devices) > 1:
        raise TypeError(f"{name}: operands are on {' and '.join(sorted(devices))}; move one with to_device")


def broadcasting(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Operands of an elementwise operation, as Tensors.

    Raises ValueError, with both shapes, where they do not broadcast, and TypeError where they are on different devices.
    """
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
