"""The transformer block, in GPT-2's form: normalize, transform, add.

C channels; the perceptron between is 4 C wide.
"""

from __future__ import annotations

import math

from autograd import Key, Tensor, dropout, gelu

from .attention import CausalSelfAttention
from .layers import STD, LayerNorm, Linear
from .module import Module


class MLP(Module):
    """Two linear layers with a GELU between, applied to each position alone.

    Formula: mlp(x) = gelu(x W_1 + b_1) W_2 + b_2
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.3
    Example: examples/05_training.py
    Test: tests/test_model.py
    """

    c_fc: Linear
    c_proj: Linear
    p: float

    def __init__(self, n_embd: int, key: Key, bias: bool, std: float, p: float) -> None:
        self.c_fc = Linear(n_embd, 4 * n_embd, key.fold("c_fc"), bias)
        self.c_proj = Linear(4 * n_embd, n_embd, key.fold("c_proj"), bias, std)
        self.p = p

    def __call__(self, x: Tensor, key: Key | None = None) -> Tensor:
        return dropout(self.c_proj(gelu(self.c_fc(x))), self.p, key and key.fold("c_proj"))


class Block(Module):
    """One layer of the transformer: what attention finds, then what the perceptron makes of it, is added to x.

    The projections that end in the residual stream start smaller by √(2 · n_layer), the number of additions to it,
    so that its variance at the top does not grow with depth.

    Formula: x ← x + attn(ln_1(x)), x ← x + mlp(ln_2(x))
    Paper: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3
    Example: examples/05_training.py
    Test: tests/test_model.py
    """

    ln_1: LayerNorm
    attn: CausalSelfAttention
    ln_2: LayerNorm
    mlp: MLP

    def __init__(self, n_embd: int, n_head: int, n_layer: int, key: Key, bias: bool, p: float) -> None:
        std = STD / math.sqrt(2 * n_layer)
        self.ln_1 = LayerNorm(n_embd, bias)
        self.attn = CausalSelfAttention(n_embd, n_head, key.fold("attn"), bias, std, p)
        self.ln_2 = LayerNorm(n_embd, bias)
        self.mlp = MLP(n_embd, key.fold("mlp"), bias, std, p)

    def __call__(self, x: Tensor, key: Key | None = None) -> Tensor:
        x = x + self.attn(self.ln_1(x), key and key.fold("attn"))
        return x + self.mlp(self.ln_2(x), key and key.fold("mlp"))
