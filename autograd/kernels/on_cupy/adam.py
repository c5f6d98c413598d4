"""Adam in one kernel over flat buffers, and the norm that clipping needs. The formula: ../reference/adam.py."""

from __future__ import annotations

from ...device import Array, array_module
from ..reference.adam import adam_step as reference
from .launch import MOST_BLOCKS, THREADS, contiguous, launch, over_elements, sum_type


def adam_step(
    parameter: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step: float | Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    scale: float | Array = 1.0,
) -> None:
    """step and scale may be numbers on the device (arrays without axes): then nothing waits for the GPU."""
    if not all(x.flags.c_contiguous for x in (parameter, m, v)):  # else a copy would be updated
        return reference(parameter, gradient, m, v, step, lr, beta1, beta2, eps, weight_decay, scale)
    gradient = contiguous(gradient.astype(parameter.dtype, copy=False))
    root = (1 - beta2**step) ** 0.5
    rate, small, corrected = lr * root / (1 - beta1**step), eps * root, None
    if type(step) is type(parameter):
        corrected = array_module(step).stack([rate, small]).astype(sum_type(parameter), copy=False)
        rate = small = 0.0
    on_device = scale.astype(sum_type(parameter), copy=False) if type(scale) is type(parameter) else None
    factor = float(scale) if on_device is None else 1.0
    means = float(beta1), float(1 - beta1), float(beta2), float(1 - beta2)
    constants = on_device, corrected, factor, *means, float(rate), float(small), float(1 - lr * weight_decay)
    n = parameter.size
    over_elements("adam", "adam", parameter, n, parameter, gradient, m, v, n, *constants)


def squared_norm(x: Array) -> Array:
    """Σ x² in double precision, as an array without axes, so that nothing waits for the GPU."""
    flat = contiguous(x).reshape(-1)
    blocks = min(-(-flat.size // (4 * THREADS)), MOST_BLOCKS)
    parts = array_module(x).empty(blocks, dtype="float64")
    launch("adam", "squares", flat, blocks, THREADS, flat, parts, flat.size)
    return parts.sum()
