"""Every formula of `functional.py` written in elementary operations.

This is slower, but everything can be seen: each intermediate (the scores, the probabilities, the normalized input) is a
Tensor with a gradient. `autograd.use("composed")` makes any model compute this way.
"""

from __future__ import annotations

import math
from typing import Any

from .device import Array, array_module
from .kernels.reference.activation import CUBIC, SQRT_2_OVER_PI
from .kernels.reference.attention import causal_bias
from .kernels.reference.dropout import keep_factors
from .ops import broadcast_to, erf, exp, getitem, log, matmul, mean, reshape, sqrt, tanh, where
from .ops import sum as sum_
from .precision import is_half, wide
from .random import Key
from .tensor import Tensor, record


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
    y = matmul(x, weight.T if transposed else weight)
    return y if bias is None else y + bias


def embedding(ids: Array, table: Tensor) -> Tensor:
    return getitem(table, (ids,))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    e = exp(x - _finite_max(x, axis))
    total = sum_(e, axis, keepdims=True)
    return e / where(total.data == 0, 1.0, total)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    shifted = x - _finite_max(x, axis)
    total = sum_(exp(shifted), axis, keepdims=True)
    return shifted - log(where(total.data == 0, 1.0, total))


def cross_entropy(
    logits: Tensor, targets: Array, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Tensor:
    xp = array_module(targets)
    counts = targets != ignore_index
    log_p = log_softmax(_widened(logits))
    losses = -log_p[xp.arange(len(targets)), xp.where(counts, targets, 0)]
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * mean(log_p, axis=1)
    return where(counts, losses, 0.0)


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float = 1e-5) -> Tensor:
    centred = x - mean(x, axis=-1, keepdims=True)
    variance = mean(centred * centred, axis=-1, keepdims=True)
    normalized = centred / sqrt(variance + eps)
    scaled = normalized if weight is None else normalized * weight
    return scaled if bias is None else scaled + bias


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    return x / sqrt(mean(x * x, axis=-1, keepdims=True) + eps) * weight


def gelu(x: Tensor, approximate: str = "tanh") -> Tensor:
    if approximate == "none":
        return x * (1 + erf(x / math.sqrt(2))) / 2
    return x * (1 + tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x))) / 2


def dropout(x: Tensor, p: float, key: Key) -> Tensor:
    return x * keep_factors(x.shape, p, key, array_module(x.data), x.dtype)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Array | None = None,
    bias: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    key: Key | None = None,
) -> Tensor:
    k, v = _repeat_heads(k, q.shape[1]), _repeat_heads(v, q.shape[1])
    scores = matmul(q, k.swapaxes(-1, -2)) / math.sqrt(q.shape[-1])
    if bias is not None:
        scores = scores + bias
    if causal:
        scores = scores + causal_bias(q.shape[2], k.shape[2], array_module(q.data), scores.dtype)
    if mask is not None:
        scores = where(mask, scores, -math.inf)
    weights = softmax(scores)
    if dropout:
        weights = weights * keep_factors(weights.shape, dropout, key, array_module(q.data), weights.dtype)
    return matmul(weights, v)


def _widened(x: Tensor) -> Tensor:
    """16-bit numbers as float32; `backward` rounds the gradient back to 16 bits."""
    return record(wide(x.data), (x,), lambda g: (g,)) if is_half(x.dtype) else x


def _repeat_heads(x: Tensor, heads: int) -> Tensor:
    b, g, t, d = x.shape
    if g == heads:
        return x
    return reshape(broadcast_to(reshape(x, (b, g, 1, t, d)), (b, g, heads // g, t, d)), (b, heads, t, d))


def _finite_max(x: Tensor, axis: int) -> Any:
    """The maximum along `axis` (0 for −∞), without a gradient: softmax does not depend on what is subtracted."""
    xp = array_module(x.data)
    largest = x.data.max(axis=axis, keepdims=True)
    return xp.where(xp.isneginf(largest), 0, largest)
