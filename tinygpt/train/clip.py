"""Gradient clipping by global norm."""

from __future__ import annotations


def clip_factor(norm: float, max_norm: float) -> float:
    """What all gradients are multiplied by so that their norm, taken over all parameters together, is at most max_norm.

    One factor for all keeps the direction of the step; max_norm = 0 clips nothing.

    Formula: g ← g · min(1, max_norm / ‖g‖)
    Paper: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1
    Example: examples/05_training.py
    Test: tests/test_adam.py
    """
    if max_norm <= 0 or norm <= max_norm:
        return 1.0
    return max_norm / norm
