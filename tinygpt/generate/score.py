"""How likely a model finds a text, token by token.

N tokens scored, T the context, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import cross_entropy, no_grad, to_device, to_numpy

from ..errors import BadInput, require_whole
from ..text.batches import IGNORE, strided_windows
from ..text.tokenizer import BaseTokenizer
from ..train.evaluate import Evaluation

BATCH_LOGITS = 1 << 22  # logits in a batch: 16 MiB in float32


@dataclass(frozen=True)
class Score:
    """The scored tokens and the log-probability of each, in nats; `given` are tokens before them, not scored."""

    given: list[int]
    tokens: list[int]
    logprobs: np.ndarray
    n_bytes: int
    """The bytes of the scored tokens."""

    @property
    def total(self) -> float:
        """log p of all the tokens scored, given those before them."""
        return float(self.logprobs.sum())

    @property
    def evaluation(self) -> Evaluation:
        """Loss, perplexity and bits per byte."""
        return Evaluation(-self.total, len(self.tokens), self.n_bytes)


def score(model: Any, tokens: Sequence[int], stride: int | None = None) -> np.ndarray:
    """(N,) float64: log p of every token but the first, given those before it within the context.

    A text longer than the context is read in windows of T tokens, `stride` tokens apart. By default windows do not
    overlap, and the first prediction of each window sees only one token. A smaller stride gives every prediction at
    least T − stride tokens, and takes T / stride times as long.
    Raises BadInput for fewer than 2 tokens, ids outside the vocabulary, a stride outside 1 … T, and for fractions.

    Formula: log p(x_1 … x_N | x_0) ≈ Σ_t log p(x_t | x_w … x_{t−1}), w the place where the window of t begins
    Paper: Baevski & Auli 2019, "Adaptive input representations for neural language modeling", section 4
    Example: examples/06_generation.py
    Test: tests/test_score.py
    """
    row, config = np.asarray(tokens), model.config
    if stride is not None:
        require_whole("the stride", stride, 1)
        if stride > config.block_size:
            raise BadInput(f"the stride must be from 1 to the context of {config.block_size}, not {stride}")
    if len(row) < 2:
        raise BadInput(f"the text has {len(row)} tokens, and scoring needs at least 2: give more text")
    if row.dtype.kind not in "iu":
        raise BadInput(f"the text holds numbers of type {row.dtype}, and ids of tokens must be whole numbers")
    row = row.astype(np.int64)
    if row.min() < 0 or row.max() >= config.vocab_size:
        raise BadInput(f"the text has ids outside 0 … {config.vocab_size - 1}: was it made by another tokenizer?")
    size = min(config.block_size, len(row) - 1)
    rows = max(1, BATCH_LOGITS // (size * config.vocab_size))
    device, found = model.parameters()[0].device, []
    with no_grad():
        for inputs, targets in strided_windows(row, rows, size, min(stride or size, size)):
            logits = model(to_device(inputs, device))
            nats = cross_entropy(logits, to_device(targets, device), ignore_index=IGNORE, reduction="none")
            found.append(-to_numpy(nats.data)[targets != IGNORE].astype(np.float64))
    return np.concatenate(found)


def score_text(model: Any, tokenizer: BaseTokenizer, text: str, stride: int | None = None) -> Score:
    """The score of a text as a document: its first token follows the end-of-text token of another.

    If the vocabulary has no end-of-text token, nothing predicts the first token: it is given, not scored.
    Special tokens written in the text are ordinary text. Raises BadInput as `score` does, and for a text that the
    vocabulary cannot spell.
    """
    tokens = tokenizer.encode(text)
    if not tokens:
        raise BadInput("there is no text to score")
    if tokenizer.end_of_text is not None:
        tokens = [tokenizer.end_of_text, *tokens]
    logprobs = score(model, tokens, stride)
    return Score(tokens[:1], tokens[1:], logprobs, len(tokenizer.decode_bytes(tokens[1:])))
