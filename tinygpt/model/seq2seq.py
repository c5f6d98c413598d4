"""The encoder–decoder: an encoder reads the whole source; a decoder writes the target and attends to the source.

B batch, S time of the source, T time of the target, C channels, V vocabulary of the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from autograd import Key, Tensor, array_module, dropout, linear

from ..errors import BadInput
from .block import AttentionContext, Block, run_blocks
from .cache import Cache
from .config import TransformerConfig
from .layers import STD, Embedding, LayerNorm, Linear, RMSNorm, make_norm
from .module import Module
from .positions import Positions, make_positions


@dataclass(frozen=True)
class Seq2SeqConfig(TransformerConfig):
    """The hyper-parameters of an encoder–decoder, whose decoder has n_layer blocks and vocab_size tokens.

    n_encoder_layer: blocks of the encoder (None: n_layer). source_vocab_size: the vocabulary of a source that has a
    token table of its own (None: both sides share one). embedding_norm: normalize what enters the blocks of each stack.
    init_std: the standard deviation of the initial weights; with a larger one, such as 1/√C, narrow models learn sooner
    where to look in the source.

    T5: pre_norm, norm="rms", norm_eps=1e-6, bias=False, activation="relu", positions="t5". T5 does not divide scores by
    √D, so multiply its query weights by √D when copying them. With a tied output layer it also scales the last states
    by 1/√C: multiply the weights of the decoder's last normalization by 1/√C.

    BART: pre_norm=False, positions="learned", activation="gelu_exact", embedding_norm=True. Its position tables have
    two unused rows at the start: skip them.
    """

    n_encoder_layer: int | None = None
    source_vocab_size: int | None = None
    embedding_norm: bool = False
    init_std: float = STD

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.init_std, int | float) or not 0 < self.init_std < math.inf:
            raise BadInput(f"init_std must be a number above 0, not {self.init_std!r}")


class Stack(Module):
    """One side of the model: token vectors get their positions and pass through blocks.

    As the decoder it is causal and has cross attention to a source; as the encoder it has neither. Each stack has its
    own table of T5's distances, which all its blocks share.
    """

    wpe: Positions
    ln_embedding: LayerNorm | RMSNorm | None
    h: list[Block]
    ln_f: LayerNorm | RMSNorm | None
    p: float

    def __init__(self, c: TransformerConfig, key: Key, decoder: bool, embedding_norm: bool = False) -> None:
        self.p = c.dropout
        self.wpe = make_positions(c, key.fold("wpe"), both_sides=not decoder)
        self.ln_embedding = make_norm(c) if embedding_norm else None
        self.h = [Block(c, key.fold("h", i), causal=decoder, cross=decoder) for i in range(c.n_layer)]
        self.ln_f = make_norm(c) if c.pre_norm else None  # a post-norm block ends in a normalization of its own

    def __call__(
        self,
        x: Tensor,
        key: Key | None = None,
        mask: Any = None,
        source: Tensor | None = None,
        source_mask: Any = None,
        recompute: bool = False,
        cache: Cache | None = None,
    ) -> Tensor:
        """x (B, T, C), token vectors. mask, source_mask: as in attention. source (B, S, C): what a decoder reads.

        cache: holds the earlier tokens, to which x is appended, and the source, which is not needed then.
        """
        T, before = x.shape[1], 0 if cache is None else cache.length
        at = before + array_module(x.data).arange(T) if before else None
        x = self.wpe.add(x, at)
        if self.ln_embedding is not None:
            x = self.ln_embedding(x)
        x = dropout(x, self.p, key and key.fold("embedding"))
        bias = self.wpe.bias(T, before + T, x)
        context = AttentionContext(mask, self.wpe, source_mask, at)
        caches = None if cache is None else cache.layers
        x = run_blocks(self.h, x, key, context, bias, source, caches, recompute)
        return x if self.ln_f is None else self.ln_f(x)


class Seq2Seq(Module):
    """An encoder that sees the whole source, and a decoder that predicts each next token of the target.

    Formula: p(y | x) = Π_t softmax(decoder(y_<t, encoder(x)) · wteᵀ)[y_t]
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.1
    Example: examples/09_translation.py
    Test: tests/test_seq2seq.py
    """

    config: Seq2SeqConfig
    wte: Embedding
    source_wte: Embedding | None
    encoder: Stack
    decoder: Stack
    lm_head: Linear | None
    recompute: bool

    def __init__(self, config: Seq2SeqConfig, key: Key) -> None:
        c = self.config = config
        self.recompute = False
        self.wte = Embedding(c.vocab_size, c.n_embd, key.fold("wte"))
        separate = c.source_vocab_size
        self.source_wte = Embedding(separate, c.n_embd, key.fold("source_wte")) if separate else None
        of_encoder = replace(c, n_layer=c.n_encoder_layer or c.n_layer)
        self.encoder = Stack(of_encoder, key.fold("encoder"), False, c.embedding_norm)
        self.decoder = Stack(c, key.fold("decoder"), True, c.embedding_norm)
        self.lm_head = None if c.tied else Linear(c.n_embd, c.vocab_size, key.fold("lm_head"), bias=False)
        if c.init_std != STD:
            for matrix in filter(lambda p: p.decays, self.parameters()):
                matrix.data *= c.init_std / STD

    def __call__(self, source: Any, inputs: Any, source_mask: Any = None, key: Key | None = None) -> Tensor:
        """Logits (B, T, V): at t, of the target's next token after inputs[:, :t + 1], given the source (B, S).

        source_mask (B, S) is True at the source's real tokens (None: everywhere). A key switches dropout on. Learned
        positions end at block_size on either side, and BadInput is raised beyond; the other kinds continue.
        """
        return self.decode(inputs, self.encode(source, source_mask, key), source_mask, key)

    def encode(self, source: Any, source_mask: Any = None, key: Key | None = None) -> Tensor:
        """The states (B, S, C) of ids (B, S), for the decoder to read. The states of padding are meaningless.

        Raises BadInput for a source without tokens, and for a mask that is not boolean or not of the source's shape.
        """
        if source.ndim != 2 or source.shape[1] == 0:
            raise BadInput(f"sources must be ids of shape (batch, time) with a token at least, not {source.shape}")
        table = self.source_wte or self.wte
        mask, recompute = _of_keys(source_mask, source.shape), self.recompute
        return self.encoder(table(source), key and key.fold("encoder"), mask, recompute=recompute)

    def decode(
        self,
        inputs: Any,
        encoded: Tensor | None = None,
        source_mask: Any = None,
        key: Key | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Logits (B, T, V) for the target's ids (B, T) so far and the encoded source (B, S, C).

        If a row's source is all padding, its cross attention adds nothing but the bias of its output.
        cache: from `new_cache`, in place of the source. It holds the target's earlier tokens; inputs come after them.
        """
        mask = _of_keys(source_mask, encoded.shape[:2]) if cache is None else cache.source_mask
        x = self.wte(inputs)
        x = self.decoder(x, key and key.fold("decoder"), None, encoded, mask, self.recompute, cache)
        return linear(x, self.wte.weight, transposed=True) if self.lm_head is None else self.lm_head(x)

    def new_cache(self, encoded: Tensor, source_mask: Any = None, capacity: int | None = None) -> Cache:
        """A cache for targets of at most `capacity` tokens (None: block_size), given the encoded sources (B, S, C).

        The keys and values of cross attention are computed here, once. For use without gradients.
        """
        size = self.config.block_size if capacity is None else capacity
        cache = Cache.empty(self.config, encoded.shape[0], size, encoded.data)
        cache.source_mask = _of_keys(source_mask, encoded.shape[:2])
        for layer, block in zip(cache.layers, self.decoder.h, strict=True):
            layer.source = tuple(block.cross.read(encoded))
        return cache


def _of_keys(source_mask: Any, shape: tuple[int, ...]) -> Any:
    """(B, S) → (B, 1, 1, S): the same mask for every head and query."""
    if source_mask is None:
        return None
    mask = array_module(source_mask).asarray(source_mask)
    if mask.dtype != bool or mask.shape != tuple(shape):
        raise BadInput(f"a source mask must be boolean and {tuple(shape)} as its source, not {mask.dtype} {mask.shape}")
    return mask[:, None, None, :]
