"""Multi-head causal self-attention.

B batch, T time, C channels, H heads, D = C/H channels of a head.
"""

from __future__ import annotations

from autograd import Key, Tensor, attention, dropout, split

from .layers import Linear
from .module import Module


class CausalSelfAttention(Module):
    """Each head looks back over the sequence with its own queries, keys and values; a projection joins them.

    Formula: y = concat(head_1 … head_H) W_o, head_h = attention(x W_q, x W_k, x W_v), causal
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.2.2
    Example: examples/04_attention.py
    Test: tests/test_model.py
    """

    c_attn: Linear
    c_proj: Linear
    n_head: int
    p: float

    def __init__(self, n_embd: int, n_head: int, key: Key, bias: bool, std: float, p: float) -> None:
        self.c_attn = Linear(n_embd, 3 * n_embd, key.fold("c_attn"), bias)  # queries, keys and values side by side
        self.c_proj = Linear(n_embd, n_embd, key.fold("c_proj"), bias, std)
        self.n_head, self.p = n_head, p

    def __call__(self, x: Tensor, key: Key | None = None) -> Tensor:
        B, T, C = x.shape
        parts = split(self.c_attn(x), 3, axis=-1)
        q, k, v = (part.reshape(B, T, self.n_head, C // self.n_head).swapaxes(1, 2) for part in parts)  # (B, H, T, D)
        y = attention(q, k, v, causal=True, dropout=self.p, key=key and key.fold("attention"))
        y = y.swapaxes(1, 2).reshape(B, T, C)
        return dropout(self.c_proj(y), self.p, key and key.fold("c_proj"))
