"""Reverse-mode automatic differentiation on NumPy arrays, and on CuPy's by the same code.

    import autograd as ag
    x = ag.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = ag.log(ag.softmax(x))[2]
    loss.backward()
    print(x.grad)

The page to read first is tensor.py; the formulas stand in kernels/reference/. Part of tinygpt.
"""

from .device import (
    Array,
    Key,
    array_module,
    device_of,
    full,
    is_numpy,
    shapes_only,
    to_device,
    to_numpy,
    use_device,
)
from .draw import draw
from .einsum import einsum
from .functional import (
    attention,
    check_range,
    cross_entropy,
    dropout,
    embedding,
    gelu,
    layer_norm,
    linear,
    log_softmax,
    rms_norm,
    softmax,
)
from .gpu import gpu_info
from .gradcheck import gradcheck
from .kernels import adam_step, advice, blas_info, configure, squared_norm, use
from .modes import no_grad, trace
from .ops import (
    add,
    broadcast_to,
    concatenate,
    divide,
    erf,
    exp,
    log,
    matmul,
    max,
    maximum,
    mean,
    multiply,
    negative,
    power,
    relu,
    reshape,
    sigmoid,
    split,
    sqrt,
    stack,
    subtract,
    sum,
    swapaxes,
    tanh,
    transpose,
    var,
    where,
)
from .precision import float_type, is_half, use_tf32, wide
from .recompute import checkpoint
from .tensor import Tensor, record

__all__ = [
    "Array",
    "Key",
    "Tensor",
    "adam_step",
    "add",
    "advice",
    "array_module",
    "attention",
    "blas_info",
    "broadcast_to",
    "check_range",
    "checkpoint",
    "concatenate",
    "configure",
    "cross_entropy",
    "device_of",
    "divide",
    "draw",
    "dropout",
    "einsum",
    "embedding",
    "erf",
    "exp",
    "float_type",
    "full",
    "gelu",
    "gpu_info",
    "gradcheck",
    "is_half",
    "is_numpy",
    "layer_norm",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "multiply",
    "negative",
    "no_grad",
    "power",
    "record",
    "relu",
    "reshape",
    "rms_norm",
    "shapes_only",
    "sigmoid",
    "softmax",
    "split",
    "sqrt",
    "squared_norm",
    "stack",
    "subtract",
    "sum",
    "swapaxes",
    "tanh",
    "to_device",
    "to_numpy",
    "trace",
    "transpose",
    "use",
    "use_device",
    "use_tf32",
    "var",
    "where",
    "wide",
]
