"""Attention a block of queries at a time: scores live in cache and are never stored.

The forward keeps, besides its result, one number a query: the logarithm of its sum of exponentials. With it the
backward makes the weights again, P = exp(S − log Σ exp S), block by block, so that memory grows with the length
and not with its square. The derivation: ../reference/attention.py.

B batch, H heads, G key heads, Tq queries, Tk keys, D channels of a head.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import Array, Key
from ..cpu import cores, for_tasks

QUERIES = 128  # of a block: (128, 256) scores are 128 KB in float32


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
    b, h, tq, _ = q.shape
    # (B, T, H, D) in memory, so that joining the heads afterwards costs nothing
    y = np.empty((b, tq, h, v.shape[-1]), dtype=q.dtype).swapaxes(1, 2)
    log_sum = np.empty((b, h, tq), dtype=q.dtype)
    job = _Job(q, k, v, mask, bias, causal, dropout, key)

    def task(number: int) -> None:
        at = divmod(number, h)
        keys, values = job.head(k, at), job.head(v, at)
        for i in range(0, tq, QUERIES):
            j = min(tq, i + QUERIES)
            seen = job.keys_seen(j)
            weights = job.scores(at, i, j, keys[:seen])
            largest = weights.max(axis=1, initial=-np.inf, keepdims=True)
            largest[np.isneginf(largest)] = 0
            weights -= largest
            np.exp(weights, out=weights)
            total = weights.sum(axis=1, keepdims=True)
            total[total == 0] = 1
            largest += np.log(total)
            log_sum[at][i:j] = largest[:, 0]
            if dropout:
                weights *= job.keep(at, i, j, seen)
            np.matmul(weights, values[:seen], out=y[at][i:j])
            y[at][i:j] /= total

    for_tasks(b * h, task, worthwhile=b * h >= cores())
    return y, (job, y, log_sum, needs)


def attention_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None, Array | None]:
    job, y, log_sum, (needs_q, needs_k, needs_v, needs_bias) = saved
    q, k, v = job.q, job.k, job.v
    b, h, tq, _ = q.shape
    groups = k.shape[1]
    dq, dk, dv = (np.zeros((x.shape[0], x.shape[2], x.shape[1], x.shape[3]), dtype=x.dtype).swapaxes(1, 2)
                  for x in (q, k, v))  # fmt: skip
    dbias = _BiasGradient(job) if needs_bias else None

    def head(at: tuple[int, int]) -> None:
        keys, values = job.head(k, at), job.head(v, at)
        dkeys, dvalues = job.head(dk, at), job.head(dv, at)
        for i in range(0, tq, QUERIES):
            j = min(tq, i + QUERIES)
            seen = job.keys_seen(j)
            weights = job.scores(at, i, j, keys[:seen])
            weights -= log_sum[at][i:j, None]
            np.exp(weights, out=weights)
            g = dy[at][i:j]
            dweights = g @ values[:seen].T
            if job.dropout:
                keep = job.keep(at, i, j, seen)
                dweights *= keep
                if needs_v:
                    dvalues[:seen] += (weights * keep).T @ g
            elif needs_v:
                dvalues[:seen] += weights.T @ g
            # Σⱼ dPᵢⱼ Pᵢⱼ = dyᵢ · yᵢ: one dot product of D channels in place of Tk keys
            dweights -= np.vecdot(g, y[at][i:j])[:, None]
            dweights *= weights
            if dbias is not None:
                dbias.add(at, i, j, dweights)
            dweights *= job.scale
            if needs_q:
                np.matmul(dweights, keys[:seen], out=dq[at][i:j])
            if needs_k:
                dkeys[:seen] += dweights.T @ q[at][i:j]

    def task(number: int) -> None:  # the query heads of one key head add to the same dk and dv: one task
        batch, group = divmod(number, groups)
        for n in range(h // groups):
            head((batch, group * (h // groups) + n))

    for_tasks(b * groups, task, worthwhile=b * groups >= cores() and not needs_bias)
    return dq if needs_q else None, dk if needs_k else None, dv if needs_v else None, dbias and dbias.total


class _Job:
    """What forward and backward share: the scores of a block of queries, with everything that is added to them."""

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
        self.q, self.k, self.v, self.causal, self.dropout, self.key = q, k, v, causal, dropout, key
        self.scale = 1 / math.sqrt(q.shape[-1])
        self.shape = (q.shape[0], q.shape[1], q.shape[2], k.shape[2])
        self.mask = None if mask is None else np.broadcast_to(mask, self.shape)
        self.bias_shape = None if bias is None else bias.shape
        self.bias = None if bias is None else np.broadcast_to(bias, self.shape)
        self.future = np.triu(np.full((QUERIES, QUERIES), -np.inf, dtype=q.dtype), 1) if causal else None

    def head(self, x: Array, at: tuple[int, int]) -> Array:
        """The keys or values (Tk, D) that the query head `at` = (batch, head) looks at."""
        batch, head = at
        return x[batch, head * x.shape[1] // self.shape[1]]

    def keys_seen(self, j: int) -> int:
        """How many keys the queries before j may see at the most."""
        tq, tk = self.shape[2:]
        return max(0, tk - tq + j) if self.causal else tk

    def scores(self, at: tuple[int, int], i: int, j: int, keys: Array) -> Array:
        """(j − i, keys): q kᵀ/√D + bias, −∞ where a query may not look."""
        scores = (self.q[at][i:j] * self.scale) @ keys.T
        seen = len(keys)
        if self.bias is not None:
            scores += self.bias[at][i:j, :seen]
        if self.causal:
            first = seen - (j - i)  # query i sees keys up to this one; earlier columns are seen by all
            start = max(first, 0)
            scores[:, start:] += self.future[: j - i, start - first : j - i]
        if self.mask is not None:
            scores[~self.mask[at][i:j, :seen]] = -np.inf
        return scores

    def keep(self, at: tuple[int, int], i: int, j: int, seen: int) -> Array:
        """Dropout's factors: each weight's random number is that of its place in the whole (B, H, Tq, Tk)."""
        _, h, tq, tk = self.shape
        start = ((at[0] * h + at[1]) * tq + i) * tk
        bits = self.key.bits((j - i, tk), np, start=start)[:, :seen]
        grow = 1 / (1 - self.dropout) if self.dropout < 1 else 0.0
        return np.multiply(bits >= round(self.dropout * 2**32), grow, dtype=self.q.dtype)


class _BiasGradient:
    """Adds up dS in the shape the bias had before it was broadcast."""

    def __init__(self, job: _Job) -> None:
        self.total = np.zeros(job.bias_shape, dtype=job.q.dtype)
        shape = (1,) * (4 - len(job.bias_shape)) + tuple(job.bias_shape)
        self.whole = self.total.reshape(shape)

    def add(self, at: tuple[int, int], i: int, j: int, dscores: Array) -> None:
        batch, head, queries, keys = (n > 1 for n in self.whole.shape)
        part = self.whole[at[0] if batch else 0, at[1] if head else 0]
        if not keys:
            dscores = dscores.sum(axis=1, keepdims=True)
        if not queries:
            dscores = dscores.sum(axis=0, keepdims=True)
        part[i if queries else 0 : j if queries else 1, : dscores.shape[1]] += dscores
