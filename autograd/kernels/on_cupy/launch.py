"""Compiles the CUDA sources into kernels, once for each dtype, when first used, and launches them.

A source names the helpers it needs by `#include "common.cuh"`; that line is replaced by the text, so that the compiler
(NVRTC, which CuPy brings) needs no path and CuPy's cache of compiled kernels notices when either file changes.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from ...device import Array, array_module
from ...random import Key

HERE = Path(__file__).parent
INCLUDE = '#include "common.cuh"\n'
OPTIONS = ("--std=c++17",)
DTYPES = ("float16", "bfloat16", "float32", "float64")
THREADS = 256  # in a block whose threads share elements or columns
WARP = 32
MOST_THREADS = 512  # in a block that has a row: common.cuh tells the compiler, which allots registers for as many
MOST_BLOCKS = 4096  # in a grid that strides over elements: enough to fill the largest GPU several times
WHOLE = 2**32  # elements whose numbers have the same high 32 bits: see Key.words

Launch = Any  # (grid, block, arguments) -> None
Argument = Array | int | float | None


def source(name: str) -> str:
    """The text of name.cu with its helpers in place; errors are reported with the file's own lines."""
    text = (HERE / f"{name}.cu").read_text(encoding="utf-8")
    before, include, after = text.partition(INCLUDE)
    helpers = (HERE / "common.cuh").read_text(encoding="utf-8")
    line = before.count("\n") + 2
    return f'{before}#line 1 "common.cuh"\n{helpers}#line {line} "{name}.cu"\n{after}' if include else text


def options(dtype: str) -> tuple[str, ...]:
    """What the compiler is told, beside the GPU's architecture, for arrays of this type."""
    return (*OPTIONS, f"-DELEMENT={dtype}")


def launch(name: str, kernel: str, like: Array, blocks: int, threads: int, *arguments: Argument) -> None:
    """Runs `kernel` of name.cu, compiled for the type of `like`, on blocks × threads; None is a null pointer.

    Returns at once: the GPU works through its queue. Arrays must be contiguous, since a kernel gets only an address.
    """
    if blocks == 0:
        return
    _function(name, kernel, like.dtype.name)((blocks,), (threads,), tuple(map(_as_given, arguments)))


def _as_given(argument: Argument) -> Array | np.int64 | np.float64:
    """Every argument of a kernel has 64 bits: an address, a `long long` or a `double`."""
    if argument is None:
        return np.int64(0)
    if isinstance(argument, int | float):
        return np.int64(argument) if isinstance(argument, int) else np.float64(argument)
    return argument


@functools.cache
def _function(name: str, kernel: str, dtype: str) -> Launch:
    if dtype not in DTYPES:
        raise TypeError(f"{kernel}: kernels on the GPU compute with {', '.join(DTYPES)}, and these numbers are {dtype}")
    import cupy

    return cupy.RawModule(code=source(name), options=options(dtype)).get_function(kernel)


def over_elements(name: str, kernel: str, like: Array, n: int, *arguments: Argument) -> None:
    """Runs a kernel whose threads share n elements."""
    launch(name, kernel, like, min(-(-n // THREADS), MOST_BLOCKS), THREADS, *arguments)


def over_rows(name: str, kernel: str, like: Array, rows: int, columns: int, *arguments: Argument) -> None:
    """Runs a kernel with a block of threads for each row; a thread has about four columns, more in a long row."""
    threads = min(MOST_THREADS, max(WARP, -(-columns // (4 * WARP)) * WARP))
    launch(name, kernel, like, rows if columns else 0, threads, *arguments)


def sum_type(x: Array) -> str:
    """The type in which sums over x are kept: `A` in common.cuh."""
    return "float64" if x.dtype.name == "float64" else "float32"


def contiguous(x: Array) -> Array:
    """x itself where its elements lie one after another, else a copy; the shape stays."""
    return x if x.flags.c_contiguous else array_module(x).ascontiguousarray(x)


def rows_of(x: Array) -> Array:
    """(…, C) as contiguous rows (N, C)."""
    n = x.size // x.shape[-1] if x.shape[-1] else 0
    return contiguous(x).reshape(n, x.shape[-1])


def random_words(key: Key | None, start: int) -> tuple[int, int, int]:
    """`high`, `words`, `next` of common.cuh for elements from number `start`, of which there are at most 2³²."""
    if key is None:
        return 0, 0, 0
    high = start // WHOLE
    return high, *(_signed(first | second << 32) for first, second in (key.words(high), key.words(high + 1)))


def _signed(word: int) -> int:
    """The same 64 bits as a signed number, because kernels take signed integers."""
    return word - 2**64 if word >= 2**63 else word


def threshold(p: float) -> int:
    """An element whose random bits are below it is dropped: p · 2³²."""
    return round(p * WHOLE)


def growth(p: float) -> float:
    """What kept elements are multiplied by, so that the mean stays."""
    return 1 / (1 - p) if p < 1 else 0.0
