"""Attention, one block of queries at a time: its scores stay in the cache, and those of long rows are never stored.

Besides its result the forward saves one number for each query: the logarithm of its sum of exponentials. With it the
backward recomputes the weights, P = exp(S − log Σ exp S), block by block, so that memory grows with the length and not
with its square. Where rows are short (`KEPT`) the forward saves the exponentials themselves: this takes an eighth to a
third more memory for each layer of the network, and 0.82 to 0.88 of attention's time. The derivation:
../reference/attention.py.

B batch, G key heads, R query heads that share a key head (H = G R), Tq queries, Tk keys, D channels of a head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...device import Array
from ...random import Key
from ..cpu import BLOCK, for_tasks
from ..reference.attention import attention as reference

QUERIES = 64  # in a block: with 256 keys its scores take 64 KB in float32

KEPT = 256  # keys: the exponentials of rows no longer than this are kept for the backward

SAFE = 1e12  # a row's sum between 1/SAFE and SAFE is exact enough, and a dy of 1e-26 … 1e26 may be divided by it

Place = tuple[slice, slice]  # which batches and which key heads a task works on
Kept = dict[tuple[int, int, int], tuple[Array, Array]]  # a block's exponentials and their sums, by its `_name`


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
    if q.shape[2] == 1 and q.shape[1] == k.shape[1] and k.shape[2] and not any(needs):
        if mask is None and bias is None and not dropout:
            return _lone_query(q, k, v), None
        return reference(q, k, v, mask, bias, False, dropout, key, needs)  # one query sees all keys
    job = _Job(q, k, v, mask, bias, causal, dropout, key)
    y = job.like_queries(v.shape[-1])
    kept: Kept | None = {} if k.shape[2] <= KEPT and any(needs) else None
    log_sum = np.empty(job.shape[:4], dtype=q.dtype) if kept is None else None

    def task(at: Place) -> None:
        keys, values, out = job.k[at], job.v[at], job.grouped(y)[at]
        for i, j, seen in job.blocks():
            weights, total, logarithm = job.exponentials(at, i, j, keys[..., :seen, :])
            if kept is not None:
                kept[_name(at, i)] = weights, total
            else:
                log_sum[at][..., i:j] = logarithm
            used = weights
            if dropout:
                used = job.keep(at, i, j, seen)
                used *= weights
            np.matmul(used, values[..., :seen, :], out=out[..., i:j, :])
            out[..., i:j, :] /= total

    job.run(task)
    return y, (job, y, log_sum, kept, needs)


def _lone_query(q: Array, k: Array, v: Array) -> Array:
    """One query, as in generation. It sees every key, so no row of scores is −∞ throughout."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.swapaxes(-1, -2)
    scores -= scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores, out=scores)
    y = weights @ v
    y /= weights.sum(axis=-1, keepdims=True)
    return y


def attention_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None, Array | None]:
    """The blocks run from the last to the first: the last one sees all keys and writes dk and dv, the others add."""
    job, y, _, _, (needs_q, needs_k, needs_v, needs_bias) = saved
    dq, dk, dv = job.like_queries(job.q.shape[-1]), job.like_keys(job.k), job.like_keys(job.v)
    dbias = _BiasGradient(job) if needs_bias and job.bias is not None else None

    def task(at: Place) -> None:
        queries, keys, values, g, result = job.q[at], job.k[at], job.v[at], job.grouped(dy)[at], job.grouped(y)[at]
        dqueries, dkeys, dvalues = job.grouped(dq)[at], dk[at], dv[at]
        for number, (i, j, seen) in enumerate(reversed(job.blocks())):
            weights, rows = _weights_again(saved, at, i, j, keys[..., :seen, :], g[..., i:j, :])
            keep = job.keep(at, i, j, seen) if job.dropout else None
            if needs_v:
                used = weights if keep is None else weights * keep
                _put(dvalues, used.swapaxes(-1, -2), rows, seen, number == 0)
            if not (needs_q or needs_k or dbias is not None):
                continue
            dscores = _score_gradient(weights, keep, rows, result[..., i:j, :], values[..., :seen, :])
            if dbias is not None:
                dbias.add(at, i, j, dscores)
            if needs_q:
                np.matmul(dscores, keys[..., :seen, :], out=dqueries[..., i:j, :])
            if needs_k:
                _put(dkeys, dscores.swapaxes(-1, -2), queries[..., i:j, :], seen, number == 0)
        for gradient, needed in ((dqueries, needs_q), (dkeys, needs_k)):
            if needed:
                gradient *= job.scale

    job.run(task, alone=dbias is not None)
    return (
        dq if needs_q else None,
        dk[:, :, 0] if needs_k else None,
        dv[:, :, 0] if needs_v else None,
        dbias.total if dbias is not None else None,
    )


