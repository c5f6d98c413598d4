"""The transformer block, in GPT-2's form unless a configuration says otherwise: normalize, transform, add.

C channels; the perceptron between is 4 C wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from autograd import Key, Tensor, checkpoint, dropout, gelu, relu, sigmoid, split

from .attention import CrossAttention, SelfAttention
from .cache import LayerCache
from .config import TransformerConfig
from .layers import STD, LayerNorm, Linear, RMSNorm, make_norm
from .module import Module
from .positions import Positions


class MLP(Module):
    """Two linear layers with a GELU between, applied to each position alone.

    SwiGLU has a second row of channels that opens and closes the first: silu(x W_g) ∘ x W_1, silu(z) = z σ(z)
    (Shazeer 2020, "GLU variants improve transformer").

    Formula: mlp(x) = gelu(x W_1 + b_1) W_2 + b_2
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.3
    Example: examples/05_training.py
    Test: tests/test_model.py
    """

    c_fc: Linear
    c_proj: Linear
    activation: str
    p: float

    def __init__(self, c: TransformerConfig, key: Key, std: float) -> None:
        gated = c.activation == "swiglu"
        self.c_fc = Linear(c.n_embd, (1 + gated) * c.inner, key.fold("c_fc"), c.bias)  # the gate, then what it lets by
        self.c_proj = Linear(c.inner, c.n_embd, key.fold("c_proj"), c.bias, std)
        self.activation, self.p = c.activation, c.dropout

    def __call__(self, x: Tensor, key: Key | None = None) -> Tensor:
        h = self._activate(self.c_fc(x))
        return dropout(self.c_proj(h), self.p, key and key.fold("c_proj"))

    def _activate(self, h: Tensor) -> Tensor:
        if self.activation == "swiglu":
            gate, h = split(h, 2, axis=-1)
            return gate * sigmoid(gate) * h
        if self.activation == "relu":
            return relu(h)
        return gelu(h, "none" if self.activation == "gelu_exact" else "tanh")


class Block(Module):
    """One layer of the transformer: what attention finds, then what the perceptron makes of it, is added to x.

    Between the two, a decoder that has a source reads it. Post-norm, the first transformer's form, normalizes each sum
    instead of what enters the layer. The projections that end in the residual stream start smaller by √(number of
    additions to it), so that its variance at the top does not grow with depth.

    Formula: x ← x + attn(ln_1(x)), x ← x + mlp(ln_2(x)); post-norm: x ← ln_1(x + attn(x)), x ← ln_2(x + mlp(x))
    Paper: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3
    Example: examples/05_training.py
    Test: tests/test_model.py
    """

    ln_1: LayerNorm | RMSNorm
    attn: SelfAttention
    ln_cross: LayerNorm | RMSNorm
    cross: CrossAttention | None
    ln_2: LayerNorm | RMSNorm
    mlp: MLP
    pre_norm: bool

    def __init__(self, c: TransformerConfig, key: Key, causal: bool = True, cross: bool = False) -> None:
        std = STD / math.sqrt((2 + cross) * c.n_layer)
        self.pre_norm = c.pre_norm
        self.ln_1 = make_norm(c)
        self.attn = SelfAttention(c, key.fold("attn"), std, causal)
        self.cross = None
        if cross:
            self.ln_cross = make_norm(c)
            self.cross = CrossAttention(c, key.fold("cross"), std)
        self.ln_2 = make_norm(c)
        self.mlp = MLP(c, key.fold("mlp"), std)

    def __call__(
        self,
        x: Tensor,
        key: Key | None = None,
        mask: Any = None,
        positions: Positions | None = None,
        bias: Tensor | None = None,
        source: Tensor | None = None,
        source_mask: Any = None,
        at: Any = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """x (B, T, C). mask, bias, at and cache: as in self-attention; source (B, S, C): what cross attention reads."""
        x = self._add(x, self.ln_1, lambda h: self.attn(h, key and key.fold("attn"), mask, positions, bias, at, cache))
        if self.cross is not None:
            cross_key = key and key.fold("cross")
            x = self._add(x, self.ln_cross, lambda h: self.cross(h, source, cross_key, source_mask, cache))
        return self._add(x, self.ln_2, lambda h: self.mlp(h, key and key.fold("mlp")))

    def _add(self, x: Tensor, norm: LayerNorm | RMSNorm, layer: Any) -> Tensor:
        return x + layer(norm(x)) if self.pre_norm else norm(x + layer(x))


def run_blocks(
    blocks: list[Block],
    x: Tensor,
    key: Key | None = None,
    mask: Any = None,
    positions: Positions | None = None,
    bias: Tensor | None = None,
    source: Tensor | None = None,
    source_mask: Any = None,
    recompute: bool = False,
    at: Any = None,
    caches: Sequence[LayerCache] | None = None,
) -> Tensor:
    """x (B, T, C) through the blocks, one after the other. The arguments are those of a block's call.

    recompute: each block keeps only what enters it, and is computed again in the backward (autograd/recompute.py).
    """
    for i, block in enumerate(blocks):
        cache = None if caches is None else caches[i]
        call = partial(_call, block, key and key.fold("h", i), mask, positions, source_mask, at, cache)
        if recompute:
            x = checkpoint(call, x, bias, source, parameters=block.parameters())
        else:
            x = call(x, bias, source)
    return x


def _call(
    block: Block,
    key: Key | None,
    mask: Any,
    positions: Positions | None,
    source_mask: Any,
    at: Any,
    cache: LayerCache | None,
    x: Tensor,
    bias: Tensor | None,
    source: Tensor | None,
) -> Tensor:
    """A block's call with the tensors, to which gradients flow back, in the last places."""
    return block(x, key, mask, positions, bias, source, source_mask, at, cache)
