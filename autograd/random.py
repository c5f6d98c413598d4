"""Random numbers as explicit values: who draws names the key, and the same key draws the same numbers."""

from __future__ import annotations

import hashlib
import math
import operator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy

from .device import Array, outlined


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
        if (empty := outlined(shape, dtype)) is not None:
            return empty
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