def _weights_again(saved: Any, at: Place, i: int, j: int, keys: Array, dy: Array) -> tuple[Array, Array]:
    """(P, dy) of a block: P = exp(S − log Σ exp S), with the scores computed again.

    Where the exponentials were kept, these and dy / Σ exp are returned instead. Their products are the same, and this
    divides the D numbers of a row of dy, not the Tk weights of a query.
    """
    job, _, log_sum, kept, _ = saved
    if kept is not None:
        weights, total = kept[_name(at, i)]
        return weights, dy / total
    weights = job.scores(at, i, j, keys)
    weights -= log_sum[at][..., i:j, None]
    return np.exp(weights, out=weights), dy


def _score_gradient(weights: Array, keep: Array | None, dy: Array, y: Array, values: Array) -> Array:
    """dS = P ∘ (dP − Σⱼ dP∘P), where Σⱼ dPᵢⱼ Pᵢⱼ = dyᵢ · yᵢ: one dot product of D channels, not of Tk keys."""
    dscores = dy @ values.swapaxes(-1, -2)
    if keep is not None:
        dscores *= keep
    dscores -= np.vecdot(dy, y)[..., None]
    dscores *= weights
    return dscores


def _name(at: Place, i: int) -> tuple[int, int, int]:
    """What identifies a block: its first batch, key head and query."""
    return at[0].start, at[1].start, i


def _put(total: Array, left: Array, right: Array, seen: int, first: bool) -> None:
    """Adds left @ right, summed over the query heads that share a key head, to the first `seen` keys of total.

    For the first block it is written instead, and the other keys are set to 0.
    """
    part = total[..., :seen, :]
    if first and left.shape[2] == 1:
        np.matmul(left, right, out=part)
    elif first:
        (left @ right).sum(axis=2, keepdims=True, out=part)
    else:
        product = left @ right
        part += product if left.shape[2] == 1 else product.sum(axis=2, keepdims=True)
    if first:
        total[..., seen:, :] = 0


def _row_sums(x: Array) -> Array:
    """(…, n) → (…, 1), by dot products with ones: several times as fast as a sum along the last axis."""
    return np.vecdot(x, np.ones(x.shape[-1], dtype=x.dtype))[..., None]


def blocks(tq: int, tk: int, causal: bool) -> list[tuple[int, int, int]]:
    """(first query, end, how many keys the block's last query sees) from the first query to the last."""
    ends = ((i, min(tq, i + QUERIES)) for i in range(0, tq, QUERIES))
    return [(i, j, max(0, tk - tq + j) if causal else tk) for i, j in ends]


def kept_weights(time: int, causal: bool) -> int:
    """How many exponentials the forward of self-attention saves for each head."""
    return sum((j - i) * seen for i, j, seen in blocks(time, time, causal)) if time <= KEPT else 0


