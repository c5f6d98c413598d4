"""The networks that the benchmarks measure, and the batches they are fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Configuration:
    """Hyper-parameters under GPTConfig's names, and how many steps one round of the measurement takes."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    vocab_size: int
    bias: bool
    batch_size: int
    steps_per_round: int

    @property
    def tokens(self) -> int:
        """Tokens in one batch."""
        return self.batch_size * self.block_size

    def model_arguments(self) -> dict[str, int | bool]:
        """What the model itself is made from."""
        names = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "bias")
        return {name: getattr(self, name) for name in names}


CONFIGURATIONS = {
    # nanoGPT's recipe for a CPU
    "nano": Configuration(4, 4, 128, 64, 65, bias=False, batch_size=12, steps_per_round=40),
    # nanoGPT's "baby GPT", without dropout
    "baby": Configuration(6, 6, 384, 256, 65, bias=False, batch_size=16, steps_per_round=3),
    # GPT-2 small with 256 positions: the table of positions ends with the context that is trained
    "gpt2-small": Configuration(12, 12, 768, 256, 50257, bias=True, batch_size=2, steps_per_round=2),
}

# On a GPU: GPT-2's own context, and a batch to begin with, of which a quarter is left out until it fits.
GPU_CONFIGURATIONS = {
    "nano": CONFIGURATIONS["nano"],
    "gpt2-small": Configuration(12, 12, 768, 1024, 50257, bias=True, batch_size=128, steps_per_round=3),
    "gpt2-medium": Configuration(24, 16, 1024, 1024, 50257, bias=True, batch_size=64, steps_per_round=3),
}

LEARNING_RATE = 3e-4
BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
GRAD_CLIP = 1.0


def tokens_of(config: Configuration, index: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Batch number `index`, the same for everyone: inputs and targets (B, T), uniform random tokens.

    Fresh tokens for each step, so that no side learns its batch by heart and ends with vanishing gradients.
    """
    import numpy

    shape = (config.batch_size, config.block_size + 1)
    ids = numpy.random.default_rng(index).integers(config.vocab_size, size=shape, dtype=numpy.int64)
    return numpy.ascontiguousarray(ids[:, :-1]), numpy.ascontiguousarray(ids[:, 1:])


def flops_per_token(config: Configuration, parameters: int) -> int:
    """Multiplications and additions that one training step spends on one token.

    Forward is 2 for each parameter and backward 4: 6·parameters; attention's two products add 12·layers·width·context
    (both halves of the causal square counted). `parameters` counts the token table once, for the head's product
    (looking up its rows is free), and not the table of positions, which is only added.

    Source: Chowdhery et al. 2022, "PaLM", appendix B.
    """
    return 6 * parameters + 12 * config.n_layer * config.n_embd * config.block_size
