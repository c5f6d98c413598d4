"""GPT: a decoder-only transformer that predicts each next token.

B batch, T time, C channels, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from autograd import Key, Tensor, dropout, linear

from ..errors import BadInput
from .block import Block
from .layers import Embedding, LayerNorm
from .module import Module
from .positions import LearnedPositions


@dataclass(frozen=True)
class GPTConfig:
    """The hyper-parameters of a GPT, with the field's usual names. Raises BadInput for values that make no model."""

    vocab_size: int
    block_size: int = 64
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    dropout: float = 0.0
    bias: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise BadInput(f"{field.name} must be a whole number of at least 1, not {value!r}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise BadInput(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        if not isinstance(self.bias, bool):
            raise BadInput(f"bias must be true or false, not {self.bias!r}")
        if self.n_embd % self.n_head:
            raise BadInput(
                f"n_embd {self.n_embd} cannot be divided among n_head {self.n_head} heads: make it a multiple"
            )


class GPT(Module):
    """Token and position vectors, n_layer blocks, a last normalization, and the token table again as output layer.

    Formula: logits = ln_f(block_n(… block_1(wte[ids] + wpe))) · wteᵀ
    Paper: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3
    Example: examples/05_training.py
    Test: tests/test_model.py
    """

    config: GPTConfig
    wte: Embedding
    wpe: LearnedPositions
    h: list[Block]
    ln_f: LayerNorm

    def __init__(self, config: GPTConfig, key: Key) -> None:
        c = self.config = config
        self.wte = Embedding(c.vocab_size, c.n_embd, key.fold("wte"))
        self.wpe = LearnedPositions(c.block_size, c.n_embd, key.fold("wpe"))
        self.h = [
            Block(c.n_embd, c.n_head, c.n_layer, key.fold("h", i), c.bias, c.dropout) for i in range(c.n_layer)
        ]
        self.ln_f = LayerNorm(c.n_embd, c.bias)

    def __call__(self, ids: Any, key: Key | None = None) -> Tensor:
        """Logits (B, T, V) for ids (B, T), T ≤ block_size. A key switches dropout on; without one it is off."""
        _, T = ids.shape
        x = dropout(self.wte(ids) + self.wpe(T), self.config.dropout, key and key.fold("embedding"))
        for i, block in enumerate(self.h):
            x = block(x, key and key.fold("h", i))
        return linear(self.ln_f(x), self.wte.weight, transposed=True)
