"""Gradient clipping by global norm."""

from __future__ import annotations

from autograd import Array, array_module, is_numpy

SAFE = 1e-6  # added to the norm, as PyTorch's clip_grad_norm_ does, so that runs can be compared with it digit by digit


def clip_factor(norm: Array, max_norm: float) -> Array:
    """The factor for all gradients that limits their norm, taken over all parameters together, to max_norm.

    One factor for all parameters keeps the direction of the step; max_norm = 0 clips nothing. On a GPU norm and factor
    are one-element arrays, so that nothing waits for them. If the norm is not finite the factor is NaN, which tells
    `adam_step` to change nothing.

    Formula: g ← g · min(1, max_norm / (‖g‖ + 1e-6))
    Paper: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1
    Example: examples/05_training.py
    Test: tests/test_adam.py
    """
    xp = array_module(norm)
    factor = xp.minimum(1.0, max_norm / (norm + SAFE)) if max_norm > 0 else xp.ones_like(norm)
    factor = xp.where(xp.isfinite(norm), factor, xp.nan)
    return float(factor) if is_numpy(norm) else factor
