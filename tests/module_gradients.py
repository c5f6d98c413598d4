"""The table of gradient checks, continued: every layer, model and loss, with respect to its input and parameters.

B batch, T time, C channels, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gradients import KEY, Case, like, normal

from autograd import Tensor, concatenate
from tinygpt.model.attention import CrossAttention, SelfAttention
from tinygpt.model.bert import Bert, BertConfig, MaskedHead
from tinygpt.model.bigram import BigramLM
from tinygpt.model.block import MLP, AttentionContext, Block
from tinygpt.model.config import TransformerConfig
from tinygpt.model.gpt import GPT, GPTConfig
from tinygpt.model.layers import STD, Embedding, LayerNorm, Linear, RMSNorm
from tinygpt.model.module import Module
from tinygpt.model.positions import ALiBi, LearnedPositions, Positions, RotaryPositions, SinusoidalPositions, T5Bias
from tinygpt.model.seq2seq import Seq2Seq, Seq2SeqConfig, Stack
from tinygpt.text.batches import IGNORE, Batch
from tinygpt.text.masked_lm import MaskedBatch
from tinygpt.text.pair_batches import PairBatch
from tinygpt.train.losses import bert_loss, causal_lm_loss, masked_lm_loss, next_sentence_loss, seq2seq_loss


def substitute(module: Module, name: str, tensor: Tensor) -> None:
    """Puts a tensor where the parameter "h.0.attn.c_attn.weight" was."""
    *path, last = name.split(".")
    owner: Any = module
    for part in path:
        owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
    setattr(owner, last, tensor)


def module_case(
    label: str, module: Module, call: Callable[..., Tensor], *inputs: np.ndarray, only: tuple[str, ...] = ()
) -> Case:
    """call(module, *inputs) as a function of the inputs and of all parameters, whose values are drawn anew.

    Parameters are born in float32 and small; a gradient check wants float64 and gradients of ordinary size. `only`: the
    parameters to check, where a loss is asked about and the model has a check of its own.
    """
    parameters = {name: p for name, p in module.named_parameters().items() if not only or name in only}
    others = {name: 0.7 * normal(*p.shape) for name, p in module.named_parameters().items() if name not in parameters}

    def function(*tensors: Tensor) -> Tensor:
        for name, array in others.items():
            substitute(module, name, Tensor(like(tensors[-1], array)))
        for name, tensor in zip(parameters, tensors[len(inputs) :], strict=True):
            substitute(module, name, tensor)
        return call(module, *tensors[: len(inputs)])

    return Case(label, function, (*inputs, *(0.7 * normal(*p.shape) for p in parameters.values())))


def apply(module: Module, x: Tensor) -> Tensor:
    return module(x)


def apply_with_key(module: Module, x: Tensor) -> Tensor:
    return module(x, KEY)


def tiny_gpt(bias: bool, n_layer: int = 1, dropout: float = 0.0) -> GPT:
    return GPT(GPTConfig(5, 4, n_layer, n_head=2, n_embd=4, dropout=dropout, bias=bias), KEY)


def shape(**changes: Any) -> TransformerConfig:
    return TransformerConfig(5, 4, n_layer=1, n_head=2, n_embd=4, **changes)


def attention_layer(**changes: Any) -> SelfAttention:
    return SelfAttention(shape(**changes), KEY, STD)


def block_case(label: str, key: Any = None, **changes: Any) -> Case:
    block = Block(shape(**changes), KEY)
    context = AttentionContext(positions=RotaryPositions() if changes.get("positions") == "rotary" else None)
    return module_case(label, block, lambda module, x: module(x, key, context), normal(1, 3, 4))


def with_source(module: Module, x: Tensor, source: Tensor) -> Tensor:
    return module(x, source, mask=np.array([True, True, False]))


def decoder_block(module: Block, x: Tensor, source: Tensor) -> Tensor:
    return module(x, source=source)


IDS = np.array([[1, 4, 1], [0, 1, 2]])
BATCH = Batch(IDS, np.array([[4, 1, IGNORE], [IGNORE, 2, 2]]))


def loss_case(label: str, model: Module, key: Any = None) -> Case:
    return module_case(label, model, lambda model: causal_lm_loss(model, BATCH, key)[0])


MASK = np.array([[True, True, False], [True, True, True]])
MASKED = MaskedBatch(IDS, BATCH.targets, np.array([[0, 1, 1], [0, 0, 1]]), MASK, np.array([0, 1]))


def tiny_bert(**changes: Any) -> Bert:
    return Bert(BertConfig(5, 4, n_layer=1, n_head=2, n_embd=4, n_inner=6, **{"norm_eps": 1e-3, **changes}), KEY)


def outputs_of_bert(model: Bert) -> Tensor:
    hidden = model(IDS, MASKED.segments, MASK)
    return concatenate([hidden.reshape(-1), model.mlm_logits(hidden).reshape(-1), model.nsp_logits(hidden).reshape(-1)])


def bert_case(label: str, loss: Callable[..., Any], key: Any = None, **changes: Any) -> Case:
    reached = ("wte.weight", "mlm_head.bias", "nsp_head.weight")
    return module_case(label, tiny_bert(**changes), lambda model: loss(model, MASKED, key)[0], only=reached)


def tiny_seq2seq(**changes: Any) -> Seq2Seq:
    """As small as it can be: every parameter is checked on its own, and an encoder–decoder has many."""
    return Seq2Seq(Seq2SeqConfig(5, 3, n_layer=1, n_head=1, n_embd=3, n_inner=2, **changes), KEY)


def read_and_write(model: Seq2Seq) -> Tensor:
    return model(PAIRS.source, PAIRS.inputs, PAIRS.source_mask)


PAIRS = PairBatch(IDS, np.array([[True, True, False], [True, True, True]]), *BATCH)
T5_FORM = {"norm": "rms", "bias": False, "activation": "relu", "positions": "t5"}
BART_FORM = {"pre_norm": False, "activation": "gelu_exact", "embedding_norm": True}

MODULE_CASES: dict[str, list[Case]] = {
    "Linear": [
        module_case("bias", Linear(3, 2, KEY), apply, normal(2, 2, 3)),
        module_case("no-bias", Linear(3, 2, KEY, bias=False), apply, normal(2, 3)),
    ],
    "Embedding": [module_case("repeated", Embedding(4, 2, KEY), lambda module: module(IDS % 4))],
    "LayerNorm": [
        module_case("bias", LayerNorm(3), apply, normal(2, 2, 3)),
        module_case("no-bias", LayerNorm(3, bias=False), apply, normal(2, 3)),
    ],
    "Positions": [module_case("none", Positions(), lambda module, x: module.add(module.turn(x)), normal(2, 3))],
    "RMSNorm": [module_case("some", RMSNorm(3), apply, normal(2, 2, 3))],
    "LearnedPositions": [
        module_case("some", LearnedPositions(4, 2, KEY), lambda module, x: module.add(x), normal(2, 3, 2))
    ],
    "SinusoidalPositions": [
        module_case("odd", SinusoidalPositions(), lambda module, x: module.add(x), normal(2, 3, 5))
    ],
    "RotaryPositions": [module_case("some", RotaryPositions(), lambda module, x: module.turn(x), normal(1, 2, 3, 4))],
    "ALiBi": [
        module_case(
            "added", ALiBi(2), lambda module, x: x * x + module.bias(2, 3, x), normal(1, 2, 2, 3)
        )
    ],
    "T5Bias": [
        module_case("causal", T5Bias(2, KEY), lambda module, x: x + module.bias(2, 3, x), normal(1, 2, 2, 3)),
        module_case(
            "both sides", T5Bias(2, KEY, True, 8, 4), lambda module, x: x + module.bias(5, 5, x), normal(1, 2, 5, 5)
        ),
    ],
    "SelfAttention": [
        module_case("bias", attention_layer(), apply, normal(2, 3, 4)),
        module_case("no-bias", attention_layer(bias=False), apply, normal(1, 3, 4)),
        module_case("dropout", attention_layer(dropout=0.3), apply_with_key, normal(1, 3, 4)),
        module_case("one key head", attention_layer(n_kv_head=1, head_size=3), apply, normal(1, 3, 4)),
    ],
    "CrossAttention": [
        module_case("masked", CrossAttention(shape(), KEY, STD), with_source, normal(1, 2, 4), normal(1, 3, 4)),
        module_case(
            "one key head", CrossAttention(shape(n_kv_head=1, bias=False), KEY, STD), with_source,
            normal(1, 2, 4), normal(1, 3, 4),
        ),
    ],
    "MLP": [
        module_case(activation, MLP(shape(activation=activation, n_inner=3), KEY, STD), apply, normal(2, 2, 4))
        for activation in ("gelu", "gelu_exact", "relu", "swiglu")
    ]
    + [module_case("dropout", MLP(shape(bias=False, dropout=0.3), KEY, STD), apply_with_key, normal(2, 4))],
    "Block": [
        block_case("bias"),
        block_case("dropout", KEY, bias=False, dropout=0.3),
        block_case("post-norm", pre_norm=False),
        block_case("another form", norm="rms", positions="rotary", activation="swiglu", bias=False, head_size=2),
        module_case("source", Block(shape(), KEY, cross=True), decoder_block, normal(1, 2, 4), normal(1, 3, 4)),
    ],
    "GPT": [
        module_case("bias", tiny_gpt(True), lambda model: model(IDS)),
        module_case("dropout", tiny_gpt(False, n_layer=2, dropout=0.3), lambda model: model(IDS, KEY)),
    ],
    "Bert": [
        module_case("all heads", tiny_bert(), outputs_of_bert),
        module_case("another form", tiny_bert(positions="t5", pre_norm=True, bias=False, tied=False), outputs_of_bert),
    ],
    "MaskedHead": [
        module_case(
            activation, MaskedHead(BertConfig(5, n_head=1, n_embd=3, activation=activation, norm_eps=1e-3), KEY),
            lambda module, x, table: module(x, table), normal(2, 3), normal(5, 3),
        )
        for activation in ("gelu", "gelu_exact")
    ],
    "Stack": [
        module_case("encoder", Stack(shape(positions="alibi", n_inner=2), KEY, False), apply, normal(1, 3, 4)),
        module_case(
            "decoder", Stack(shape(n_inner=2), KEY, True, True), lambda module, x, source: module(x, source=source),
            normal(1, 3, 4), normal(1, 2, 4),
        ),
    ],
    "Seq2Seq": [
        module_case("t5", tiny_seq2seq(**T5_FORM), read_and_write),
        module_case("bart", tiny_seq2seq(**BART_FORM), read_and_write),
    ],
    "BigramLM": [module_case("repeated", BigramLM(5, KEY), lambda model: model(IDS))],
    "causal_lm_loss": [
        loss_case("bigram", BigramLM(5, KEY)),
        loss_case("gpt", tiny_gpt(False)),
        loss_case("gpt-dropout", tiny_gpt(True, dropout=0.2), KEY),
    ],
    "masked_lm_loss": [bert_case("padded", masked_lm_loss), bert_case("dropout", masked_lm_loss, KEY, dropout=0.2)],
    "next_sentence_loss": [bert_case("padded", next_sentence_loss)],
    "bert_loss": [bert_case("padded", bert_loss)],
    "seq2seq_loss": [
        module_case(
            "smoothed", tiny_seq2seq(dropout=0.2, source_vocab_size=6, tied=False, positions="none"),
            lambda model: seq2seq_loss(model, PAIRS, KEY, 0.1)[0], only=("wte.weight", "lm_head.weight"),
        ),
    ],
}
