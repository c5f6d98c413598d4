"""Gradient clipping by global norm."""

from __future__ import annotations

SAFE = 1e-6  # added to the norm, as PyTorch's clip_grad_norm_ does, so that runs can be compared with it digit by digit


def clip_factor(norm: float, max_norm: float) -> float:
    """What all gradients are multiplied by so that their norm, taken over all parameters together, is at most max_norm.

    One factor for all keeps the direction of the step; max_norm = 0 clips nothing.

    Formula: g ← g · min(1, max_norm / (‖g‖ + 1e-6))
    Paper: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1
    Example: examples/05_training.py
    Test: tests/test_adam.py
    """
    return min(1.0, max_norm / (norm + SAFE)) if max_norm > 0 else 1.0
