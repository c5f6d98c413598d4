"""The size of a model before it is made: parameters, arithmetic and memory.

B batch, T time, C channels, H heads, d channels of a head, N parameters, D tokens of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autograd import Key, shapes_only
from autograd.kernels.on_numpy.attention import kept_weights

from ..errors import BadInput
from .config import TransformerConfig
from .kinds import CONFIGS, build, kind_of
from .module import Module

FLOAT32, FLOAT16 = 4, 2  # bytes
ON_FIRST_TOKEN = ("pooler", "nsp_head")  # of an encoder: products of one token in each row


def outline(kind: str, sizes: dict[str, Any]) -> Module:
    """The module of this configuration, whose parameters have their shapes but take no memory.

    kind: "gpt", "bert" or "seq2seq"; sizes: keywords of that kind's configuration. Raises BadInput for another kind.
    """
    if kind not in CONFIGS:
        raise BadInput(f"a model is one of {', '.join(CONFIGS)}, not {kind!r}")
    with shapes_only():
        return build(CONFIGS[kind](**sizes), Key(0))


def training_flops(parameters: int, tokens: int) -> int:
    """One multiplication and one addition for each parameter and token: once forward, twice backward.

    N here is every parameter; the paper leaves the embeddings out. The part of attention that grows with the length of
    the context is not counted; `flops_per_token` counts it.

    Formula: FLOPs = 6 N D
    Paper: Kaplan et al. 2020, "Scaling laws for neural language models", section 2.1
    Example: examples/05_training.py
    Test: tests/test_size.py
    """
    return 6 * parameters * tokens


def flops_per_token(model: Module, time: int) -> int:
    """FLOPs that training spends on one token of a sequence of T: those of all matrix products, attention's too.

    model: one stack of blocks (a GPT or an encoder), or its outline. As in the paper, all T keys are counted for each
    query, though a causal mask needs only half of them. Unlike the paper we leave out the softmax and the embedding
    look-up. The head of masked language modeling is counted for every token, though only chosen tokens pass through
    it. The pooler and the head of next sentence prediction are not counted: they see one token of each row.

    Formula: FLOPs a token = 3 (2 Σ (in · out over the linear layers) + 4 n_layer H d T)
    Paper: Hoffmann et al. 2022, "Training compute-optimal large language models", appendix F
    Example: examples/05_training.py
    Test: tests/test_size.py
    """
    c: TransformerConfig = model.config
    matrices = sum(
        p.size
        for name, p in model.named_parameters().items()
        if p.ndim == 2 and not is_table(name) and not name.startswith(ON_FIRST_TOKEN)
    )
    if c.tied:
        matrices += c.vocab_size * c.n_embd
    attention = 2 * 2 * c.n_layer * c.n_head * c.channels_of_head * time  # q kᵀ, and the weights times v; all heads
    return 3 * (2 * matrices + attention)


def is_table(name: str) -> bool:
    """Whether this matrix is a table, whose rows are looked up, rather than a factor of a product."""
    return name.split(".")[-2:-1] in (["wte"], ["wpe"], ["wse"])


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that a training step needs."""

    weights: int
    gradients: int
    adam: int
    activations: int

    @property
    def state(self) -> int:
        """The part that does not depend on the batch."""
        return self.weights + self.gradients + self.adam

    @property
    def total(self) -> int:
        return self.state + self.activations


def training_memory(model: Module, batch: int, time: int, recompute: bool = False) -> TrainingMemory:
    """Weights, gradients, Adam's two moments and activations, all in float32, as this library trains."""
    weights = FLOAT32 * model.n_params
    c = model.config
    activations = activation_bytes(c, batch, time, FLOAT32, recompute, scores=False)
    if not recompute:
        causal = kind_of(c) != "bert"
        activations += FLOAT32 * c.n_layer * batch * c.n_head * kept_weights(time, causal)
    return TrainingMemory(weights, weights, 2 * weights, activations)


def activation_bytes(
    c: TransformerConfig,
    batch: int,
    time: int,
    number: int = FLOAT16,
    recompute: bool = False,
    scores: bool = True,
) -> int:
    """Bytes that the blocks keep for the backward, as the paper counts them for GPT-3's form.

    Each block keeps 16 arrays of the size of its input and two dropout masks of one byte an element. Its attention
    keeps the softmax of the scores, its dropout mask, and the product of the two. Our fast kernel computes the scores
    again in the backward and keeps none of these (scores=False), except for short rows (`training_memory`).

    number: bytes of an element. recompute: each block keeps only its input.

    Formula: bytes = T B C n_layer (34 + 5 H T / C); recomputed: 2 T B C n_layer
    Paper: Korthikanti et al. 2022, "Reducing activation recomputation in large transformer models", section 4.1
    Example: examples/05_training.py
    Test: tests/test_size.py
    """
    states = batch * time * c.n_embd * c.n_layer
    if recompute:
        return number * states
    squares = batch * c.n_head * time * time * c.n_layer if scores else 0
    return (16 * number + 2) * states + (2 * number + 1) * squares
