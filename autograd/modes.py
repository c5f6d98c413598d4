"""Two modes of all operations: recorded for backward or not (`no_grad`), and traced or not (`trace`)."""

from __future__ import annotations

import contextvars
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_recording: contextvars.ContextVar[bool] = contextvars.ContextVar("recording", default=True)
_watcher: contextvars.ContextVar[Graph | None] = contextvars.ContextVar("watcher", default=None)
_PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def is_recording() -> bool:
    return _recording.get()


def watcher() -> Graph | None:
    return _watcher.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations compute but are not recorded: for evaluation and generation."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def with_grad() -> Iterator[None]:
    """Inside, operations are recorded even within `no_grad`."""
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def trace() -> Iterator[Graph]:
    """Inside, every operation is kept with its name, source line and value, and later its gradient:

    with trace() as graph:
        loss = cross_entropy(x @ w, targets)
    loss.backward()
    for step in graph.steps:
        print(step.name, step.source, step.value.shape, step.cotangent)

    The whole graph stays in memory as long as `graph` does.
    """
    graph = Graph()
    token = _watcher.set(graph)
    try:
        yield graph
    finally:
        _watcher.reset(token)


@dataclass(eq=False)
class Step:
    """One value of a traced graph: a leaf (name "leaf", no operands) or the result of an operation."""

    name: str
    source: str  # "file.py:12  scores = q @ k.T"
    tensor: Any
    operands: list[Step]
    gradient: Any = None

    @property
    def value(self) -> Any:
        return self.tensor.data

    @property
    def cotangent(self) -> Any:
        """The gradient with respect to this value of what backward() started from; None where none arrived."""
        return self.tensor.grad if self.name == "leaf" else self.gradient


@dataclass(eq=False)
class Graph:
    """The values of a traced computation, each after its operands."""

    steps: list[Step] = field(default_factory=list)
    _step_of: dict[int, Step] = field(default_factory=dict)

    def add(self, name: str, result: Any, operands: tuple) -> Step:
        inputs = [self._step_of.get(id(t)) or self._leaf(t) for t in operands if t is not None]
        return self._keep(Step(name, _callers_line(), result, inputs))

    def _leaf(self, tensor: Any) -> Step:
        return self._keep(Step("leaf", "", tensor, []))

    def _keep(self, step: Step) -> Step:
        self.steps.append(step)
        self._step_of[id(step.tensor)] = step
        return step


def _callers_line() -> str:
    """The line of the first caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    path, line = frame.f_code.co_filename, frame.f_lineno
    return f"{os.path.basename(path)}:{line}  {linecache.getline(path, line).strip()}"
