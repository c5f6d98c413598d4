"""The table of gradient checks, continued: every layer, model and loss, with respect to its input and parameters.

B batch, T time, C channels, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gradients import KEY, Case, normal

from autograd import Tensor
from tinygpt.model.attention import CausalSelfAttention
from tinygpt.model.bigram import BigramLM
from tinygpt.model.block import MLP, Block
from tinygpt.model.gpt import GPT, GPTConfig
from tinygpt.model.layers import STD, Embedding, LayerNorm, Linear
from tinygpt.model.module import Module
from tinygpt.model.positions import LearnedPositions
from tinygpt.text.batches import IGNORE, Batch
from tinygpt.train.losses import causal_lm_loss


def substitute(module: Module, name: str, tensor: Tensor) -> None:
    """Puts a tensor where the parameter "h.0.attn.c_attn.weight" was."""
    *path, last = name.split(".")
    owner: Any = module
    for part in path:
        owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
    setattr(owner, last, tensor)


def module_case(label: str, module: Module, call: Callable[..., Tensor], *inputs: np.ndarray) -> Case:
    """call(module, *inputs) as a function of the inputs and of all parameters, whose values are drawn anew.

    Parameters are born in float32 and small; a gradient check wants float64 and gradients of ordinary size.
    """
    parameters = module.named_parameters()

    def function(*tensors: Tensor) -> Tensor:
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


def attention_layer(bias: bool, p: float = 0.0) -> CausalSelfAttention:
    return CausalSelfAttention(4, 2, KEY, bias, STD, p)


IDS = np.array([[1, 4, 1], [0, 1, 2]])
BATCH = Batch(IDS, np.array([[4, 1, IGNORE], [IGNORE, 2, 2]]))


def loss_case(label: str, model: Module, key: Any = None) -> Case:
    return module_case(label, model, lambda model: causal_lm_loss(model, BATCH, key)[0])


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
    "LearnedPositions": [module_case("some", LearnedPositions(4, 2, KEY), lambda module: module(3))],
    "CausalSelfAttention": [
        module_case("bias", attention_layer(True), apply, normal(2, 3, 4)),
        module_case("no-bias", attention_layer(False), apply, normal(1, 3, 4)),
        module_case("dropout", attention_layer(True, p=0.3), apply_with_key, normal(1, 3, 4)),
    ],
    "MLP": [
        module_case("bias", MLP(2, KEY, True, STD, 0.0), apply, normal(2, 2, 2)),
        module_case("dropout", MLP(2, KEY, False, STD, 0.3), apply_with_key, normal(2, 2)),
    ],
    "Block": [
        module_case("bias", Block(4, 2, 1, KEY, True, 0.0), apply, normal(1, 3, 4)),
        module_case("dropout", Block(4, 2, 1, KEY, False, 0.3), apply_with_key, normal(1, 3, 4)),
    ],
    "GPT": [
        module_case("bias", tiny_gpt(True), lambda model: model(IDS)),
        module_case("dropout", tiny_gpt(False, n_layer=2, dropout=0.3), lambda model: model(IDS, KEY)),
    ],
    "BigramLM": [module_case("repeated", BigramLM(5, KEY), lambda model: model(IDS))],
    "causal_lm_loss": [
        loss_case("bigram", BigramLM(5, KEY)),
        loss_case("gpt", tiny_gpt(False)),
        loss_case("gpt-dropout", tiny_gpt(True, dropout=0.2), KEY),
    ],
}
