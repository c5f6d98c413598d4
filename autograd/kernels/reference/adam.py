"""Adam with decoupled weight decay, on bare arrays, in place."""

from __future__ import annotations

from ...device import Array, array_module


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
    """Updates parameter, m and v in place. step counts from 1; the gradient is multiplied by `scale` (clipping).

    step, scale: numbers, or one-element arrays on a GPU. A scale of NaN means that the gradient was not finite: nothing
    is changed.

    m and v are running means of the gradient and of its square. Both start at 0, so that after t steps they are
    too small by a factor of 1 − βᵗ: the bias correction divides by it. Each coordinate then moves by about lr, whatever
    the size of its gradient. Decay shrinks the parameter by lr · weight_decay of itself, independently of the gradient.

    Formula: p ← p − lr (m̂ / (√v̂ + eps) + weight_decay · p), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
    Paper: Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; Loshchilov & Hutter 2019
    Example: examples/05_training.py
    Test: tests/test_adam.py
    """
    xp = array_module(parameter)
    scale = xp.asarray(scale, dtype=parameter.dtype)  # else a wider scale would widen all that follows
    g = gradient * scale
    new_m = beta1 * m + (1 - beta1) * g
    new_v = beta2 * v + (1 - beta2) * g * g
    m_hat = new_m / (1 - beta1**step)
    v_hat = new_v / (1 - beta2**step)
    new = parameter - lr * (m_hat / (xp.sqrt(v_hat) + eps) + weight_decay * parameter)
    usable = xp.isfinite(scale)
    for array, value in ((m, new_m), (v, new_v), (parameter, new)):
        array[...] = xp.where(usable, value, array)


def squared_norm(x: Array) -> Array:
    """Σ x², the square of the Euclidean norm of all elements together: one number, which stays on its device."""
    return (x * x).sum()
