"""The formulas as a textbook derives them: forward and backward beside each other, on bare arrays.

Every function works in any floating precision and on either array library. `f` returns its result and what the
backward needs; `f_backward` takes the gradient of the loss with respect to f's result (dy) and what was saved,
and returns the gradient with respect to each array f was given.

Nothing here is written for speed: `on_numpy` and `on_cupy` have fast functions of the same names, tested against these.
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
