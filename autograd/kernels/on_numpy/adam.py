"""Adam in one pass over memory, block by block. The formula: ../reference/adam.py."""

from __future__ import annotations

import math

import numpy as np

from ...device import Array
from ..cpu import BLOCK, for_blocks, one_blas_thread
from ..reference.adam import adam_step as reference


def adam_step(
    parameter: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    scale: float = 1.0,
) -> None:
    """Constant factors are combined, so that each array is passed over as few times as possible.

    With cᵢ = 1 − βᵢᵗ: m̂/(√v̂ + eps) = √c₂/c₁ · m/(√v + eps √c₂).
    """
    arrays = parameter, gradient, m, v
    if not all(x.flags.c_contiguous for x in arrays):  # else reshape would copy, and the copy be updated
        return reference(*arrays, step, lr, beta1, beta2, eps, weight_decay, scale)
    step, scale = float(step), float(scale)  # NumPy's own numbers would widen all to double precision
    if math.isnan(scale):
        return
    parameter, gradient, m, v = (x.reshape(-1) for x in arrays)
    root = (1 - beta2**step) ** 0.5
    rate = lr * root / (1 - beta1**step)

    def block(_: int, i: int, j: int) -> None:
        p, g, m_, v_ = parameter[i:j], gradient[i:j], m[i:j], v[i:j]
        t = g * (scale * (1 - beta1))
        m_ *= beta1
        m_ += t
        np.multiply(g, scale * (1 - beta2) ** 0.5, out=t)
        t *= t
        v_ *= beta2
        v_ += t
        np.sqrt(v_, out=t)
        t += eps * root
        np.divide(m_, t, out=t)
        t *= rate
        if weight_decay:
            p *= 1 - lr * weight_decay
        p -= t

    for_blocks(parameter.size, BLOCK, block)


def squared_norm(x: Array) -> float:
    """Σ x² over fixed blocks, added in double precision, so that the sum does not depend on threads."""
    flat = x.reshape(-1)
    parts = np.zeros(-(-flat.size // BLOCK))

    def block(number: int, i: int, j: int) -> None:
        parts[number] = np.dot(flat[i:j], flat[i:j])

    with one_blas_thread():  # with several it would divide a block's sum once more
        for_blocks(flat.size, BLOCK, block)
    return float(parts.sum())
