"""Layers: each is a formula of `autograd` together with its parameters."""

from __future__ import annotations

from typing import Any

from autograd import Key, Tensor, embedding, full, layer_norm, linear, rms_norm

from .config import TransformerConfig
from .module import Module, Parameter

STD = 0.02  # of initial weights, as in the released code of GPT-2 (Radford et al. 2019)


class Linear(Module):
    """y = x W + b, W (in, out) drawn with standard deviation `std`, b zero."""

    weight: Parameter
    bias: Parameter | None

    def __init__(self, n_in: int, n_out: int, key: Key, bias: bool = True, std: float = STD) -> None:
        self.weight = Parameter(key.normal((n_in, n_out), std))
        self.bias = Parameter(full((n_out,), 0.0)) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class Embedding(Module):
    """Row i of a table (V, C) for each token id i."""

    weight: Parameter

    def __init__(self, n_rows: int, n_embd: int, key: Key, std: float = STD) -> None:
        self.weight = Parameter(key.normal((n_rows, n_embd), std))

    def __call__(self, ids: Any) -> Tensor:
        return embedding(ids, self.weight)


class LayerNorm(Module):
    """(x − mean) / √(var + eps) · weight + bias over the channels; weight starts at 1 and bias at 0."""

    weight: Parameter
    bias: Parameter | None

    eps: float

    def __init__(self, n_embd: int, bias: bool = True, eps: float = 1e-5) -> None:
        self.weight = Parameter(full((n_embd,), 1.0))
        self.bias = Parameter(full((n_embd,), 0.0)) if bias else None
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """x / √(mean(x²) + eps) · weight over the channels: a layer norm without mean and bias."""

    weight: Parameter
    eps: float

    def __init__(self, n_embd: int, eps: float = 1e-5) -> None:
        self.weight = Parameter(full((n_embd,), 1.0))
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


def make_norm(c: TransformerConfig) -> LayerNorm | RMSNorm:
    """The normalization that a configuration names."""
    return RMSNorm(c.n_embd, c.norm_eps) if c.norm == "rms" else LayerNorm(c.n_embd, c.bias, c.norm_eps)
