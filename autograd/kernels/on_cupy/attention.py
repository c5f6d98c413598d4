"""Attention, one block of queries at a time: cuBLAS multiplies, and one kernel in between does all the rest.

For some heads and a block of queries there are three steps:

    scores = q kᵀ/√D                 a product for all these heads at once, in float32
    weights = softmax(scores + …)    attention.cu: bias, mask, causality, softmax and dropout in one pass
    y = weights v                    a product again

Only one block's scores exist at a time. For the backward one number is saved for each query, log Σ exp S, from which
the weights are recomputed; so memory grows with the length, not with its square. A causal block leaves out the keys
that none of its queries sees. cuBLAS uses the GPU's matrix units (tensor cores) for every type that they support.
Kernels that never write the scores (Dao et al. 2022, "FlashAttention") move less memory, but need a program for each
GPU's matrix units; this one uses what cuBLAS has, and remains a formula that can be read. The derivation:
../reference/attention.py.

B batch, G key heads, R query heads that share a key head (H = G R), Tq queries, Tk keys, D channels of a head. The
key heads of all batches are numbered together: N = B G.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...device import Array, array_module
from ...random import Key
from .launch import WHOLE, contiguous, growth, over_rows, random_words, sum_type, threshold
from .products import product

QUERIES = 256  # in a block: a causal one computes half of its last 256 scores for each query in vain
SCORES = 2**26  # in a block, over all its heads: 256 MB in float32


@dataclass(frozen=True)
class Block:
    """Key heads n … m − 1 of N, each with query head `which` of its R; queries i … j − 1; the first `seen` keys."""

    n: int
    m: int
    which: int
    i: int
    j: int
    seen: int


def attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    bias: Array | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    key: Key | None = None,
    needs: tuple[bool, bool, bool, bool] = (True, True, True, True),
) -> tuple[Array, Any]:
    job = _Job(q, k, v, mask, bias, causal, dropout, key)
    y = job.xp.zeros((*q.shape[:3], v.shape[-1]), dtype=q.dtype)  # 0 for a query that sees no key
    log_sums = job.xp.zeros(q.shape[:3], dtype=sum_type(q))
    out = job.grouped(y)
    for block in job.blocks():
        weights = job.weights(job.scores(block), log_sums, block)
        product(weights, job.v[block.n : block.m, : block.seen], job.rows(out, block))
    return y, (job, y, log_sums, needs)


def attention_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None, Array | None]:
    job, y, log_sums, (needs_q, needs_k, needs_v, needs_bias) = saved
    dy = contiguous(dy)
    dq = job.xp.zeros(job.q.shape, dtype=dy.dtype)
    dk, dv = (job.xp.zeros(x.shape, dtype=sum_type(x)) for x in (job.k, job.v))  # every block adds to them
    dbias = _BiasGradient(job) if needs_bias and job.bias is not None else None
    along, g = job.along(dy, y), job.grouped(dy)
    for block in job.blocks():
        rows, keys = job.rows(g, block), slice(0, block.seen)
        scores, heads = job.scores(block), slice(block.n, block.m)
        dweights = job.xp.empty(scores.shape, dtype=scores.dtype)
        product(rows, job.v[heads, keys].swapaxes(-1, -2), dweights)
        used, dscores = job.gradient(scores, dweights, log_sums, along, block)
        if needs_v:
            product(used.swapaxes(-1, -2), rows, dv[heads, keys], beta=1.0)
        if needs_q:
            product(dscores, job.k[heads, keys], job.rows(dq, block), alpha=job.scale)
        if needs_k:
            product(dscores.swapaxes(-1, -2), job.rows(job.q, block), dk[heads, keys], alpha=job.scale, beta=1.0)
        if dbias is not None:
            dbias.add(dscores, block)
    b, groups = job.shape[:2]
    gradients = (
        dq.reshape(y.shape[:3] + dq.shape[-1:]) if needs_q else None,
        dk.reshape(b, groups, *dk.shape[1:]) if needs_k else None,
        dv.reshape(b, groups, *dv.shape[1:]) if needs_v else None,
        dbias.total if dbias is not None else None,
    )
    return tuple(None if x is None else x.astype(dy.dtype, copy=False) for x in gradients)


class _Job:
    """What forward and backward share: arrays (N, …), their division into blocks, and the kernels' arguments."""

    def __init__(
        self,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None,
        bias: Array | None,
        causal: bool,
        dropout: float,
        key: Key | None,
    ) -> None:
        (b, h, tq, d), (_, g, tk, _) = q.shape, k.shape
        self.xp, self.shape = array_module(q), (b, g, h // g, tq, tk)
        self.q, self.k, self.v = self.grouped(q), *(contiguous(x).reshape(b * g, tk, x.shape[-1]) for x in (k, v))
        self.causal, self.dropout, self.key, self.scale = causal, dropout, key, 1 / math.sqrt(d)
        whole = (b, h, tq, tk)
        self.mask = None if mask is None else self.xp.broadcast_to(mask, whole)
        self.bias = None if bias is None else self.xp.broadcast_to(bias.astype(q.dtype, copy=False), whole)
        self.bias_shape = None if bias is None else bias.shape

    def grouped(self, x: Array) -> Array:
        """(B, H, Tq, …) as (N, R, Tq, …)."""
        b, g, r, tq, _ = self.shape
        return contiguous(x).reshape(b * g, r, tq, x.shape[-1])

    @staticmethod
    def rows(x: Array, block: Block) -> Array:
        """The block's part (heads, queries, …) of an array (N, R, Tq, …)."""
        return x[block.n : block.m, block.which, block.i : block.j]

    def blocks(self) -> Iterator[Block]:
        """Those that see any key, for each query head from the first query to the last."""
        b, g, r, tq, tk = self.shape
        heads = max(1, min(SCORES // max(1, min(tq, QUERIES) * tk), WHOLE // max(1, r * tq * tk)))
        for n in range(0, b * g, heads):
            for which in range(r):
                for i in range(0, tq, QUERIES):
                    j = min(tq, i + QUERIES)
                    seen = max(0, tk - tq + j) if self.causal else tk
                    if seen:
                        yield Block(n, min(b * g, n + heads), which, i, j, seen)

    def scores(self, block: Block) -> Array:
        """q kᵀ/√D of the block (heads, queries, seen), in the type that sums have."""
        shape = (block.m - block.n, block.j - block.i, block.seen)
        scores = self.xp.empty(shape, dtype=sum_type(self.q))
        keys = self.k[block.n : block.m, : block.seen]
        product(self.rows(self.q, block), keys.swapaxes(-1, -2), scores, alpha=self.scale)
        return scores

    def weights(self, scores: Array, log_sums: Array, block: Block) -> Array:
        """softmax(scores + bias + masks) after dropout; the block's part of log_sums is written."""
        weights = self._like(scores)
        self._launch("attention_weights", scores, (scores, weights, log_sums), block)
        return weights

    def gradient(
        self, scores: Array, dweights: Array, log_sums: Array, along: Array, block: Block
    ) -> tuple[Array, Array]:
        """(the weights after dropout, the gradient of the scores)"""
        used, dscores = self._like(scores), self._like(dweights)
        self._launch("attention_gradient", scores, (scores, dweights, used, dscores, log_sums, along), block)
        return used, dscores

    def along(self, dy: Array, y: Array) -> Array:
        """dy · y, one number a query."""
        along = self.xp.empty(y.shape[:3], dtype=sum_type(y))
        channels = y.shape[-1]
        over_rows("attention", "attention_along", y, along.size, channels, dy, y, along, channels)
        return along

    def _like(self, scores: Array) -> Array:
        """Where a result is written: over the scores themselves, unless the arrays have a narrower type."""
        return scores if scores.dtype == self.q.dtype else self.xp.empty(scores.shape, dtype=self.q.dtype)

    def _launch(self, kernel: str, scores: Array, arrays: tuple[Array, ...], block: Block) -> None:
        _, g, r, tq, tk = self.shape
        heads, queries, seen = scores.shape
        start = ((block.n * r + block.which) * tq + block.i) * tk
        over_rows(
            "attention", kernel, self.q, heads * queries, seen, *arrays,
            queries, seen, block.i, block.n, block.which, r, g * r, tq, tk, int(self.causal),
            self.mask, *_steps(self.mask), self.bias, *_steps(self.bias),
            threshold(self.dropout), growth(self.dropout), *random_words(self.key if self.dropout else None, start),
        )  # fmt: skip


def _steps(x: Array | None) -> tuple[int, ...]:
    """The strides of x in elements: 0 along an axis that was broadcast."""
    return (0, 0, 0, 0) if x is None else tuple(stride // x.itemsize for stride in x.strides)


class _BiasGradient:
    """Sums dS to the shape that the bias had before it was broadcast."""

    def __init__(self, job: _Job) -> None:
        self.total = job.xp.zeros(job.bias_shape, dtype=sum_type(job.q))
        self.shape = job.shape
        self.whole = self.total.reshape((1,) * (4 - len(job.bias_shape)) + tuple(job.bias_shape))

    def add(self, dscores: Array, block: Block) -> None:
        """Adds the block head by head: key head n of N is head n % G of batch n // G."""
        _, g, r, _, _ = self.shape
        batches, heads, queries, keys = (extent > 1 for extent in self.whole.shape)
        repeated = tuple(axis for axis, kept in ((1, queries), (2, keys)) if not kept)
        part = dscores.sum(axis=repeated, keepdims=True, dtype=self.total.dtype)
        rows, columns = slice(block.i, block.j) if queries else slice(None), slice(0, block.seen if keys else None)
        if not (batches or heads):
            self.whole[0, 0, rows, columns] += part.sum(axis=0)
            return
        for number, n in enumerate(range(block.n, block.m)):
            batch, head = n // g if batches else 0, n % g * r + block.which if heads else 0
            self.whole[batch, head, rows, columns] += part[number]
