"""Adam with decoupled weight decay, on bare arrays, in place."""

from __future__ import annotations

from ...device import Array, array_module


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
    """Updates parameter, m and v in place. step counts from 1; the gradient is used times `scale` (clipping).

    m and v are running means of the gradient and of its square. Both start at 0, so that after t steps they are
    too small by 1 − βᵗ: the bias correction divides by it. Each coordinate then moves by about lr, whatever the
    size of its gradient. Decay pulls the parameter towards 0 by lr · weight_decay, apart from the gradient.

    Formula: p ← p − lr (m̂ / (√v̂ + eps) + weight_decay · p), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
    Paper: Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; Loshchilov & Hutter 2019
    Example: examples/05_training.py
    Test: tests/test_adam.py
    """
    xp = array_module(parameter)
    g = gradient * scale
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    parameter[...] = parameter - lr * (m_hat / (xp.sqrt(v_hat) + eps) + weight_decay * parameter)


def squared_norm(x: Array) -> float:
    """Σ x², the square of the Euclidean norm of all elements together."""
    return float((x * x).sum())
