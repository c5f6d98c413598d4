"""The kernels at the GPU's speed: the names of `reference`, the same numbers to rounding.

A GPU multiplies matrices hundreds of times as fast as a processor, and reads memory perhaps thirty times as fast; so
even more than there (../on_numpy) the time between the products is the time that memory takes, and each formula is one
kernel that reads its operands once and writes its result once. The CUDA sources stand beside the Python files that
call them and are compiled when first used, for each type of numbers: float64, float32, bfloat16 and float16, of which
the last two are computed with in float32 (common.cuh).

Products of matrices are cuBLAS's (products.py). What the backward can compute again from what is kept anyway it
computes again: GELU its slope, the norms their normalized rows, dropout its mask, attention its weights.

Nothing waits for the GPU: a kernel is put in the device's queue and the processor goes on. What would make it wait is a
number that is needed here, so a squared norm stays there.

The same call gives the same bits every time: sums are taken in an order that shapes decide, never as threads arrive.
"""

from .activation import erf, erf_backward, gelu, gelu_backward
from .adam import adam_step, squared_norm
from .attention import attention, attention_backward
from .cross_entropy import cross_entropy, cross_entropy_backward
from .dropout import dropout, dropout_backward
from .embedding import embedding, embedding_backward
from .linear import linear, linear_backward
from .norm import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward
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
    "rms_norm",
    "rms_norm_backward",
    "softmax",
    "softmax_backward",
    "squared_norm",
]
