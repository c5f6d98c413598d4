"""Which array library holds an array, and copies between devices.

An operation never names its library: it asks `array_module(x)` and calls what it finds there, so the same line
runs on NumPy (CPU) and CuPy (GPU). CuPy is imported only when a GPU is asked for.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy

from .gpu import require_cupy, try_out

Array = Any  # numpy.ndarray or cupy.ndarray

_only_shapes: contextvars.ContextVar[bool] = contextvars.ContextVar("only_shapes", default=False)
_NUMPY_TYPES = (numpy.ndarray, numpy.generic, int, float, bool, list, tuple)


def array_module(x: Array) -> ModuleType:
    """The library whose functions work on `x`: NumPy, or the library that defines x's type."""
    if is_numpy(x):
        return numpy
    return sys.modules[type(x).__module__.partition(".")[0]]


def is_numpy(x: Array) -> bool:
    return type(x) is numpy.ndarray or isinstance(x, _NUMPY_TYPES)  # the first test is fast, and mostly true


def as_array(x: Any) -> Array:
    """x itself if it is an array, else an array made of the number or the list. Raises TypeError for anything else."""
    if type(x) is numpy.ndarray:
        return x
    if not is_numpy(x) and not hasattr(x, "dtype"):
        raise TypeError(f"a tensor holds an array of numbers, and this is {x!r:.60}, of type {type(x).__name__}")
    return array_module(x).asarray(x)


def device_of(x: Array) -> str:
    """ "cpu", or "cuda:i" for an array on GPU i."""
    if is_numpy(x):
        return "cpu"
    return f"cuda:{x.device.id}"


def to_numpy(x: Array) -> numpy.ndarray:
    """A NumPy array with x's values: x itself on the CPU, a copy (which waits for the GPU) otherwise."""
    return numpy.asarray(x) if is_numpy(x) else x.get()


def to_device(x: Array, device: str) -> Array:
    """x on `device` ("cpu", "cuda", "cuda:1"); x itself where it is there already.

    Raises RuntimeError where CuPy or the GPU is missing, saying which.
    """
    if device == "cpu":
        return to_numpy(x)
    cupy = require_cupy(device)
    with cupy.cuda.Device(_index(device)):
        return cupy.asarray(x)


def full(shape: tuple[int, ...], value: float, dtype: Any = "float32") -> numpy.ndarray:
    """An array on the CPU with every element `value`: for initial weights that are not random."""
    if (empty := outlined(shape, dtype)) is not None:
        return empty
    return numpy.full(shape, value, dtype=dtype)


@contextmanager
def shapes_only() -> Iterator[None]:
    """Inside, initial weights (`full`, `Key.normal`) have their shape and dtype, but only one zero in memory.

    A model of any size can then be built to count its parameters. It is not meant to be run.
    """
    token = _only_shapes.set(True)
    try:
        yield
    finally:
        _only_shapes.reset(token)


def outlined(shape: tuple[int, ...], dtype: Any) -> numpy.ndarray | None:
    """Inside `shapes_only()` an array of that shape that takes no memory, else None."""
    return numpy.broadcast_to(numpy.zeros((), dtype=dtype), shape) if _only_shapes.get() else None


def use_device(device: str) -> None:
    """Makes a GPU the current one, on which new arrays are made. For entry points, before they make any array.

    Raises ValueError for an unknown device and RuntimeError for one that cannot be used on this machine.
    """
    if device != "cpu":
        cupy = require_cupy(device)
        cupy.cuda.Device(_index(device)).use()
        try_out(cupy, device)


def _index(device: str) -> int:
    return int(device.partition(":")[2] or 0)
