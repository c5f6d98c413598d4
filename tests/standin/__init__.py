"""A stand-in for CuPy, which needs no GPU: arrays in ordinary memory that follow CuPy's rules, not NumPy's.

What a line of ours may do to an array on a GPU it may do here, and what it may not is an error here, too: NumPy's
arrays and functions are refused, names that CuPy lacks are missing, results of a single number stay on the device, and
what would wait for the device is counted and, inside `no_waits`, raises. Indices beyond an array wrap around, silently.

    monkeypatch.setitem(sys.modules, "cupy", standin)      "cuda" is now the stand-in

Signatures are CuPy 14's; test_standin.py compares them with CuPy where it is installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import cuda
from .array import bare, ndarray, wrapped
from .indices import numpy_index
from .traffic import Traffic, Waited, counted, no_waits, traffic

__all__ = ["Traffic", "Waited", "counted", "cuda", "ndarray", "no_waits"]  # and the names of CuPy below

__version__ = "14.2.0"
float16, float32, float64 = np.float16, np.float32, np.float64
int32, int64, uint8, uint32, uint64, bool_ = np.int32, np.int64, np.uint8, np.uint32, np.uint64, np.bool_
inf, nan, newaxis = np.inf, np.nan, None

ADDABLE = (float16, float32, float64, int32, int64, uint32, uint64)  # in place, one thread beside another


class ufunc:
    """An elementwise function; `at` adds up (or whatever the function does) where indices repeat."""

    def __init__(self, name: str) -> None:
        self.name, self._function = name, getattr(np, name)

    @np.errstate(all="ignore")
    def __call__(self, *args: Any, out: Any = None, casting: str = "same_kind", dtype: Any = None) -> ndarray:
        result = self._function(*(bare(x) for x in args), out=bare(out), casting=casting, dtype=dtype)
        return wrapped(result) if out is None else out

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if a.dtype not in ADDABLE:
            raise TypeError(f"cupy.{self.name}.at only supports {', '.join(each.__name__ for each in ADDABLE)}")
        self._function.at(bare(a), numpy_index(indices, a.shape, f"{self.name}.at with a mask"), bare(b))


exp, log, sqrt, square, tanh = ufunc("exp"), ufunc("log"), ufunc("sqrt"), ufunc("square"), ufunc("tanh")
sin, cos, sign, absolute, negative = ufunc("sin"), ufunc("cos"), ufunc("sign"), ufunc("absolute"), ufunc("negative")
add, subtract, multiply, divide = ufunc("add"), ufunc("subtract"), ufunc("multiply"), ufunc("divide")
power, maximum, minimum = ufunc("power"), ufunc("maximum"), ufunc("minimum")
isnan, isfinite, isinf, logical_not = ufunc("isnan"), ufunc("isfinite"), ufunc("isinf"), ufunc("logical_not")
abs = absolute


@np.errstate(all="ignore")
def matmul(x1: Any, x2: Any, out: Any = None) -> ndarray:
    result = np.matmul(bare(x1), bare(x2), out=bare(out))
    return wrapped(result) if out is None else out


def array(obj: Any, dtype: Any = None, copy: bool = True) -> ndarray:
    return asarray(obj, dtype).copy() if isinstance(obj, ndarray) and copy else asarray(obj, dtype)


def asarray(a: Any, dtype: Any = None, order: Any = None) -> ndarray:
    """An array of NumPy's is sent over: this and array() are the only ways in."""
    if isinstance(a, ndarray):
        return a if dtype in (None, a.dtype) else a.astype(dtype)
    sent = np.array(a, dtype=dtype, order=order)
    if sent.dtype == object:
        raise ValueError(f"Unsupported dtype {sent.dtype}")
    traffic.upload(sent.shape)
    return ndarray(sent)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    return wrapped(np.ascontiguousarray(bare(asarray(a, dtype))))


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None) -> np.ndarray:
    return a.get()


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    return wrapped(np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype))


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Filled with NaN or ones, so that whoever reads it before it is written notices; V is ml_dtypes' bfloat16."""
    x = np.empty(shape, dtype, order)
    x.fill(np.nan if x.dtype.kind in "fV" else 1)
    return ndarray(x)


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(np.zeros(shape, dtype, order))


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(np.ones(shape, dtype, order))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    return ndarray(np.full(shape, bare(fill_value), dtype, order))


def empty_like(prototype: ndarray, dtype: Any = None) -> ndarray:
    return empty(prototype.shape, prototype.dtype if dtype is None else dtype)


def zeros_like(a: ndarray, dtype: Any = None) -> ndarray:
    return wrapped(np.zeros_like(bare(a), dtype))


def ones_like(a: ndarray, dtype: Any = None) -> ndarray:
    return wrapped(np.ones_like(bare(a), dtype))


def where(condition: ndarray, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return condition.nonzero()
    result = np.where(bare(condition.astype(bool)), bare(x), bare(y))
    return wrapped(result.astype(float32) if result.dtype.name == "bfloat16" else result)  # it has no loop for these


def isneginf(x: ndarray, out: Any = None) -> ndarray:
    return wrapped(np.isneginf(bare(x), bare(out)))


def clip(a: ndarray, a_min: Any, a_max: Any, out: Any = None) -> ndarray:
    return wrapped(np.clip(bare(a), bare(a_min), bare(a_max), bare(out)))


def concatenate(tup: Any, axis: Any = 0, out: Any = None) -> ndarray:
    return wrapped(np.concatenate([bare(x) for x in tup], axis, bare(out)))


def stack(tup: Any, axis: int = 0, out: Any = None) -> ndarray:
    return wrapped(np.stack([bare(x) for x in tup], axis, bare(out)))


def broadcast_to(array: ndarray, shape: Any) -> ndarray:
    return wrapped(np.broadcast_to(bare(array), shape))


def moveaxis(a: ndarray, source: Any, destination: Any) -> ndarray:
    return wrapped(np.moveaxis(bare(a), source, destination))


def argsort(a: ndarray, axis: int = -1, kind: str | None = None) -> ndarray:
    """Always stable, and asked for nothing else."""
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    return wrapped(np.argsort(bare(a), axis, "stable"))


def repeat(a: ndarray, repeats: int, axis: Any = None) -> ndarray:
    return wrapped(np.repeat(bare(a), repeats, axis))


@np.errstate(all="ignore")
def tensordot(a: ndarray, b: ndarray, axes: Any = 2) -> ndarray:
    return wrapped(np.tensordot(bare(a), bare(b), axes))


@np.errstate(all="ignore")
def einsum(*operands: Any, **kwargs: Any) -> ndarray:
    subscripts, *arrays = operands
    return wrapped(np.einsum(subscripts, *(bare(x) for x in arrays), **kwargs))


def unique(ar: ndarray) -> ndarray:
    traffic.wait("unique()")
    return wrapped(np.unique(bare(ar)))
