"""What kernels at speed are given, whichever room they stand in, and how they are compared with the reference.

Shapes: N rows, V classes, C channels, B batch, T time, H heads, G key heads, D channels of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from autograd import Key
from autograd.device import array_module, to_numpy
from autograd.kernels import reference
from autograd.kernels.cpu import BLOCK
from autograd.kernels.deposit import Deposit

TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
SPLIT = (5 * BLOCK // 4 // 300, 300)  # rows and columns of an array of two blocks, which threads can share
ROWS = [(5, 7), (1, 9), (4, 1), (2, 3, 4), (6,), (0, 5), (2, 0, 3)]


@dataclass(frozen=True)
class Case:
    name: str
    arguments: list
    options: dict = field(default_factory=dict)


def normal(shape, dtype="float64", seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def bare(x):
    return x.array() if isinstance(x, Deposit) else x


def is_real(x: Any) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind not in "biu"  # bfloat16 is of NumPy's kind V


def transposed(x):
    return array_module(x).ascontiguousarray(x.T).T if x.ndim else x


def strided(x):
    return array_module(x).repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def backwards(x):
    return array_module(x).ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x


def broadcast(x):
    """As the gradient of a sum is: one number, seen everywhere."""
    xp = array_module(x)
    return xp.broadcast_to(xp.asarray(0.7, dtype=x.dtype), x.shape)


LAYOUTS = {  # of the arguments, and of the gradient that comes back
    "contiguous": (lambda x: x, lambda x: x),
    "transposed": (transposed, transposed),
    "strided": (strided, strided),
    "backwards": (backwards, backwards),
    "broadcast": (lambda x: x, broadcast),
}


def compare(room: ModuleType, case: Case, layout: str = "contiguous", place: Callable = np.asarray, exact: Any = None):
    """Runs a pair of kernels and the reference on the same numbers, forward and backward.

    place: moves an array to where the room works. exact: the precision of the reference, if not the arrays' own.
    """
    arrange, arrange_gradient = LAYOUTS[layout]
    dtype = next(a.dtype for a in case.arguments if is_real(a))
    tolerance = TOLERANCE[dtype.name]
    if case.name == "attention" and dtype.itemsize == 2:
        tolerance *= 4  # a bias's gradient sums rounded ones, and may itself be 0
    expected, saved = getattr(reference, case.name)(*(_as(a, exact) for a in case.arguments), **case.options)
    moved = [arrange(place(a)) if is_real(a) else place(a) if isinstance(a, np.ndarray) else a for a in case.arguments]
    options = {name: place(a) if isinstance(a, np.ndarray) else a for name, a in case.options.items()}
    computed, fast_saved = getattr(room, case.name)(*moved, **options)
    sums = np.dtype("float32") if dtype.itemsize == 2 else dtype  # of losses, and of gradients of parameters
    assert_equal(computed, expected, tolerance, sums if case.name == "cross_entropy" else dtype)
    dy = arrange_gradient(place(normal(expected.shape, dtype, seed=1)))
    gradients = getattr(reference, f"{case.name}_backward")(_as(to_numpy(dy), exact), saved)
    fast = getattr(room, f"{case.name}_backward")(dy, fast_saved)
    if not isinstance(gradients, tuple):
        gradients, fast = (gradients,), (fast,)
    for g, f in zip(gradients, fast, strict=True):
        assert_equal(f, g, tolerance, dtype, sums)


def assert_equal(computed, expected, tolerance, *dtypes):
    assert (computed is None) == (expected is None)
    if computed is not None:
        computed = to_numpy(bare(computed))
        assert computed.shape == expected.shape and computed.dtype in dtypes
        np.testing.assert_allclose(
            computed.astype(expected.dtype), expected, rtol=10 * tolerance, atol=tolerance * magnitude(expected)
        )


def magnitude(x):
    finite = np.abs(x[np.isfinite(x)])
    return max(1.0, float(finite.max())) if finite.size else 1.0


def _as(x, dtype):
    return x.astype(dtype) if dtype is not None and is_real(x) else x


def softmax(dtype, large, name="softmax"):
    for shape in [*ROWS, large]:
        for axis in {-1, 0, len(shape) // 2}:
            if shape[axis] > 0:
                yield Case(name, [3 * normal(shape, dtype)], {"axis": axis})


def log_softmax(dtype, large):
    yield from softmax(dtype, large, "log_softmax")


def gelu(dtype, large):
    for shape in [*ROWS, (), large]:
        for approximate in ("tanh", "none"):
            yield Case("gelu", [_special(shape, dtype)], {"approximate": approximate})


def erf(dtype, large):
    for shape in [*ROWS, (), large]:
        yield Case("erf", [_special(shape, dtype)])


def _special(shape, dtype):
    x = np.asarray(2 * normal(shape, dtype))
    if x.size > 3:
        x.reshape(-1)[:4] = [0.0, 1e-38, -1e-3, 9.0]
    return x


def cross_entropy(dtype, large):
    for n, v in [(5, 7), (1, 3), (4, 1), (0, 5), large]:
        targets = np.random.default_rng(2).integers(v, size=n)
        targets[n // 2 :: 3] = -100
        for smoothing in (0.0, 0.1):
            yield Case("cross_entropy", [2 * normal((n, v), dtype), targets], {"label_smoothing": smoothing})


def rms_norm(dtype, large):
    for shape in [*ROWS, large]:
        x, c = 3 * normal(shape, dtype) + 1, shape[-1]
        for needs in [(True, True), (True, False), (False, True)]:
            yield Case("rms_norm", [x, normal(c, dtype)], {"eps": 1e-3, "needs": needs})


def layer_norm(dtype, large):
    for shape in [*ROWS, large]:
        x, c = 3 * normal(shape, dtype) + 1, shape[-1]
        for weight in (None, normal(c, dtype, 3)):
            for bias in (None, normal(c, dtype, 4)):
                needs = (True, weight is not None, bias is not None)
                yield Case("layer_norm", [x, weight, bias], {"eps": 1e-3, "needs": needs})
        for needs in [(False, True, False), (False, False, True)]:
            yield Case("layer_norm", [x, normal(c, dtype), normal(c, dtype)], {"needs": needs})


def linear(dtype, large):
    for shape in [*ROWS, large]:
        weight = normal((shape[-1], 3), dtype, 3)
        for bias in (None, normal(3, dtype, 4)):
            for needs in [(True, True, bias is not None), (True, False, False), (False, True, False)]:
                yield Case("linear", [normal(shape, dtype), weight, bias], {"needs": needs})
                yield Case("linear", [normal(shape, dtype), weight.T, bias], {"transposed": True, "needs": needs})
    if large == SPLIT:
        yield Case("linear", [normal((BLOCK, 2), dtype), normal((2, 3), dtype), normal(3, dtype)])


def embedding(dtype, large):
    for rows in (4, 600):  # ids that are all met many times, and ids that mostly are not
        for shape in [(5,), (2, 3), (1,), (), (0,), (64,), (128,), (700,)]:
            yield Case("embedding", [np.random.default_rng(2).integers(rows, size=shape), normal((rows, 3), dtype)])


def dropout(dtype, large):
    for shape in [*ROWS, large, ()]:
        for p in (0.3, 1.0):
            yield Case("dropout", [normal(shape, dtype), p, Key(5)])


ATTENTION_SHAPES = [(1, 1, 1, 1, 1, 1), (2, 4, 2, 5, 5, 3), (1, 2, 1, 3, 6, 4), (1, 2, 2, 6, 3, 2), (0, 2, 2, 3, 3, 2),
                    (2, 3, 1, 0, 4, 2)]  # fmt: skip


def attention(dtype, large):
    generator = np.random.default_rng(3)
    long = [(1, 2, 2, 150, 140, 8)] if large == SPLIT else [(1, 2, 1, 20, 17, 3)]
    for b, h, g, tq, tk, d in ATTENTION_SHAPES + long:
        q, k, v = (normal(s, dtype, i) for i, s in enumerate([(b, h, tq, d), (b, g, tk, d), (b, g, tk, d + 1)]))
        for causal in (False, True):
            mask = generator.random((h, tq, tk)) < 0.7
            mask[..., : tq // 2, :] &= generator.random((tq // 2, tk)) < 0.1  # some rows look nowhere
            needs = (True, True, True, False)
            everything = {"mask": mask, "dropout": 0.3, "key": Key(1), "causal": causal, "needs": needs}
            yield Case("attention", [q, k, v], {"causal": causal, "needs": needs})
            yield Case("attention", [q, k, v], everything)
            for shape in [(b, h, tq, tk), (h, 1, tk), (tq, 1), ()]:
                yield Case("attention", [q, k, v, mask, normal(shape, dtype, 4)], {"causal": causal})
            for i in range(4):
                needs = tuple(i == j for j in range(4))
                bias = normal((tq, tk), dtype, 4)
                yield Case("attention", [q, k, v, mask, bias], {"causal": causal, "needs": needs})


CASES: dict[str, Callable[[str, tuple[int, int]], Iterator[Case]]] = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "gelu": gelu,
    "erf": erf,
    "cross_entropy": cross_entropy,
    "rms_norm": rms_norm,
    "layer_norm": layer_norm,
    "linear": linear,
    "embedding": embedding,
    "dropout": dropout,
    "attention": attention,
}
