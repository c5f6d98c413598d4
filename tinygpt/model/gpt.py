"""GPT: a decoder-only transformer that predicts each next token.

B batch, T time, T_all time with the tokens in a cache, C channels, H query heads, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autograd import Key, Tensor, array_module, dropout, linear

from .block import AttentionContext, Block, run_blocks
from .cache import Cache
from .config import TransformerConfig
from .layers import Embedding, LayerNorm, Linear, RMSNorm, make_norm
from .module import Module
from .positions import Positions, make_positions


@dataclass(frozen=True)
class GPTConfig(TransformerConfig):
    """The hyper-parameters of a GPT. The defaults are GPT-2's form."""


class GPT(Module):
    """Token and position vectors, n_layer blocks, a last normalization, and the token table again as output layer.

    With recompute = True a forward keeps only the input of each block, and the backward computes the rest again. This
    takes less memory and more time, and gives the same bits. It may be set anew before each forward.

    Formula: logits = ln_f(block_n(… block_1(wte[ids] + wpe))) · wteᵀ
    Paper: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3
    Example: examples/05_training.py
    Test: tests/test_model.py
    """

    config: GPTConfig
    wte: Embedding
    wpe: Positions
    h: list[Block]
    ln_f: LayerNorm | RMSNorm | None
    lm_head: Linear | None
    recompute: bool

    def __init__(self, config: GPTConfig, key: Key) -> None:
        c = self.config = config
        self.wte = Embedding(c.vocab_size, c.n_embd, key.fold("wte"))
        self.wpe = make_positions(c, key.fold("wpe"))
        self.h = [Block(c, key.fold("h", i)) for i in range(c.n_layer)]
        self.ln_f = make_norm(c) if c.pre_norm else None  # a post-norm block ends in a normalization of its own
        self.lm_head = None if c.tied else Linear(c.n_embd, c.vocab_size, key.fold("lm_head"), bias=False)
        self.recompute = False

    def __call__(self, ids: Any, key: Key | None = None, mask: Any = None) -> Tensor:
        """Logits (B, T, V) for ids (B, T). A key switches dropout on; without one it is off. mask: as in `hidden`.

        Learned positions end at block_size. The other kinds continue, but where the model has not been trained. Raises
        BadInput for a sequence longer than learned positions, IndexError for an id outside 0 … V − 1.
        """
        return self.logits(self.hidden(ids, key, mask=mask))

    def hidden(
        self, ids: Any, key: Key | None = None, cache: Cache | None = None, mask: Any = None, at: Any = None
    ) -> Tensor:
        """The states (B, T, C) from which `logits` predicts the next tokens. Raises as the call does.

        cache: the tokens read before ids, to which ids are appended. mask: boolean, True where a query may look,
        broadcast to (B, H, T, T_all). at: the positions of ids (None: those after the tokens in the cache).
        """
        T = ids.shape[1]
        before = 0 if cache is None else cache.length
        if before and at is None:
            at = before + array_module(ids).arange(T)
        x = dropout(self.wpe.add(self.wte(ids), at), self.config.dropout, key and key.fold("embedding"))
        bias = self.wpe.bias(T, before + T, x)
        context = AttentionContext(mask, self.wpe, at=at)
        caches = None if cache is None else cache.layers
        x = run_blocks(self.h, x, key, context, bias, caches=caches, recompute=self.recompute)
        return x if self.ln_f is None else self.ln_f(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) from states (…, C)."""
        if self.lm_head is not None:
            return self.lm_head(hidden)
        return linear(hidden, self.wte.weight, transposed=True)
