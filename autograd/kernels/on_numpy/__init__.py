"""The kernels at the processor's speed: the names of `reference`, the same numbers to rounding.

Names that the reference serves well enough are taken from there.
"""

from ..reference import erf, erf_backward
from .activation import gelu, gelu_backward
from .adam import adam_step, squared_norm
from .attention import attention, attention_backward
from .cross_entropy import cross_entropy, cross_entropy_backward
from .dropout import dropout, dropout_backward
from .embedding import embedding, embedding_backward
from .linear import linear, linear_backward
from .norm import layer_norm, layer_norm_backward
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "adam_step",
    "attention",
    "attention_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_backward",
    "embedding",
    "embedding_backward",
    "erf",
    "erf_backward",
    "gelu",
    "gelu_backward",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "softmax",
    "softmax_backward",
    "squared_norm",
]
