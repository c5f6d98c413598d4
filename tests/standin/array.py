"""An array that behaves as CuPy's does, in ordinary memory."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .indices import numpy_index
from .traffic import traffic


class ndarray:
    """Holds a NumPy array that nobody outside this package gets at without asking.

    Methods and their arguments are CuPy's. In one thing it is stricter: CuPy lets some of NumPy's own functions work
    on its arrays (np.exp(x) is cupy.exp(x)), and here they all raise TypeError, because a line that names NumPy has
    chosen a library for whoever calls it.
    """

    __slots__ = ("__weakref__", "_x")
    __array_priority__ = 100.0
    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, x: np.ndarray) -> None:
        self._x = x

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one.")

    def __array_function__(self, function: Callable, *args: Any) -> None:
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device")

    shape = property(lambda self: self._x.shape)
    ndim = property(lambda self: self._x.ndim)
    size = property(lambda self: self._x.size)
    dtype = property(lambda self: self._x.dtype)
    nbytes = property(lambda self: self._x.nbytes)
    itemsize = property(lambda self: self._x.itemsize)
    strides = property(lambda self: self._x.strides)
    T = property(lambda self: ndarray(self._x.T))
    device = property(lambda self: SimpleNamespace(id=0))

    @property
    def flags(self) -> SimpleNamespace:
        """Without `writeable`: CuPy has no read-only arrays."""
        f = self._x.flags
        return SimpleNamespace(c_contiguous=f.c_contiguous, f_contiguous=f.f_contiguous, owndata=f.owndata)

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        traffic.wait("get()")
        return self._x.copy(order)

    def item(self) -> Any:
        traffic.wait("item()")
        return self._x.item()

    def tolist(self) -> Any:
        traffic.wait("tolist()")
        return self._x.tolist()

    def nonzero(self) -> tuple[ndarray, ...]:
        traffic.wait("nonzero()")
        return tuple(ndarray(each) for each in self._x.nonzero())

    def __bool__(self) -> bool:
        traffic.wait("bool()")
        return bool(self._x)

    def __int__(self) -> int:
        traffic.wait("int()")
        return int(self._x)

    def __float__(self) -> float:
        traffic.wait("float()")
        return float(self._x)

    def __iter__(self) -> Any:
        traffic.wait("iteration")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        traffic.wait("printing")
        return repr(self._x)

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, index: Any) -> ndarray:
        return wrapped(self._x[numpy_index(index, self.shape, "x[mask]")])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._x[numpy_index(index, self.shape, "x[mask] = …")] = bare(value)

    @np.errstate(all="ignore")
    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.sum(axis, dtype, bare(out), keepdims))

    @np.errstate(all="ignore")
    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.mean(axis, dtype, bare(out), keepdims))

    @np.errstate(all="ignore")
    def var(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False
    ) -> ndarray:
        return wrapped(self._x.var(axis, dtype, bare(out), ddof, keepdims))

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.max(axis, bare(out), keepdims))

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.min(axis, bare(out), keepdims))

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.all(axis, out=bare(out), keepdims=keepdims))

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.any(axis, out=bare(out), keepdims=keepdims))

    def argmax(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return wrapped(self._x.argmax(axis, bare(out), keepdims=keepdims))

    @np.errstate(all="ignore")
    def cumsum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> ndarray:
        return wrapped(self._x.cumsum(axis, dtype, bare(out)))

    @np.errstate(all="ignore")
    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        return wrapped(self._x.astype(dtype, order, copy=copy))

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
        return wrapped(self._x.reshape(*shape, order=order))

    def transpose(self, *axes: Any) -> ndarray:
        return wrapped(self._x.transpose(*axes))

    def swapaxes(self, axis1: int, axis2: int) -> ndarray:
        return wrapped(self._x.swapaxes(axis1, axis2))

    def copy(self, order: str = "C") -> ndarray:
        return wrapped(self._x.copy(order))

    def ravel(self, order: str = "C") -> ndarray:
        return wrapped(self._x.ravel(order))

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return wrapped(self._x.view() if dtype is None else self._x.view(dtype))

    def fill(self, value: Any) -> None:
        self._x.fill(bare(value))

    def __neg__(self) -> ndarray:
        return wrapped(-self._x)

    def __invert__(self) -> ndarray:
        return wrapped(~self._x)

    def __abs__(self) -> ndarray:
        return wrapped(abs(self._x))


def bare(x: Any) -> Any:
    """The array inside, or the number itself. Raises TypeError for anything that lives elsewhere."""
    if isinstance(x, ndarray):
        return x._x
    if isinstance(x, np.ndarray | list | tuple):
        raise TypeError(f"Unsupported type {type(x)}: an array of the device was to meet one that is not there")
    return x


def wrapped(x: Any) -> ndarray:
    """A result, which stays on the device also where it is a single number."""
    return ndarray(np.asarray(x))


def _operator(function: Callable) -> tuple[Callable, Callable]:
    """a ∘ b for an array a, and for an array b."""

    @np.errstate(all="ignore")
    def forward(self: ndarray, other: Any) -> Any:
        return NotImplemented if _takes_over(other) else wrapped(function(self._x, bare(other)))

    @np.errstate(all="ignore")
    def reflected(self: ndarray, other: Any) -> Any:
        return NotImplemented if _takes_over(other) else wrapped(function(bare(other), self._x))

    return forward, reflected


def _in_place(function: Callable) -> Callable:
    @np.errstate(all="ignore")
    def method(self: ndarray, other: Any) -> ndarray:
        function(self._x, bare(other))
        return self

    return method


def _takes_over(other: Any) -> bool:
    """Whether the operation is the other's business, as a Tensor's is."""
    return not isinstance(other, ndarray) and getattr(other, "__array_ufunc__", ...) is None


ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift")

for _name in (*ARITHMETIC, "matmul"):
    _forward, _reflected = _operator(getattr(operator, _name))
    setattr(ndarray, f"__{_name.rstrip('_')}__", _forward)
    setattr(ndarray, f"__r{_name.rstrip('_')}__", _reflected)
for _name in ARITHMETIC:  # and not matmul: CuPy has no @=
    setattr(ndarray, f"__i{_name.rstrip('_')}__", _in_place(getattr(operator, f"i{_name.rstrip('_')}")))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ndarray, f"__{_name}__", _operator(getattr(operator, _name))[0])
