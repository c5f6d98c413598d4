"""The kernels at the GPU's speed: the names of `reference`, the same numbers to rounding.

A GPU multiplies matrices hundreds of times as fast as a CPU, but reads memory perhaps thirty times as fast. Between
the matrix products it therefore spends its time on memory, even more than a CPU (../on_numpy): so each formula is one
kernel that reads its operands once and writes its result once. The CUDA sources are beside the Python files that call
them, and are compiled when first used, once for each dtype: float64, float32, bfloat16 and float16. The two 16-bit
types are computed in float32 (common.cuh).

Matrix products are those of cuBLAS (products.py). The backward recomputes what it can from what is saved anyway: GELU
its derivative, the norms their normalized rows, dropout its mask, attention its weights.

Nothing waits for the GPU: a launch puts a kernel into the device's queue, and Python goes on. Only a number that Python
needs would make it wait, so a squared norm stays on the device.

The same call gives the same bits every time: the order of a sum depends on the shapes alone, not on which thread comes
first.
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
