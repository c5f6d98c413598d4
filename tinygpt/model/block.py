"""The transformer block, in GPT-2's form unless a configuration says otherwise: normalize, transform, add.

B batch, T time, S time of a source, C channels; the MLP's hidden layer is 4 C wide unless n_inner says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograd import Key, Tensor, checkpoint, dropout, gelu, relu, sigmoid, split

from .attention import CrossAttention, SelfAttention
from .cache import LayerCache
from .config import TransformerConfig
from .layers import STD, LayerNorm, Linear, RMSNorm, make_norm
from .module import Module
from .positions import Positions


class MLP(Module):
    """Two linear layers with a GELU between, applied to each position separately.

    SwiGLU has a second set of hidden channels, which gates the first: silu(x W_g) ∘ x W_1 with silu(z) = z σ(z)
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
        self.c_fc = Linear(c.n_embd, (1 + gated) * c.inner, key.fold("c_fc"), c.bias)  # SwiGLU: gate, then gated
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


@dataclass(frozen=True)
class AttentionContext:
    """What a block's attention is told besides the tensors. Every field may be None.

    mask, positions, at and cache: as in SelfAttention. source_mask: the mask of CrossAttention.
    """

    mask: Any = None
    positions: Positions | None = None
    source_mask: Any = None
    at: Any = None
    cache: LayerCache | None = None


NO_CONTEXT = AttentionContext()


class Block(Module):
    """One layer of the transformer: adds the output of attention to x, then the output of the MLP.

    Each sublayer adds to x, so the gradient also reaches x unchanged. Normalizing what enters a sublayer keeps its
    inputs at one scale, however large x has grown. A decoder with a source has cross attention between the two.
    Post-norm, the form of the first transformer, normalizes each sum instead of what enters the sublayer.

    The initial weights of the projections that add to x are divided by √(number of additions to x in all blocks), so
    that the variance of x after the last block does not grow with depth.

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
        context: AttentionContext = NO_CONTEXT,
        bias: Tensor | None = None,
        source: Tensor | None = None,
    ) -> Tensor:
        """x (B, T, C). bias: added to the scores of self-attention. source (B, S, C): what cross attention reads."""
        c, attn_key, cross_key = context, key and key.fold("attn"), key and key.fold("cross")
        x = self._add(x, self.ln_1, lambda h: self.attn(h, attn_key, c.mask, c.positions, bias, c.at, c.cache))
        if self.cross is not None:
            x = self._add(x, self.ln_cross, lambda h: self.cross(h, source, cross_key, c.source_mask, c.cache))
        return self._add(x, self.ln_2, lambda h: self.mlp(h, key and key.fold("mlp")))

    def _add(self, x: Tensor, norm: LayerNorm | RMSNorm, layer: Any) -> Tensor:
        return x + layer(norm(x)) if self.pre_norm else norm(x + layer(x))


def run_blocks(
    blocks: list[Block],
    x: Tensor,
    key: Key | None = None,
    context: AttentionContext = NO_CONTEXT,
    bias: Tensor | None = None,
    source: Tensor | None = None,
    caches: Sequence[LayerCache] | None = None,
    recompute: bool = False,
) -> Tensor:
    """x (B, T, C) through the blocks, one after the other. The arguments are those of a block's call.

    caches: one for each block. recompute: each block keeps only its input, and runs again in the backward
    (autograd/recompute.py).
    """
    for i, block in enumerate(blocks):
        if caches is not None:
            context = replace(context, cache=caches[i])
        inputs = (x, key and key.fold("h", i), context, bias, source)
        x = checkpoint(block, *inputs, parameters=block.parameters()) if recompute else block(*inputs)
    return x
