"""The table of gradient checks: for each public operation, cases of a function and its float64 arguments.

Here the elementary operations; formula_gradients.py has softmax, attention and the like, module_gradients.py layers,
models and losses. test_gradients.py runs all three tables, at each depth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import autograd as ag
from autograd import Key, Tensor

_generator = np.random.default_rng(20)


class Case(NamedTuple):
    """One check: `function` of the arrays, each of which must receive its right gradient."""

    label: str
    function: Callable[..., Tensor]
    arrays: tuple[np.ndarray, ...]


def case(label: str, function: Callable[..., Tensor], *arrays: np.ndarray) -> Case:
    return Case(label, function, arrays)


def normal(*shape: int) -> np.ndarray:
    return _generator.standard_normal(shape)


def positive(*shape: int) -> np.ndarray:
    """Away from 0, where log, sqrt and division are steep."""
    return _generator.uniform(0.5, 2.0, shape)


def distinct(*shape: int) -> np.ndarray:
    """No two elements, and none and 0, nearer than the step of a finite difference: for max and relu."""
    n = int(np.prod(shape))
    return (_generator.permutation(n) - n / 2 + 0.25).reshape(shape)


def like(x: Tensor, constant: np.ndarray) -> ag.Array:
    """A constant in the precision, and on the device, of the argument it meets."""
    return ag.to_device(constant.astype(x.dtype), x.device)


KEY = Key(7)
GRID = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])

ELEMENTWISE = {
    "add": [
        case("same-shape", ag.add, normal(2, 3), normal(2, 3)),
        case("broadcast-both", ag.add, normal(2, 1, 3), normal(4, 1)),
        case("fan-out", lambda x: ag.add(x, x), normal(3)),
        case("number", lambda x: 2.5 + x + 1, normal(2, 2)),
        case("shared-gradient", lambda x: ((k := 3 * x) * k + (h := 2 * x) * h) + (h + k), normal(2)),
        case("scalars", ag.add, normal(), normal()),
        case("empty", ag.add, normal(0, 3), normal(3)),
    ],
    "subtract": [
        case("broadcast", ag.subtract, normal(2, 3), normal(3)),
        case("broadcast-left", ag.subtract, normal(1), normal(2, 2)),
        case("from-number", lambda x: 2 - x, normal(3)),
        case("fan-out", lambda x: (x - 2 * x) - x, normal(2)),
    ],
    "multiply": [
        case("same-shape", ag.multiply, normal(2, 3), normal(2, 3)),
        case("broadcast", ag.multiply, normal(2, 1, 3), normal(4, 1)),
        case("fan-out", lambda x: x * x * x, normal(3)),
        case("number", lambda x: 3 * x, normal(2)),
        case("empty", ag.multiply, normal(0), normal(1)),
    ],
    "divide": [
        case("same-shape", ag.divide, normal(2, 3), positive(2, 3)),
        case("broadcast", ag.divide, normal(3), positive(2, 1)),
        case("number-over", lambda x: 2 / x, positive(3)),
        case("over-number", lambda x: x / 2, normal(3)),
        case("fan-out", lambda x: (x + 1) / x, positive(3)),
    ],
    "power": [
        case("number", lambda x: x**3, normal(4)),
        case("square-root", lambda x: x**-0.5, positive(4)),
        case("exponent-0-at-0", lambda x: x**0, np.array([0.0, 1.0, -2.0])),
        case("exponent-1-at-0", lambda x: x**1, np.array([0.0, 1.0, -2.0])),
        case("exponent-2-at-0", lambda x: x**2, np.array([0.0, 1.0, -2.0])),
        case("base-number", lambda x: 2**x, normal(3)),
        case("base-0", lambda x: 0**x, positive(3)),
        case("both", ag.power, positive(2, 3), normal(3)),
        case("fan-out", lambda x: x**x, positive(3)),
    ],
    "negative": [case("matrix", lambda x: -x, normal(2, 3)), case("scalar", ag.negative, normal())],
    "exp": [case("matrix", ag.exp, normal(2, 3)), case("fan-out", lambda x: ag.exp(x) * x, normal(3))],
    "log": [case("matrix", ag.log, positive(2, 3)), case("scalar", ag.log, positive())],
    "sqrt": [case("matrix", ag.sqrt, positive(2, 3)), case("empty", ag.sqrt, positive(0))],
    "sin": [case("matrix", ag.sin, normal(2, 3)), case("fan-out", lambda x: ag.sin(x) * x, normal(3))],
    "cos": [case("matrix", ag.cos, normal(2, 3)), case("scalar", ag.cos, normal()), case("empty", ag.cos, normal(0))],
    "abs": [
        case("matrix", abs, distinct(3, 4)),
        case("zero", ag.abs, np.array([0.0, -1.5, 2.0])),
    ],
    "tanh": [case("matrix", ag.tanh, normal(2, 3)), case("saturated", ag.tanh, 6 * normal(3))],
    "erf": [
        case("series", ag.erf, normal(2, 3) / 3),
        case("tail", ag.erf, np.array([-2.5, -1.5, 1.2, 3.0])),
        case("zero", ag.erf, np.zeros(2)),
    ],
    "relu": [case("matrix", ag.relu, distinct(3, 4))],
    "sigmoid": [case("matrix", ag.sigmoid, normal(2, 3)), case("saturated", ag.sigmoid, 8 * normal(4))],
    "maximum": [
        case("same-shape", ag.maximum, distinct(2, 3), np.zeros((2, 3))),
        case("broadcast", ag.maximum, distinct(4, 3), np.array([0.0, 1.0, -1.0])),
        case("ties", ag.maximum, np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0])),
        case("fan-out", lambda x: ag.maximum(x, x), normal(3)),
        case("number", lambda x: ag.maximum(x, 0.5), distinct(2, 3)),
    ],
    "minimum": [
        case("same-shape", ag.minimum, distinct(2, 3), np.zeros((2, 3))),
        case("broadcast", ag.minimum, distinct(4, 3), np.array([0.0, 1.0, -1.0])),
        case("ties", ag.minimum, np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0])),
        case("number", lambda x: ag.minimum(0.5, x), distinct(2, 3)),
    ],
    "clip": [
        case("numbers", lambda x: ag.clip(x, -1.0, 2.0), distinct(3, 4)),
        case("below-alone", lambda x: x.clip(0.0), distinct(2, 3)),
        case("above-alone", lambda x: x.clip(a_max=1.0), distinct(2, 3)),
        case("at-the-bounds", lambda x: ag.clip(x, -1.0, 2.0), np.array([-1.0, 2.0, 0.5])),
        case("bounds-too", ag.clip, 3 * normal(2, 3), np.array([-1.0, 0.0, 0.5]), np.array([[1.0], [2.0]])),
    ],
    "where": [
        case("same-shape", lambda a, b: ag.where(np.array([True, False, True]), a, b), normal(3), normal(3)),
        case("broadcast", lambda a, b: ag.where(np.array([[True], [False]]), a, b), normal(3), normal(1)),
        case("number", lambda a: ag.where(a.data > 0, a, 0.0), distinct(2, 3)),
        case("list", lambda a, b: ag.where([True, False], a, b), normal(2), normal(2)),
        case("integers", lambda a, b: ag.where(np.array([0, 2, -1]), a, b), normal(3), normal(3)),
        case("bool", lambda a, b: ag.where(False, a, b), normal(2), normal(2)),
        case("fan-out", lambda a: ag.where(np.array([True, False]), a, 3 * a), normal(2)),
    ],
}

REDUCTIONS_AND_SHAPES = {
    "sum": [
        case("all", ag.sum, normal(2, 3)),
        case("axis", lambda x: x.sum(axis=0), normal(2, 3)),
        case("negative-axis", lambda x: x.sum(axis=-1), normal(2, 3)),
        case("axes-keepdims", lambda x: x.sum(axis=(0, -1), keepdims=True), normal(2, 3, 2)),
        case("all-keepdims", lambda x: x.sum(keepdims=True) * x, normal(2, 3)),
        case("no-axes", lambda x: x.sum(axis=()), normal(2)),
        case("scalar", ag.sum, normal()),
        case("empty", ag.sum, normal(0, 3)),
        case("empty-axis", lambda x: x.sum(axis=0), normal(0, 3)),
    ],
    "mean": [
        case("all", ag.mean, normal(2, 3)),
        case("negative-axis", lambda x: x.mean(axis=-2), normal(2, 3)),
        case("axes-keepdims", lambda x: x.mean(axis=(0, 2), keepdims=True), normal(2, 3, 2)),
        case("fan-out", lambda x: (x - x.mean(axis=0)) * x, normal(3, 2)),
    ],
    "var": [
        case("all", ag.var, normal(2, 3)),
        case("axis", lambda x: x.var(axis=0), normal(3, 2)),
        case("negative-axes-keepdims", lambda x: x.var(axis=(-1, 0), keepdims=True), normal(2, 2, 3)),
        case("constant", ag.var, np.ones(3)),
    ],
    "max": [
        case("all", ag.max, distinct(2, 3)),
        case("axis", lambda x: x.max(axis=0), distinct(3, 2)),
        case("negative-axis-keepdims", lambda x: x.max(axis=-1, keepdims=True), distinct(2, 3)),
        case("axes", lambda x: x.max(axis=(0, 2)), distinct(2, 3, 2)),
        case("ties", lambda x: x.max(axis=1), np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])),
        case("ties-all", ag.max, np.array([[5.0, 1.0], [1.0, 5.0]])),
    ],
    "min": [
        case("all", ag.min, distinct(2, 3)),
        case("axis", lambda x: x.min(axis=0), distinct(3, 2)),
        case("negative-axis-keepdims", lambda x: x.min(axis=-1, keepdims=True), distinct(2, 3)),
        case("axes", lambda x: x.min(axis=(0, 2)), distinct(2, 3, 2)),
        case("ties", lambda x: x.min(axis=1), np.array([[1.0, 1.0, 3.0], [2.0, 4.0, 2.0]])),
    ],
    "reshape": [
        case("matrix", lambda x: x.reshape(3, 2) * x[0, :2], normal(2, 3)),
        case("minus-one", lambda x: ag.reshape(x, (-1,)), normal(2, 3)),
        case("to-scalar", lambda x: x.reshape(()), normal(1, 1)),
        case("empty", lambda x: x.reshape(3, 0), normal(0, 2)),
    ],
    "transpose": [
        case("reverse", lambda x: x.T, normal(2, 3)),
        case("order", lambda x: x.transpose(2, 0, 1), normal(2, 3, 4)),
        case("negative-axes", lambda x: ag.transpose(x, (-1, 0, -2)), normal(2, 3, 4)),
        case("vector", ag.transpose, normal(3)),
    ],
    "swapaxes": [
        case("last", lambda x: x.swapaxes(-1, -2), normal(2, 3, 4)),
        case("same", lambda x: x.swapaxes(1, 1), normal(2, 3)),
    ],
    "broadcast_to": [
        case("new-axis", lambda x: ag.broadcast_to(x, (2, 3)), normal(3)),
        case("stretched", lambda x: ag.broadcast_to(x, (2, 4, 3)), normal(2, 1, 3)),
        case("scalar", lambda x: ag.broadcast_to(x, (2, 2)), normal()),
        case("to-empty", lambda x: ag.broadcast_to(x, (0, 3)), normal(3)),
    ],
    "concatenate": [
        case("rows", lambda a, b: ag.concatenate([a, b]), normal(2, 3), normal(1, 3)),
        case("negative-axis", lambda a, b: ag.concatenate([a, b], axis=-1), normal(2, 1), normal(2, 3)),
        case("twice-the-same", lambda a: ag.concatenate([a, 2 * a, a], axis=1), normal(2, 2)),
        case("with-empty", lambda a, b: ag.concatenate([a, b]), normal(0, 2), normal(2, 2)),
        case("with-constant", lambda a: ag.concatenate([like(a, np.ones(2)), a]), normal(2)),
    ],
    "stack": [
        case("first", lambda a, b: ag.stack([a, b]), normal(2, 3), normal(2, 3)),
        case("last", lambda a, b: ag.stack([a, b], axis=-1), normal(2, 3), normal(2, 3)),
        case("middle-same", lambda a: ag.stack([a, a * a, a], axis=1), normal(2, 2)),
        case("scalars", lambda a, b: ag.stack([a, b]), normal(), normal()),
    ],
    "split": [
        case("sections", lambda x: ag.split(x, 3)[1], normal(6, 2)),
        case("all-parts", lambda x: sum(i * part for i, part in enumerate(ag.split(x, 3, axis=-1))), normal(2, 6)),
        case("positions", lambda x: ag.concatenate(ag.split(x, [1, 3])[::-1]), normal(4)),
        case("two-of-three", lambda x: ag.split(x, [1, 4])[2] * ag.split(x, [1, 4])[0], normal(5)),
    ],
    "getitem": [
        case("integer", lambda x: x[1], normal(3, 2)),
        case("negative-integer", lambda x: x[-1, 0], normal(3, 2)),
        case("slice", lambda x: x[1:3], normal(4, 2)),
        case("step", lambda x: x[::2, 1::2], normal(4, 3)),
        case("negative-step", lambda x: x[::-1, 2:0:-1], normal(3, 3)),
        case("new-axis-ellipsis", lambda x: x[None, ..., 0, None], normal(2, 3)),
        case("repeated-ids", lambda x: x[np.array([0, 2, 0, 0])], normal(3, 2)),
        case("list", lambda x: x[[1, 1]], normal(3)),
        case("negative-ids", lambda x: x[np.array([-1, 2, 0])], normal(3)),
        case("pairs-of-ids", lambda x: x[np.array([0, 1, 0]), np.array([2, 2, 2])], normal(2, 3)),
        case("grid-of-ids", lambda x: x[np.array([[0, 1], [1, 1]])], normal(2, 2)),
        case("ids-and-slice", lambda x: x[:, np.array([0, 0, 1]), ::2], normal(2, 2, 3)),
        case("numpy-integer", lambda x: x[np.int64(1)], normal(2, 2)),
        case("boolean-mask", lambda x: x[np.array([[True, False], [True, True]])], normal(2, 2)),
        case("boolean-rows", lambda x: x[np.array([False, True])], normal(2, 3)),
        case("nothing", lambda x: x[:0], normal(2, 3)),
        case("fan-out", lambda x: x[0] * x[1] + x[0], normal(2, 3)),
        case("of-a-result", lambda x: (2 * x)[np.array([0, 0])] + (2 * x)[1:], normal(2)),
        case("tiles-of-a-result", lambda x: ag.concatenate([(y := 2 * x)[2:], 3 * y[1:2], y[:1]]), normal(4, 2)),
        case("columns-of-a-result", lambda x: (y := 2 * x)[:, :-1] * y[:, -1] * y[:, 0], normal(2, 2)),
        case("rows-of-a-result", lambda x: (y := list(2 * x))[0] * y[1] - y[2], normal(3, 2)),
        case("gaps-of-a-result", lambda x: (y := 2 * x)[:1] * y[2:3], normal(4)),
        case("part-and-whole", lambda x: (y := 2 * x)[:1] * y + y[1:] * y, normal(2, 2)),
        case("sum-of-uses", lambda x: (y := 2 * x)[:2] * y[1:] + y[:1], normal(3)),
        case("iteration", lambda x: next(iter(x)) * 2 + sum(x), normal(3, 2)),
    ],
}

PRODUCTS = {
    "matmul": [
        case("matrices", ag.matmul, normal(2, 3), normal(3, 4)),
        case("row-matrix", ag.matmul, normal(3), normal(3, 2)),
        case("matrix-column", ag.matmul, normal(2, 3), normal(3)),
        case("row-column", ag.matmul, normal(3), normal(3)),
        case("row-batch", ag.matmul, normal(3), normal(2, 3, 2)),
        case("batch-column", ag.matmul, normal(2, 2, 3), normal(3)),
        case("batch-matrix", ag.matmul, normal(2, 2, 3), normal(3, 2)),
        case("matrix-batch", ag.matmul, normal(2, 3), normal(2, 3, 2)),
        case("batches", ag.matmul, normal(2, 2, 3), normal(2, 3, 2)),
        case("broadcast-batches", ag.matmul, normal(2, 1, 2, 3), normal(3, 3, 2)),
        case("stretched-left", ag.matmul, normal(1, 2, 3), normal(2, 3, 2)),
        case("fan-out", lambda x: x @ x @ x.T, normal(2, 2)),
        case("left-alone", lambda x: x @ like(x, GRID.T), normal(2, 3)),
        case("right-alone", lambda x: like(x, GRID) @ x, normal(3)),
        case("no-rows", ag.matmul, normal(0, 3), normal(3, 2)),
        case("no-inner", ag.matmul, normal(2, 0), normal(0, 3)),
        case("no-columns", ag.matmul, normal(2, 2, 3), normal(3, 0)),
        case("no-batches", ag.matmul, normal(0, 2, 3), normal(3, 2)),
    ],
    "einsum": [
        case("product", lambda a, b: ag.einsum("ij,jk->ik", a, b), normal(2, 3), normal(3, 2)),
        case("implicit", lambda a, b: ag.einsum("ij,jk", a, b), normal(2, 3), normal(3, 2)),
        case("implicit-order", lambda a: ag.einsum("ba", a), normal(2, 3)),
        case("attention", lambda q, k: ag.einsum("bhqd,bhkd->bhqk", q, k), normal(1, 2, 2, 3), normal(1, 2, 3, 3)),
        case("three", lambda a, b, c: ag.einsum("i,ij,j->", a, b, c), normal(2), normal(2, 3), normal(3)),
        case("diagonal", lambda a: ag.einsum("ii->i", a), normal(3, 3)),
        case("trace", lambda a: ag.einsum("ii", a), normal(3, 3)),
        case("diagonal-times", lambda a, b: ag.einsum("iij,j->i", a, b), normal(2, 2, 3), normal(3)),
        case("summed-alone", lambda a, b: ag.einsum("ij,k->i", a, b), normal(2, 3), normal(2)),
        case("all-summed", lambda a: ag.einsum("ij->", a), normal(2, 3)),
        case("transposed", lambda a: ag.einsum("ij->ji", a), normal(2, 3)),
        case("ellipsis", lambda a, b: ag.einsum("...ij,jk->...ik", a, b), normal(2, 2, 3), normal(3, 2)),
        case("ellipsis-broadcast", lambda a, b: ag.einsum("...i,...i->...", a, b), normal(1, 3), normal(2, 3)),
        case("ellipsis-two-widths", lambda a, b: ag.einsum("...i,...i", a, b), normal(3), normal(2, 2, 3)),
        case("stretched-letter", lambda a, b: ag.einsum("i,i->", a, b), normal(3), normal(1)),
        case("stretched-diagonal", lambda a, b: ag.einsum("ii...,i...->i", a, b), normal(2, 2, 1), normal(2, 3)),
        case("stretched-both", lambda a, b: ag.einsum("ij,ij->ij", a, b), normal(1, 3), normal(2, 1)),
        case("fan-out", lambda a: ag.einsum("ij,jk->ik", a, a), normal(2, 2)),
        case("empty", lambda a, b: ag.einsum("ij,jk->ik", a, b), normal(2, 0), normal(0, 2)),
    ],
}

OPERATION_CASES: dict[str, list[Case]] = ELEMENTWISE | REDUCTIONS_AND_SHAPES | PRODUCTS
