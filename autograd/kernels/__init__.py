"""Kernels: the formulas as pairs of functions, forward and backward, on bare arrays. Three rooms have the same names:

    reference/   the formulas as a textbook derives them
    on_numpy/    the same names at the processor's speed
    on_cupy/     the same names at the GPU's speed
    rounded.py   the reference for 16-bit numbers: computed in float32, then rounded

`use` chooses how formulas are computed, and `room` the kernels for an array. The choice is made when the forward runs;
the backward uses the room of its forward.
"""

from __future__ import annotations

import contextvars
from types import TracebackType
from typing import Any

from ..device import Array, array_module, is_numpy
from ..precision import is_half
from . import on_numpy, reference, rounded
from .cpu import advice, blas_info, configure

__all__ = [
    "DEPTHS",
    "adam_step",
    "advice",
    "blas_info",
    "configure",
    "depth",
    "is_composed",
    "room",
    "squared_norm",
    "use",
]

DEPTHS = ("composed", "reference", "fast")

_depth: contextvars.ContextVar[str] = contextvars.ContextVar("depth", default="fast")


class use:
    """Chooses among three ways to compute the same numbers, as a call or for the length of a `with` block.

    "composed": every formula from elementary operations, so that each intermediate is a Tensor with a gradient.
    "reference": forward and backward derived by hand, as a textbook does. "fast": the same at speed (default).
    Raises ValueError for another word.
    """

    def __init__(self, depth: str) -> None:
        if depth not in DEPTHS:
            raise ValueError(f"use({depth!r}): choose one of {', '.join(DEPTHS)}")
        self._before = _depth.get()
        _depth.set(depth)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        _depth.set(self._before)


def depth() -> str:
    """The word that `use` has chosen, one of DEPTHS."""
    return _depth.get()


def is_composed() -> bool:
    return _depth.get() == "composed"


def room(x: Array):
    """The package whose kernels compute on the array x: the reference where there is no fast one for x's library.

    A CPU has no fast 16-bit arithmetic: there the formulas are computed in float32, and rounded.
    """
    fast = _depth.get() == "fast"
    if fast and not is_numpy(x) and array_module(x).__name__ == "cupy":
        from . import on_cupy  # imported only where there is a GPU

        return on_cupy
    if is_half(x.dtype):
        return rounded
    return on_numpy if fast and is_numpy(x) else reference


def adam_step(parameter: Array, *arguments: Any) -> None:
    """Updates bare arrays in place: see reference/adam.py."""
    room(parameter).adam_step(parameter, *arguments)


def squared_norm(x: Array) -> Any:
    """Σ x²: a number; on a GPU an array without axes, so that nothing waits for it."""
    return room(x).squared_norm(x)
