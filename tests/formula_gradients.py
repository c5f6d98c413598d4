"""The table of gradient checks, continued: the formulas that exist at three depths.

B batch, T time, C channels, H heads, D channels of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from gradients import GRID, KEY, Case, case, like, normal

import autograd as ag
from autograd import Tensor

TARGETS = np.array([0, 3, -100, 3, 1])
HEAD = np.array([[[[1.0, 0.0, 2.0], [-1.0, 0.5, 0.0], [0.0, 1.5, 1.0]]]])  # (1, 1, T = 3, D = 3)
UNTIL = np.array([True, True, False])  # a padding mask over three keys
LOOKS = np.array([[True, False, True], [False, False, False], [False, True, True]])  # the second may look nowhere


def checkpointed(x: Tensor, factor: float, nothing: None) -> Tensor:
    return ag.softmax(x * factor) if nothing is None else x


def attend(**options) -> Callable[..., Tensor]:
    return lambda q, k, v: ag.attention(q, k, v, **options)


def attend_with_bias(**options) -> Callable[..., Tensor]:
    return lambda q, k, v, bias: ag.attention(q, k, v, bias=bias, **options)


def qkv(tq: int = 3, tk: int = 3, heads: int = 2, groups: int = 2) -> tuple[np.ndarray, ...]:
    """q (2, H, Tq, 2), k and v (2, G, Tk, 2)."""
    return normal(2, heads, tq, 2), normal(2, groups, tk, 2), normal(2, groups, tk, 2)


FORMULA_CASES: dict[str, list[Case]] = {
    "linear": [
        case("matrix", ag.linear, normal(4, 3), normal(3, 2), normal(2)),
        case("batches", ag.linear, normal(2, 2, 3), normal(3, 2), normal(2)),
        case("vector", ag.linear, normal(3), normal(3, 2), normal(2)),
        case("no-bias", ag.linear, normal(4, 3), normal(3, 2)),
        case("transposed", lambda x, w, b: ag.linear(x, w, b, transposed=True), normal(4, 3), normal(2, 3), normal(2)),
        case("transposed-no-bias", lambda x, w: ag.linear(x, w, transposed=True), normal(2, 2, 3), normal(2, 3)),
        case("weight-twice", lambda x, w: ag.linear(ag.linear(x, w), w), normal(2, 3), normal(3, 3)),
        case("tied", lambda x, w: ag.linear(ag.linear(x, w), w, transposed=True), normal(2, 2), normal(2, 3)),
        case("weight-of-a-result", lambda x, w: ag.linear(x, 2 * w) + ag.linear(x, w), normal(2, 2), normal(2, 2)),
        case("empty", ag.linear, normal(0, 3), normal(3, 2), normal(2)),
        case("no-inputs", ag.linear, normal(2, 0), normal(0, 2), normal(2)),
        case("no-outputs", ag.linear, normal(2, 3), normal(3, 0), normal(0)),
        case("x-alone", lambda x: ag.linear(x, like(x, GRID), transposed=True), normal(2, 3)),
        case("weight-alone", lambda w: ag.linear(like(w, GRID), w), normal(3, 2)),
        case("bias-alone", lambda b: ag.linear(like(b, GRID), like(b, GRID.T), b), normal(2)),
    ],
    "softmax": [
        case("last", ag.softmax, normal(2, 4)),
        case("first", lambda x: ag.softmax(x, axis=0), normal(3, 2)),
        case("middle", lambda x: ag.softmax(x, axis=-2), normal(2, 3, 2)),
        case("vector", ag.softmax, normal(4)),
        case("large", ag.softmax, 1e4 + normal(2, 3)),
        case("nowhere", lambda x: ag.softmax(ag.where(LOOKS, x, -np.inf)), normal(3, 3)),
        case("empty", ag.softmax, normal(0, 3)),
        case("fan-out", lambda x: ag.softmax(x) * x, normal(2, 3)),
    ],
    "log_softmax": [
        case("last", ag.log_softmax, normal(2, 4)),
        case("first", lambda x: ag.log_softmax(x, axis=0), normal(3, 2)),
        case("vector", ag.log_softmax, normal(4)),
        case("large", ag.log_softmax, normal(2, 3) - 1e4),
        case("empty", ag.log_softmax, normal(0, 3)),
    ],
    "cross_entropy": [
        case("mean", lambda x: ag.cross_entropy(x, np.array([0, 3, 3])), normal(3, 4)),
        case("ignored", lambda x: ag.cross_entropy(x, TARGETS), normal(5, 4)),
        case("ignore-index", lambda x: ag.cross_entropy(x, np.array([0, 1, 2]), ignore_index=1), normal(3, 4)),
        case("smoothing", lambda x: ag.cross_entropy(x, TARGETS, label_smoothing=0.2), normal(5, 4)),
        case("all-smoothing", lambda x: ag.cross_entropy(x, TARGETS, label_smoothing=1.0), normal(5, 4)),
        case("sum", lambda x: ag.cross_entropy(x, TARGETS, reduction="sum"), normal(5, 4)),
        case("none", lambda x: ag.cross_entropy(x, TARGETS, label_smoothing=0.1, reduction="none"), normal(5, 4)),
        case("sequences", lambda x: ag.cross_entropy(x, [[0, 1, 1], [3, 1, 2]], reduction="none"), normal(2, 3, 4)),
        case("one", lambda x: ag.cross_entropy(x, np.array(2)), normal(4)),
        case("uint16", lambda x: ag.cross_entropy(x, np.array([1, 0], dtype=np.uint16)), normal(2, 3)),
        case("large", lambda x: ag.cross_entropy(x, np.array([0, 1])), 1e3 + normal(2, 3)),
        case("none-counts", lambda x: ag.cross_entropy(x, np.array([-100]), reduction="sum"), normal(1, 3)),
        case("empty", lambda x: ag.cross_entropy(x, np.zeros(0, int), reduction="sum"), normal(0, 3)),
    ],
    "checkpoint": [
        case("inputs", lambda x, y: ag.checkpoint(lambda a, b: ag.tanh(a @ b) * a, x, y), normal(3, 3), normal(3, 3)),
        case("parameter", lambda x, w: ag.checkpoint(lambda a: ag.gelu(ag.linear(a, w)), x, parameters=[w]),
             normal(2, 3), normal(3, 3)),
        case("constant-and-none", lambda x: ag.checkpoint(checkpointed, x, 2.0, None), normal(2, 3)),
        case("dropout", lambda x: ag.checkpoint(lambda a: ag.dropout(ag.exp(a), 0.4, KEY), x), normal(4, 5)),
        case("one-in-another", lambda x: ag.checkpoint(lambda a: ag.exp(ag.checkpoint(ag.tanh, a)), x), normal(3)),
        case("twice", lambda x: ag.checkpoint(ag.multiply, x, x) + x, normal(2, 2)),
        case("of-a-result", lambda x: ag.checkpoint(ag.tanh, 2 * x).sum() * x, normal(3)),
        case("first-input-unused", lambda x, y: ag.checkpoint(lambda a, b: ag.exp(b), x, y), normal(2), normal(2)),
    ],
    "rms_norm": [
        case("matrix", ag.rms_norm, normal(2, 2, 4), normal(4)),
        case("vector", lambda x, w: ag.rms_norm(x, w, eps=0.5), normal(4), normal(4)),
        case("x-alone", lambda x: ag.rms_norm(x, like(x, GRID[0])), normal(2, 3)),
        case("weight-alone", lambda w: ag.rms_norm(like(w, GRID), w), normal(3)),
    ],
    "layer_norm": [
        case("weight-and-bias", ag.layer_norm, normal(2, 2, 4), normal(4), normal(4)),
        case("plain", ag.layer_norm, normal(3, 4)),
        case("no-bias", ag.layer_norm, normal(3, 4), normal(4)),
        case("no-weight", lambda x, b: ag.layer_norm(x, None, b), normal(3, 4), normal(4)),
        case("vector", ag.layer_norm, normal(4), normal(4), normal(4)),
        case("eps", lambda x: ag.layer_norm(x, eps=0.5), normal(2, 3)),
        case("x-alone", lambda x: ag.layer_norm(x, like(x, GRID[1]), like(x, GRID[0])), normal(2, 3)),
        case("weight-alone", lambda w: ag.layer_norm(like(w, GRID), w, like(w, GRID[0])), normal(3)),
        case("bias-alone", lambda b: ag.layer_norm(like(b, GRID), None, b), normal(3)),
        case("empty", ag.layer_norm, normal(0, 3), normal(3), normal(3)),
        case("fan-out", lambda x: ag.layer_norm(x, x[0], x[1]), normal(2, 3)),
    ],
    "gelu": [
        case("tanh", ag.gelu, normal(2, 4)),
        case("exact", lambda x: ag.gelu(x, approximate="none"), normal(2, 4)),
        case("tanh-zero-and-tails", ag.gelu, np.array([0.0, -4.0, 4.0, -9.0, 9.0])),
        case("exact-zero-and-tails", lambda x: ag.gelu(x, "none"), np.array([0.0, -4.0, 4.0, -9.0, 9.0])),
        case("empty", ag.gelu, normal(0)),
        case("scalar", ag.gelu, normal()),
    ],
    "embedding": [
        case("repeated", lambda table: ag.embedding(np.array([2, 0, 2, 2]), table), normal(4, 3)),
        case("sequences", lambda table: ag.embedding(np.array([[1, 1, 0], [0, 2, 1]]), table), normal(4, 2)),
        case("one", lambda table: ag.embedding(1, table), normal(3, 2)),
        case("none", lambda table: ag.embedding(np.zeros((0,), int), table), normal(3, 2)),
        case("uint16", lambda table: ag.embedding(np.array([1, 1], dtype=np.uint16), table), normal(3, 2)),
        case("tied", lambda table: ag.linear(ag.embedding(np.array([1, 1]), table), table, transposed=True),
             normal(3, 2)),
        case("of-a-result", lambda table: ag.embedding([0, 0], 2 * table) + ag.embedding([0, 1], table), normal(3, 2)),
    ],
    "dropout": [
        case("half", lambda x: ag.dropout(x, 0.5, KEY), normal(4, 5)),
        case("all", lambda x: ag.dropout(x, 1.0, KEY), normal(3)),
        case("scalar", lambda x: ag.dropout(x, 0.1, KEY), normal()),
        case("after-a-transpose", lambda x: ag.dropout(x.T, 0.3, KEY), normal(3, 4)),
    ],
    "attention": [
        case("plain", attend(), *qkv()),
        case("causal", attend(causal=True), *qkv()),
        case("cross", attend(), *qkv(tq=2, tk=4)),
        case("causal-cache", attend(causal=True), *qkv(tq=2, tk=4)),
        case("causal-more-queries", attend(causal=True), *qkv(tq=4, tk=2)),
        case("padding", attend(mask=UNTIL), *qkv()),
        case("mask", attend(mask=LOOKS), *qkv()),
        case("mask-and-causal", attend(mask=LOOKS, causal=True), *qkv()),
        case("mask-for-each-head", attend(mask=np.stack([LOOKS, LOOKS.T])), *qkv()),
        case("mask-for-each-batch", attend(mask=np.stack([LOOKS, LOOKS.T])[:, None]), *qkv()),
        case("bias", attend_with_bias(), *qkv(), normal(2, 2, 3, 3)),
        case("bias-for-each-head", attend_with_bias(causal=True), *qkv(), normal(2, 3, 3)),
        case("bias-for-each-batch", attend_with_bias(mask=LOOKS), *qkv(), normal(2, 1, 3, 3)),
        case("bias-for-each-key", attend_with_bias(), *qkv(), normal(3)),
        case("bias-for-each-query", attend_with_bias(causal=True), *qkv(tq=2, tk=4), normal(1, 1, 2, 1)),
        case("bias-scalar", attend_with_bias(mask=LOOKS), *qkv(), normal()),
        case("grouped", attend(causal=True), *qkv(heads=4, groups=2)),
        case("one-key-head", attend(mask=LOOKS), *qkv(heads=3, groups=1)),
        case("grouped-bias", attend_with_bias(), *qkv(heads=4, groups=2), normal(4, 1, 3)),
        case("dropout", attend(causal=True, dropout=0.4, key=KEY), *qkv()),
        case("grouped-dropout-mask", attend(mask=LOOKS, dropout=0.4, key=KEY), *qkv(heads=2, groups=1)),
        case("one-tensor", lambda x: ag.attention(x, x, x, causal=True), normal(1, 2, 3, 2)),
        case("query-alone", lambda q: ag.attention(q, like(q, HEAD), like(q, HEAD)), normal(1, 1, 3, 3)),
        case("key-alone", lambda k: ag.attention(like(k, HEAD), k, like(k, HEAD)), normal(1, 1, 3, 3)),
        case("value-alone", lambda v: ag.attention(like(v, HEAD), like(v, HEAD), v), normal(1, 1, 3, 3)),
        case("bias-alone", lambda b: ag.attention(*3 * [like(b, HEAD)], bias=b), normal(3, 3)),
        case("wide-values", attend(), normal(1, 1, 2, 3), normal(1, 1, 3, 3), normal(1, 1, 3, 5)),
        case("no-queries", attend(), *qkv(tq=0)),
    ],
}  # fmt: skip
