"""Scaled dot-product attention: self, causal and cross attention are this one function.

B batch, H heads, Tq queries, Tk keys, D channels of a head. q (B, H, Tq, D); k, v (B, G, Tk, D) where G divides
H: each key head serves H/G query heads (multi-query attention for G = 1).
"""

from __future__ import annotations

import math
from typing import Any

from ...device import Array, array_module
from ...random import Key
from ..deposit import sum_to
from .dropout import keep_factors
from .softmax import softmax, softmax_backward


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
    """For each query the mean of the values, weighted by how well each one's key matches it. → (B, H, Tq, D)

    A score is a sum of D products; for entries of variance 1 its variance is D. Dividing by √D keeps it near 1, where
    softmax has a useful gradient (section 3.2.1).

    mask: boolean, True where a query may look, broadcast to (B, H, Tq, Tk). bias: added to the scores, with a
    gradient. causal: query i sees keys up to Tk − Tq + i, so that the last query sees all (with a cache, Tq < Tk).
    A query that may look nowhere gives 0. dropout: probability with which a weight is set to 0, drawn from `key`.

    Formula: attention(q, k, v) = softmax(q kᵀ / √D + bias + M) v, M = 0 where a query may look, else −∞
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.2.1
    Example: examples/04_attention.py
    Test: tests/test_attention.py
    """
    xp = array_module(q)
    heads = q.shape[1]
    scale = 1 / math.sqrt(q.shape[-1])
    k_all, v_all = _repeat_heads(k, heads), _repeat_heads(v, heads)
    scores = q @ k_all.swapaxes(-1, -2) * scale
    if bias is not None:
        scores = scores + bias
    if causal:
        scores = scores + causal_bias(scores.shape[-2], scores.shape[-1], xp, scores.dtype)
    if mask is not None:
        scores = xp.where(mask, scores, -xp.inf).astype(q.dtype)
    weights, saved_softmax = softmax(scores)
    factors = keep_factors(weights.shape, dropout, key, xp, weights.dtype) if dropout else None
    used = weights if factors is None else weights * factors
    return used @ v_all, (q, k, v, bias, scale, used, factors, saved_softmax, needs)


def attention_backward(dy: Array, saved: Any) -> tuple[Array | None, Array | None, Array | None, Array | None]:
    """With S = q kᵀ/√D + bias + M, P = softmax(S), dropout factors F (1 without dropout) and y = (P∘F) v, backwards:

    dv = (P∘F)ᵀ dy and dP = (dy vᵀ) ∘ F (a product), dS = P ∘ (dP − Σⱼ dP∘P) (softmax; 0 wherever P is 0, so nothing
    flows through the mask), dbias = dS, dq = dS k/√D and dk = dSᵀ q/√D (a product again).
    Where several query heads share a key head, dk and dv are summed over them.
    """
    q, k, v, bias, scale, used, factors, saved_softmax, (needs_q, needs_k, needs_v, needs_bias) = saved
    heads, groups = q.shape[1], k.shape[1]
    dq = dk = dv = dbias = None
    if needs_v:
        dv = _sum_heads(used.swapaxes(-1, -2) @ dy, groups)
    if needs_q or needs_k or needs_bias:
        dweights = dy @ _repeat_heads(v, heads).swapaxes(-1, -2)
        if factors is not None:
            dweights = dweights * factors
        dscores = softmax_backward(dweights, saved_softmax)
        if needs_bias and bias is not None:
            dbias = sum_to(dscores, bias.shape)
        if needs_q:
            dq = dscores @ _repeat_heads(k, heads) * scale
        if needs_k:
            dk = _sum_heads(dscores.swapaxes(-1, -2) @ q, groups) * scale
    return dq, dk, dv, dbias


def causal_bias(queries: int, keys: int, xp: Any, dtype: Any) -> Array:
    """(Tq, Tk): 0 where query i may look (j ≤ Tk − Tq + i), −∞ above: the upper triangle, lower-right aligned."""
    future = xp.arange(keys)[None, :] > xp.arange(queries)[:, None] + (keys - queries)
    return xp.where(future, -xp.inf, 0).astype(dtype)


def _repeat_heads(x: Array, heads: int) -> Array:
    return x if x.shape[1] == heads else array_module(x).repeat(x, heads // x.shape[1], axis=1)


def _sum_heads(x: Array, groups: int) -> Array:
    b, h, t, d = x.shape
    return x if h == groups else x.reshape(b, groups, h // groups, t, d).sum(axis=2)
