"""What stands in x[…], as CuPy reads it: the index that makes NumPy do the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from .traffic import traffic


def numpy_index(index: Any, shape: tuple[int, ...], what: str) -> Any:
    """Arrays of integers wrap around, however large; lists and NumPy's arrays are sent over; a mask waits.

    Raises ValueError for a mask beside another array, which CuPy does not know.
    """
    parts = [_sent(part) for part in (index if isinstance(index, tuple) else (index,))]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    masks = [part for part in arrays if part.dtype == bool]
    if masks and len(arrays) > 1:
        raise ValueError("currently, CuPy only supports slices that consist of one boolean array.")
    if masks:
        traffic.wait(f"{what} with a boolean mask")
    wrapped = _wrapped(parts, shape)
    return wrapped if isinstance(index, tuple) else wrapped[0]


def _sent(part: Any) -> Any:
    """The bare array of the device, or what becomes one."""
    if isinstance(part, list):
        part = np.array(part, dtype=np.int32 if not part else None)
    if isinstance(part, np.ndarray):
        traffic.upload(part.shape)
        return part
    return getattr(part, "_x", part)


def _wrapped(parts: list[Any], shape: tuple[int, ...]) -> tuple[Any, ...]:
    used = sum(_axes_of(part) for part in parts)
    axis, wrapped = 0, []
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype.kind in "iu" and axis < len(shape) and shape[axis]:
            wrapped.append(part.astype(np.int64) % shape[axis])
        else:
            wrapped.append(part)
        axis += len(shape) - used if part is Ellipsis else _axes_of(part)
    return tuple(wrapped)


def _axes_of(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1
