"""The reference for 16-bit numbers: each formula is computed in float32, and its result rounded.

The CUDA kernels do the same while they read and write. What the backward needs is saved in float32, and gradients are
returned in float32: `backward` rounds those that it passes on, and sums those of parameters unrounded. Losses are not
rounded either: at 11 nats neighbouring bfloat16 numbers are 1/16 apart, and the sum over a batch overflows float16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..device import Array
from ..precision import wide
from . import reference

Forward = Callable[..., tuple[Array, Any]]
Backward = Callable[[Array, Any], Any]


def _in_float32(formula: Forward) -> Forward:
    """The formula on float32 operands. Its result stays float32."""

    @wraps(formula)
    def forward(*arguments: Any) -> tuple[Array, Any]:
        return formula(*(wide(x) if hasattr(x, "dtype") else x for x in arguments))

    return forward


def _rounded(formula: Forward) -> Forward:
    computed = _in_float32(formula)

    @wraps(formula)
    def forward(x: Array, *arguments: Any) -> tuple[Array, Any]:
        y, saved = computed(x, *arguments)
        return y.astype(x.dtype), saved

    return forward


def _from_float32(formula: Backward) -> Backward:
    @wraps(formula)
    def backward(dy: Array, saved: Any) -> Any:
        return formula(wide(dy), saved)

    return backward


attention, attention_backward = _rounded(reference.attention), _from_float32(reference.attention_backward)
cross_entropy = _in_float32(reference.cross_entropy)
cross_entropy_backward = _from_float32(reference.cross_entropy_backward)
dropout, dropout_backward = _rounded(reference.dropout), _from_float32(reference.dropout_backward)
embedding, embedding_backward = reference.embedding, _from_float32(reference.embedding_backward)  # rows are copied
erf, erf_backward = _rounded(reference.erf), _from_float32(reference.erf_backward)
gelu, gelu_backward = _rounded(reference.gelu), _from_float32(reference.gelu_backward)
layer_norm, layer_norm_backward = _rounded(reference.layer_norm), _from_float32(reference.layer_norm_backward)
linear, linear_backward = _rounded(reference.linear), _from_float32(reference.linear_backward)
log_softmax, log_softmax_backward = _rounded(reference.log_softmax), _from_float32(reference.log_softmax_backward)
rms_norm, rms_norm_backward = _rounded(reference.rms_norm), _from_float32(reference.rms_norm_backward)
softmax, softmax_backward = _rounded(reference.softmax), _from_float32(reference.softmax_backward)

adam_step = reference.adam_step  # on float32 master weights: an optimizer never updates 16-bit ones


def squared_norm(x: Array) -> Array:
    return reference.squared_norm(wide(x))
