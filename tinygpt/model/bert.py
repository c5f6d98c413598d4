"""BERT: an encoder in which every position sees the whole sequence, so a hidden token is predicted from both sides.

B batch, T time, C channels, V vocabulary, S segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autograd import Key, Tensor, array_module, dropout, full, gelu, linear, tanh

from ..errors import BadInput
from .block import AttentionContext, Block, run_blocks
from .config import TransformerConfig
from .layers import Embedding, LayerNorm, Linear, RMSNorm, make_norm
from .module import Module, Parameter
from .positions import Positions, make_positions


@dataclass(frozen=True)
class BertConfig(TransformerConfig):
    """The hyper-parameters of an encoder. The defaults are BERT's form.

    n_segments: how many texts one sequence may hold. Each has a learned vector, which is added to all its tokens.
    """

    norm_eps: float = 1e-12
    pre_norm: bool = False
    activation: str = "gelu_exact"
    n_segments: int = 2


class MaskedHead(Module):
    """Predicts a token from its state: a linear layer, GELU, normalization, and a product with every token's vector.

    The GELU is exact unless the configuration's activation is "gelu", the tanh approximation.

    Formula: logits = ln(gelu(x W + b)) · wteᵀ + b_out
    Paper: Devlin et al. 2019, "BERT", section 3.1, task 1, and its released code
    Example: examples/08_masked.py
    Test: tests/test_bert.py
    """

    dense: Linear
    ln: LayerNorm | RMSNorm
    decoder: Linear | None
    bias: Parameter | None
    approximation: str

    def __init__(self, c: BertConfig, key: Key) -> None:
        self.dense = Linear(c.n_embd, c.n_embd, key.fold("dense"), c.bias)
        self.ln = make_norm(c)
        self.decoder = None if c.tied else Linear(c.n_embd, c.vocab_size, key.fold("decoder"), bias=False)
        self.bias = Parameter(full((c.vocab_size,), 0.0)) if c.bias else None
        self.approximation = "tanh" if c.activation == "gelu" else "none"

    def __call__(self, hidden: Tensor, table: Tensor) -> Tensor:
        """hidden (…, C), table (V, C) → (…, V)."""
        x = self.ln(gelu(self.dense(hidden), self.approximation))
        if self.decoder is None:
            return linear(x, table, self.bias, transposed=True)
        return linear(x, self.decoder.weight, self.bias)


class Bert(Module):
    """Token, position and segment vectors, normalized; blocks that see both sides; two heads for pretraining.

    The call returns hidden states, from which the heads predict. `mlm_logits` takes the state of any token and predicts
    what the token was. `nsp_logits` takes the first state, through `pooled`, and predicts whether the second text of
    the sequence follows the first.

    Formula: hidden = block_n(… block_1(ln(wte[ids] + wpe + wse[segments])))
    Paper: Devlin et al. 2019, "BERT", section 3
    Example: examples/08_masked.py
    Test: tests/test_bert.py
    """

    config: BertConfig
    wte: Embedding
    wpe: Positions
    wse: Embedding
    ln_e: LayerNorm | RMSNorm
    h: list[Block]
    ln_f: LayerNorm | RMSNorm | None
    pooler: Linear
    mlm_head: MaskedHead
    nsp_head: Linear
    recompute: bool

    def __init__(self, config: BertConfig, key: Key) -> None:
        c = self.config = config
        self.recompute = False
        self.wte = Embedding(c.vocab_size, c.n_embd, key.fold("wte"))
        self.wpe = make_positions(c, key.fold("wpe"), both_sides=True)
        self.wse = Embedding(c.n_segments, c.n_embd, key.fold("wse"))
        self.ln_e = make_norm(c)
        self.h = [Block(c, key.fold("h", i), causal=False) for i in range(c.n_layer)]
        self.ln_f = make_norm(c) if c.pre_norm else None
        self.pooler = Linear(c.n_embd, c.n_embd, key.fold("pooler"), c.bias)
        self.mlm_head = MaskedHead(c, key.fold("mlm_head"))
        self.nsp_head = Linear(c.n_embd, 2, key.fold("nsp_head"), c.bias)

    def __call__(self, ids: Any, segments: Any = None, mask: Any = None, key: Key | None = None) -> Tensor:
        """Hidden states (B, T, C) for ids (B, T). A key switches dropout on; without one it is off.

        segments: (B, T), the number of the text that each token belongs to (None: all 0). mask: (B, T), True at real
        tokens (None: all are real). No position attends to padding, so padding may have any ids of the vocabulary. The
        states of padding are finite but meaningless, also in a row that is all padding.
        Raises BadInput for segments outside 0 … S − 1, for segments or a mask of another shape, for a mask that is not
        boolean, and for a sequence longer than learned positions; IndexError for an id outside 0 … V − 1.
        """
        B, T = ids.shape
        segments = array_module(ids).zeros_like(ids) if segments is None else self._checked_segments(segments, B, T)
        attended = None if mask is None else _checked_mask(mask, B, T)[:, None, None, :]
        x = self.ln_e(self.wpe.add(self.wte(ids)) + self.wse(segments))
        x = dropout(x, self.config.dropout, key and key.fold("embedding"))
        bias = self.wpe.bias(T, T, x)
        x = run_blocks(self.h, x, key, AttentionContext(attended, self.wpe), bias, recompute=self.recompute)
        return x if self.ln_f is None else self.ln_f(x)

    def mlm_logits(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) of what each token was, from its state (…, C)."""
        return self.mlm_head(hidden, self.wte.weight)

    def pooled(self, hidden: Tensor) -> Tensor:
        """One vector (B, C) for each sequence: the state of its first token, through a linear layer and tanh."""
        return tanh(self.pooler(hidden[:, 0]))

    def nsp_logits(self, hidden: Tensor) -> Tensor:
        """Logits (B, 2) of two classes: 0, the second text follows the first; 1, it comes from elsewhere."""
        return self.nsp_head(self.pooled(hidden))

    def _checked_segments(self, segments: Any, B: int, T: int) -> Any:
        n = self.config.n_segments
        if tuple(segments.shape) != (B, T):
            raise BadInput(f"segments {tuple(segments.shape)} must have the shape of the ids, {(B, T)}")
        wrong = segments[(segments < 0) | (segments >= n)]
        if wrong.size:
            raise BadInput(f"segment {int(wrong[0])} is outside 0 … {n - 1}, the texts that this model tells apart")
        return segments


def _checked_mask(mask: Any, B: int, T: int) -> Any:
    if mask.dtype != bool or tuple(mask.shape) != (B, T):
        raise BadInput(
            f"a padding mask must be boolean, True at real tokens, of the shape {(B, T)} of the ids, "
            f"not {mask.dtype} of shape {tuple(mask.shape)}"
        )
    return mask