class _Job:
    """What forward and backward share: how the work is divided into blocks, and a block's scores with bias and masks.

    The arrays are viewed with an axis R: queries (B, G, R, Tq, D), keys and values (B, G, 1, Tk, D).
    """

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
        self.shape = (b, g, h // g, tq, tk)
        self.q, self.k, self.v = self.grouped(q), k[:, :, None], v[:, :, None]
        self.causal = causal and tq > 1  # a single query is aligned with the last key: none comes after it
        self.dropout, self.key, self.scale = dropout, key, 1 / math.sqrt(d)
        whole = (b, h, tq, tk)
        self.mask = None if mask is None else self.grouped(np.broadcast_to(mask, whole))
        self.bias = None if bias is None else self.grouped(np.broadcast_to(bias, whole))
        self.bias_shape = None if bias is None else bias.shape
        n = min(tq, QUERIES)
        self.future = np.triu(np.full((n, n), -np.inf, dtype=q.dtype), 1) if self.causal else None

    def grouped(self, x: Array) -> Array:
        """(B, H, …) as (B, G, R, …)."""
        return x.reshape(*self.shape[:3], *x.shape[2:])

    def like_queries(self, channels: int) -> Array:
        """A new array (B, H, Tq, channels), in memory (B, Tq, H, channels), so that joining the heads takes no copy."""
        b, g, r, tq, _ = self.shape
        return np.empty((b, tq, g * r, channels), dtype=self.q.dtype).swapaxes(1, 2)

    def like_keys(self, x: Array) -> Array:
        """The same for a gradient of keys or values: (B, G, 1, Tk, D)."""
        b, g, _, tk, d = x.shape
        make = np.empty if self.shape[3] else np.zeros  # without queries no block writes it
        return make((b, tk, g, d), dtype=x.dtype).swapaxes(1, 2)[:, :, None]

    def blocks(self) -> list[tuple[int, int, int]]:
        return blocks(*self.shape[3:], self.causal)

    def run(self, task: Callable[[Place], None], alone: bool = False) -> None:
        """Calls task for places that together cover all heads, each with about BLOCK scores in a block of queries.

        alone: on one thread, for tasks that add to the same array.
        """
        b, g, r, tq, tk = self.shape
        scores = max(1, r * min(tq, QUERIES) * tk)
        heads = min(max(1, BLOCK // scores), g) or 1
        batches = max(1, BLOCK // (scores * g)) if heads == g else 1
        places = [
            (slice(i, min(b, i + batches)), slice(n, min(g, n + heads)))
            for i in range(0, b, batches)
            for n in range(0, g, heads)
        ]
        for_tasks(len(places), lambda n: task(places[n]), elements=0 if alone else b * g * r * tq * tk)

    def exponentials(self, at: Place, i: int, j: int, keys: Array) -> tuple[Array, Array, Array]:
        """exp(S − m), its sums (…, j − i, 1) and log Σ exp S (…, j − i). Any m gives a row the same softmax.

        m = 0 nearly always suffices and saves two passes. Rows whose sum is then too large or too small to be exact
        are computed again with their largest score as m.
        """
        scores = self.scores(at, i, j, keys)
        with np.errstate(over="ignore"):
            weights = np.exp(scores, out=scores)
            total = _row_sums(weights)
        exact = (total > 1 / SAFE) & (total < SAFE)
        log_sum = np.log(total, where=exact, out=np.zeros_like(total))
        if not exact.all():
            scores = self.scores(at, i, j, keys)
            largest = scores.max(axis=-1, initial=-np.inf, keepdims=True)
            largest[np.isneginf(largest)] = 0
            scores -= largest
            again = np.exp(scores, out=scores)
            sums = _row_sums(again)
            sums[sums == 0] = 1
            for old, new in ((weights, again), (total, sums), (log_sum, np.log(sums) + largest)):
                np.copyto(old, new, where=~exact)
        return weights, total, log_sum[..., 0]

    def scores(self, at: Place, i: int, j: int, keys: Array) -> Array:
        """(…, j − i, keys): q kᵀ/√D + bias, −∞ where a query may not look."""
        scores = (self.q[at][..., i:j, :] * self.scale) @ keys.swapaxes(-1, -2)
        seen = keys.shape[-2]
        if self.bias is not None:
            scores += self.bias[at][..., i:j, :seen]
        if self.causal:
            first = seen - (j - i)  # the last key that the block's first query sees; earlier keys are visible to all
            start = max(first, 0)
            scores[..., start:] += self.future[: j - i, start - first : j - i]
        if self.mask is not None:
            scores[~self.mask[at][..., i:j, :seen]] = -np.inf
        return scores

    def keep(self, at: Place, i: int, j: int, seen: int) -> Array:
        """Dropout's factors. A weight's random number is that of its position in the whole (B, H, Tq, Tk)."""
        b, g, r, tq, tk = self.shape
        heads = [
            (n * g + m) * r + o
            for n in range(*at[0].indices(b))
            for m in range(*at[1].indices(g))
            for o in range(r)
        ]
        bits = np.stack([self.key.bits((j - i, tk), np, start=(h * tq + i) * tk)[:, :seen] for h in heads])
        grow = 1 / (1 - self.dropout) if self.dropout < 1 else 0.0
        factors = np.multiply(bits >= round(self.dropout * 2**32), grow, dtype=self.q.dtype)
        batches, groups = (len(range(*where.indices(n))) for where, n in zip(at, (b, g), strict=True))
        return factors.reshape(batches, groups, r, j - i, seen)


class _BiasGradient:
    """Sums dS to the shape that the bias had before it was broadcast."""

    def __init__(self, job: _Job) -> None:
        self.total = np.zeros(job.bias_shape, dtype=job.q.dtype)
        b, h, tq, tk = (1,) * (4 - len(job.bias_shape)) + tuple(job.bias_shape)
        groups = (1, 1) if h == 1 else job.shape[1:3]
        self.whole = self.total.reshape(b, *groups, tq, tk)

    def add(self, at: Place, i: int, j: int, dscores: Array) -> None:
        repeated = tuple(axis for axis, n in enumerate(self.whole.shape) if n == 1)
        batches, heads, _, queries, keys = (n > 1 for n in self.whole.shape)
        part = self.whole[at[0] if batches else slice(None), at[1] if heads else slice(None)]
        part = part[..., i:j, :] if queries else part
        part = part[..., : dscores.shape[-1]] if keys else part
        part += dscores.sum(axis=repeated, keepdims=True)
