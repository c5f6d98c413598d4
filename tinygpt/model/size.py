"""How large a model is, before it is made: parameters, arithmetic and memory.

B batch, T time, C channels, D channels of a head, H heads, N parameters, K tokens of training.
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


def outline(kind: str, sizes: dict[str, Any]) -> Module:
    """The module that this configuration makes, every parameter with its shape and without its memory.

    kind: "gpt", "bert" or "seq2seq"; sizes: keywords of that kind's configuration. Raises BadInput for another kind.
    """
    if kind not in CONFIGS:
        raise BadInput(f"a model is one of {', '.join(CONFIGS)}, not {kind!r}")
    with shapes_only():
        return build(CONFIGS[kind](**sizes), Key(0))


def training_flops(parameters: int, tokens: int) -> int:
    """A multiplication and an addition for each weight and token, once forward and twice backward.

    What attention does with the length of its context is left out; `flops_per_token` counts it.

    Formula: FLOPs = 6 N K
    Paper: Kaplan et al. 2020, "Scaling laws for neural language models", section 2.1
    Example: examples/05_training.py
    Test: tests/test_size.py
    """
    return 6 * parameters * tokens


def flops_per_token(model: Module, time: int) -> int:
    """What one token of a sequence of T costs in training: every product, those of attention too.

    model: one stack of blocks (a GPT or an encoder); an outline will do. As in the paper, all T keys are counted for
    each query, though a causal mask needs half of them; normalizations, activations and the softmax are not.

    Formula: FLOPs a token = 3 (2 Σ (in · out over the linear layers) + 4 n_layer H D T)
    Paper: Hoffmann et al. 2022, "Training compute-optimal large language models", appendix F
    Example: examples/05_training.py
    Test: tests/test_size.py
    """
    c: TransformerConfig = model.config
    matrices = sum(p.size for name, p in model.named_parameters().items() if p.ndim == 2 and not is_table(name))
    if c.tied:
        matrices += c.vocab_size * c.n_embd
    attention = 2 * 2 * c.n_layer * c.n_head * c.channels_of_head * time  # q kᵀ, and the weights times v
    return 3 * (2 * matrices + attention)


def is_table(name: str) -> bool:
    """Whether rows are looked up in this matrix, rather than multiplied by it."""
    return name.split(".")[-2:-1] in (["wte"], ["wpe"], ["wse"])


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that a step of training needs."""

    weights: int
    gradients: int
    adam: int
    activations: int

    @property
    def state(self) -> int:
        """What is there whatever the batch is."""
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
    """What the blocks keep for the backward, as the paper counts it for GPT-3's form; `number`: bytes of an element.

    Of each block 16 arrays as large as its input and two masks of dropout of one byte an element; of attention the
    softmax of the scores, its mask and their product. Our kernel at speed makes the scores anew and keeps none of
    these (scores=False), unless rows are short (`training_memory`). recompute: every block keeps its input alone.

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
