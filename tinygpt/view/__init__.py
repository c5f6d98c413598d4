"""Plots of a training run."""

from .loss_curve import loss_curve, loss_curve_png

__all__ = ["loss_curve", "loss_curve_png"]
