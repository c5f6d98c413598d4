"""How well a model predicts: its loss over a whole text, and the accuracy of an encoder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from autograd import Array, no_grad, to_numpy

from ..errors import BadInput
from ..text.batches import IGNORE
from ..text.masked_baselines import Guess
from ..text.masked_lm import MaskedBatch
from .losses import Loss


@dataclass(frozen=True)
class Evaluation:
    """Total negative log-likelihood in nats over `tokens` targets, of a text of `n_bytes` bytes."""

    nats: float
    tokens: int
    n_bytes: int = 0

    @property
    def loss(self) -> float:
        """Nats a token: comparable only between models with the same tokenizer."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """The number of equally likely tokens among which a guess would be as hard.

        Formula: perplexity = exp(−(1/N) Σ log p(x_i | x_<i))
        Paper: Jelinek et al. 1977, "Perplexity, a measure of the difficulty of speech recognition tasks"
        Example: examples/05_training.py
        Test: tests/test_training.py
        """
        return math.exp(min(self.loss, 700.0))  # exp overflows beyond 709

    @property
    def bits_per_byte(self) -> float:
        """The bits that the model needs for each byte of the text, in UTF-8.

        Perplexity depends on how many tokens a text is cut into. Bits per byte do not, so they compare any two models
        on the same text, whatever their tokenizers. Raises BadInput if the bytes of the text were not counted.

        Formula: bits per byte = −Σ_i ln p(x_i | x_<i) / (ln 2 · bytes of the text)
        Paper: Gao et al. 2020, "The Pile: an 800GB dataset of diverse text for language modeling", section 3.1
        Example: examples/05_training.py
        Test: tests/test_training.py
        """
        if self.n_bytes < 1:
            raise BadInput(f"bits per byte need a text of at least one byte, not {self.n_bytes}")
        return self.nats / (math.log(2) * self.n_bytes)


def evaluate(model: Any, loss: Loss, batches: Iterable[Any], n_bytes: int = 0) -> Evaluation:
    """Sums the loss over batches, without gradients and without dropout. Raises ValueError if there are no targets."""
    totals, tokens = [], 0
    with no_grad():
        for batch in batches:
            total, count = loss(model, batch, None)
            totals.append(total)
            tokens += count
    if tokens == 0:
        raise ValueError("there is nothing to evaluate: no target counts towards the loss")
    return Evaluation(sum(total.item() for total in totals), tokens, n_bytes)  # only this waits for a GPU


def mlm_predictions(model: Any) -> Guess:
    """A function that gives an encoder's likeliest token at each position of a batch."""

    def guess(batch: MaskedBatch) -> Array:
        with no_grad():
            logits = model.mlm_logits(model(batch.inputs, batch.segments, batch.mask))
        return to_numpy(logits.data.argmax(axis=-1))

    return guess


def next_sentence_accuracy(model: Any, batches: Iterable[MaskedBatch]) -> float:
    """The share of pairs for which an encoder says correctly whether the second text follows the first.

    Raises ValueError if there are no pairs.
    """
    right, count = 0, 0
    with no_grad():
        for batch in batches:
            logits = model.nsp_logits(model(batch.inputs, batch.segments, batch.mask))
            said, labels = to_numpy(logits.data).argmax(axis=-1), batch.next_sentence_labels
            right, count = right + int((said == labels).sum()), count + len(labels)
    if count == 0:
        raise ValueError("there is nothing to evaluate: no batch has a pair")
    return right / count


def masked_accuracy(guess: Guess, batches: Iterable[MaskedBatch]) -> float:
    """The share of the chosen tokens that are guessed correctly. Raises ValueError if no token is chosen.

    tinygpt/text/masked_baselines.py has simple guesses with which a model's can be compared.
    """
    right, count = 0, 0
    for batch in batches:
        chosen = batch.targets != IGNORE
        right += int((guess(batch) == batch.targets)[chosen].sum())
        count += int(chosen.sum())
    if count == 0:
        raise ValueError("there is nothing to evaluate: no token was chosen")
    return right / count
