"""Which array library holds an array, copies between devices, and random numbers as explicit values.

An operation never names its library: it asks `array_module(x)` and calls what it finds there, so the same line
runs on NumPy (CPU) and CuPy (GPU). CuPy is imported only when a GPU is asked for.
"""

from __future__ import annotations

import contextvars
import hashlib
import math
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    if _only_shapes.get():
        return _outline(shape, dtype)
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


def _outline(shape: tuple[int, ...], dtype: Any) -> numpy.ndarray:
    return numpy.broadcast_to(numpy.zeros((), dtype=dtype), shape)


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


@dataclass(frozen=True)
class Key:
    """A random number generator that is a value: the same key gives the same numbers, wherever it is used.

    There is no hidden state. For several independent streams, fold names and numbers into the key:

        Key(seed).fold("dropout", step, layer)

    Element n of `bits` and `uniform` is a hash of (key, n). It depends neither on the device nor on how an array is
    divided among blocks, threads or ranks: a caller that holds elements 1000… of a larger array passes start=1000.
    """

    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", int(operator.index(self.seed)))  # NumPy's integers are as good as Python's

    def fold(self, *parts: int | str) -> Key:
        """A new key, unrelated to this one, for each different sequence of names and numbers."""
        plain = [part if isinstance(part, str) else int(operator.index(part)) for part in parts]
        text = repr((self.seed, *plain)).encode()
        return Key(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))

    def bits(self, shape: int | tuple[int, ...], xp: ModuleType = numpy, start: int = 0) -> Array:
        """Uniform 32-bit integers: element n (C order, counted from `start`) is a hash of this key and n."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        pieces, n, stop = [], start, start + math.prod(shape)
        while n < stop:  # the low 32 bits of n are hashed; the high ones select the key's words
            end = min(stop, (n | 0xFFFFFFFF) + 1)
            first, second = self.words(n >> 32)
            counter = xp.arange(n & 0xFFFFFFFF, (n & 0xFFFFFFFF) + (end - n), dtype=xp.int64)
            pieces.append(_hash(_hash(counter.astype(xp.uint32), first, xp), second, xp))
            n = end
        if not pieces:
            return xp.zeros(shape, dtype=xp.uint32)
        return (pieces[0] if len(pieces) == 1 else xp.concatenate(pieces)).reshape(shape)

    def uniform(self, shape: int | tuple[int, ...], xp: ModuleType = numpy, start: int = 0) -> Array:
        """float64 numbers in [0, 1), with 32 random bits each."""
        return self.bits(shape, xp, start) * 2.0**-32

    def normal(self, shape: tuple[int, ...], std: float = 1.0, dtype: Any = "float32") -> numpy.ndarray:
        """Gaussian numbers with mean 0, on the CPU: initial weights are the same whatever device trains them."""
        if _only_shapes.get():
            return _outline(shape, dtype)
        generator = numpy.random.Generator(numpy.random.Philox(key=self.seed & 0xFFFFFFFFFFFFFFFF))
        values = generator.standard_normal(shape, dtype=dtype)
        values *= std
        return values

    def words(self, high: int) -> tuple[int, int]:
        """The two words that `bits` hashes with the low 32 bits of n, where n >> 32 is `high`."""
        seed = (self if high == 0 else self.fold("high", high)).fold("bits").seed
        return seed & 0xFFFFFFFF, seed >> 32


def _hash(h: Array, key: int, xp: ModuleType) -> Array:
    """Adds the key's word and mixes with the finalizer of MurmurHash3 (A. Appleby, 2011; public domain), in place."""
    h += xp.uint32(key)
    h ^= h >> xp.uint32(16)
    h *= xp.uint32(0x85EBCA6B)
    h ^= h >> xp.uint32(13)
    h *= xp.uint32(0xC2B2AE35)
    h ^= h >> xp.uint32(16)
    return h
