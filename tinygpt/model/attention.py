"""Multi-head attention: self-attention within a sequence, and cross attention to another one.

B batch, T time, T_all time with the tokens in a cache, S time of the source, C channels, H query heads, G key and value
heads, D channels of a head.
"""

from __future__ import annotations

from typing import Any

from autograd import Key, Tensor, attention, dropout, split

from .cache import LayerCache
from .config import TransformerConfig
from .layers import Linear
from .module import Module
from .positions import Positions


class SelfAttention(Module):
    """Each head attends to the sequence with its own queries, keys and values; a projection combines the heads.

    Causal: every position sees itself and those before it. With fewer key and value heads than query heads, several
    query heads share one (Shazeer 2019, "Fast transformer decoding"; Ainslie et al. 2023, "GQA").

    Formula: y = concat(head_1 … head_H) W_o, head_h = attention(x W_q, x W_k, x W_v)
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.2.2
    Example: examples/04_attention.py
    Test: tests/test_model.py
    """

    c_attn: Linear
    c_proj: Linear
    n_head: int
    n_kv_head: int
    causal: bool
    p: float

    def __init__(self, c: TransformerConfig, key: Key, std: float, causal: bool = True) -> None:
        D = c.channels_of_head
        self.n_head, self.n_kv_head, self.causal, self.p = c.n_head, c.key_heads, causal, c.dropout
        width = (c.n_head + 2 * c.key_heads) * D  # queries, keys and values side by side
        self.c_attn = Linear(c.n_embd, width, key.fold("c_attn"), c.bias)
        self.c_proj = Linear(c.n_head * D, c.n_embd, key.fold("c_proj"), c.bias, std)

    def __call__(
        self,
        x: Tensor,
        key: Key | None = None,
        mask: Any = None,
        positions: Positions | None = None,
        bias: Tensor | None = None,
        at: Any = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """mask: boolean, True where a query may look, broadcast to (B, H, T, T_all). bias: added to the scores.

        at: the positions of the tokens (see Positions). cache: the keys and values of earlier tokens, to which those
        of x are appended.
        """
        H, G = self.n_head, self.n_kv_head
        q, k, v = split_heads(self.c_attn(x), H, G, G)
        if positions is not None:
            q, k = positions.turn(q, at), positions.turn(k, at)
        if cache is not None:
            k, v = cache.append(k, v)
        y = attention(q, k, v, mask, bias, causal=self.causal, dropout=self.p, key=key and key.fold("attention"))
        return dropout(self.c_proj(join_heads(y)), self.p, key and key.fold("c_proj"))


class CrossAttention(Module):
    """Queries come from one sequence, keys and values from another: so the decoder reads the source.

    Formula: head_h = attention(x W_q, source W_k, source W_v)
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.2.3
    Example: examples/09_translation.py
    Test: tests/test_seq2seq.py
    """

    c_q: Linear
    c_kv: Linear
    c_proj: Linear
    n_head: int
    n_kv_head: int
    p: float

    def __init__(self, c: TransformerConfig, key: Key, std: float) -> None:
        D = c.channels_of_head
        self.n_head, self.n_kv_head, self.p = c.n_head, c.key_heads, c.dropout
        self.c_q = Linear(c.n_embd, c.n_head * D, key.fold("c_q"), c.bias)
        self.c_kv = Linear(c.n_embd, 2 * c.key_heads * D, key.fold("c_kv"), c.bias)
        self.c_proj = Linear(c.n_head * D, c.n_embd, key.fold("c_proj"), c.bias, std)

    def __call__(
        self,
        x: Tensor,
        source: Tensor | None,
        key: Key | None = None,
        mask: Any = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """x (B, T, C), source (B, S, C); mask boolean, broadcast to (B, H, T, S): True at the source's real tokens.

        cache: holds the keys and values that `read` gave for the source, which is not needed then.
        """
        (q,) = split_heads(self.c_q(x), self.n_head)
        k, v = self.read(source) if cache is None else cache.source
        y = attention(q, k, v, mask, dropout=self.p, key=key and key.fold("attention"))
        return dropout(self.c_proj(join_heads(y)), self.p, key and key.fold("c_proj"))

    def read(self, source: Tensor) -> list[Tensor]:
        """The keys and values (B, G, S, D) of the source (B, S, C), which do not depend on the queries."""
        return split_heads(self.c_kv(source), self.n_kv_head, self.n_kv_head)


def split_heads(x: Tensor, *heads: int) -> list[Tensor]:
    """(B, T, Σ heads · D) → for each number of heads (B, heads, T, D)."""
    B, T, width = x.shape
    ends = [sum(heads[: i + 1]) for i in range(len(heads) - 1)]
    parts = split(x.reshape(B, T, sum(heads), width // sum(heads)), ends, axis=2)
    return [part.swapaxes(1, 2) for part in parts]


def join_heads(y: Tensor) -> Tensor:
    """(B, H, T, D) → (B, T, H · D)."""
    B, H, T, D = y.shape
    return y.swapaxes(1, 2).reshape(B, T, H * D)
