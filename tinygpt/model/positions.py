"""Where a token stands. Attention alone does not know: it treats its keys as a set.

T time, C channels.
"""

from __future__ import annotations

from autograd import Key, Tensor

from ..errors import BadInput
from .layers import STD
from .module import Module, Parameter


class LearnedPositions(Module):
    """A learned vector for each position, added to the token's own.

    Formula: x_t = table[token_t] + positions[t]
    Paper: Radford et al. 2018, "Improving language understanding by generative pre-training", section 3.1
    Example: examples/04_attention.py
    Test: tests/test_model.py
    """

    weight: Parameter

    def __init__(self, block_size: int, n_embd: int, key: Key) -> None:
        self.weight = Parameter(key.normal((block_size, n_embd), STD))

    def __call__(self, n: int) -> Tensor:
        """The vectors of positions 0 … n − 1. (T, C)"""
        if n > self.weight.shape[0]:
            raise BadInput(
                f"a sequence of {n} tokens is longer than the model's context of {self.weight.shape[0]}: "
                "learned positions end there, so keep the last tokens only"
            )
        return self.weight[:n]
