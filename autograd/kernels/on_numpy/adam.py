"""Adam in one pass over memory, block by block. The formula: ../reference/adam.py."""

from __future__ import annotations

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks, one_blas_thread
from ..reference.adam import adam_step as reference


def adam_step(
    parameter: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    scale: float = 1.0,
) -> None:
    """The corrections are folded into two factors: m̂/(√v̂ + eps) = (m/c₁) / (√v/√c₂ + eps), cᵢ = 1 − βᵢᵗ."""
    arrays = parameter, gradient, m, v
    if not all(x.flags.c_contiguous for x in arrays):  # flattened, it would be a copy that is updated
        return reference(*arrays, step, lr, beta1, beta2, eps, weight_decay, scale)
    parameter, gradient, m, v = (x.reshape(-1) for x in arrays)
    rate = lr / (1 - beta1**step)
    root = 1 / (1 - beta2**step) ** 0.5

    def block(_: int, i: int, j: int) -> None:
        p, m_, v_ = parameter[i:j], m[i:j], v[i:j]
        g = gradient[i:j] * scale
        m_ *= beta1
        v_ *= beta2
        t = g * (1 - beta1)
        m_ += t
        np.multiply(g, g, out=t)
        t *= 1 - beta2
        v_ += t
        np.sqrt(v_, out=t)
        t *= root
        t += eps
        np.divide(m_, t, out=t)
        t *= rate
        if weight_decay:
            p *= 1 - lr * weight_decay
        p -= t

    for_blocks(parameter.size, BLOCK // 2, block)


def squared_norm(x: Array) -> float:
    """Σ x² over fixed blocks, added in double precision, so that the sum does not depend on threads."""
    flat = x.reshape(-1)
    parts = np.zeros(-(-flat.size // BLOCK))

    def block(number: int, i: int, j: int) -> None:
        parts[number] = np.dot(flat[i:j], flat[i:j])

    with one_blas_thread():  # the library's own threads would cut a block's sum once more
        for_blocks(flat.size, BLOCK, block)
    return float(parts.sum())
