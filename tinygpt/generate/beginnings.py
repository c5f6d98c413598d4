"""The beginnings of texts that a search extends, several at once; the model reads each of their tokens only once.

A search needs three things of them: the probabilities of the next token, a way to choose which beginnings continue with
which tokens, and the tokens written so far. So the same search serves a GPT that continues a prompt and an
encoder–decoder that writes from a source.

N texts, R beginnings of them, P tokens in a prompt, S in the longest source, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from autograd import log_softmax, no_grad, to_device, to_numpy, wide

from ..errors import BadInput, require_whole
from ..model import Seq2Seq
from .decoding import check_prompt
from .reading import make_reader
from .sampling import Rule, require_predictions


class Reads(Protocol):
    """A model and its cache of R texts, each token of which it reads once."""

    def __call__(self, texts: Sequence[list[int]]) -> np.ndarray:
        """The logits (R, V) after the texts, which continue those of the previous call."""

    def keep(self, rows: Sequence[int]) -> None:
        """Continues with these rows; a row may occur several times."""

    @property
    def n_bytes(self) -> int:
        """The memory of the cached keys and values; see Cache.n_bytes."""


class Beginnings:
    """R beginnings, all of one length, and the text that each belongs to; at first one for each of the N texts.

    A search uses them up, so each search needs new ones. max_new_tokens: the number at which texts are cut. rule:
    changes the logits before they become probabilities, as in `generate`; it sees all tokens, the given ones included.
    Raises BadInput for a max_new_tokens below 1.
    """

    def __init__(
        self, read: Reads, given: np.ndarray, vocab_size: int, max_new_tokens: int, rule: Rule | None = None
    ) -> None:
        require_whole("max_new_tokens", max_new_tokens, 1)
        self.read, self.vocab_size, self.max_new_tokens, self.rule = read, vocab_size, max_new_tokens, rule
        self.of_text = np.arange(len(given))
        self.tokens, self.n_given = given, given.shape[1]

    @property
    def length(self) -> int:
        """How many tokens have been written."""
        return self.tokens.shape[1] - self.n_given

    @property
    def n_bytes(self) -> int:
        """The memory of the cached keys and values; see Cache.n_bytes."""
        return self.read.n_bytes

    def log_probabilities(self) -> np.ndarray:
        """log p of each possible next token, (R, V) float64; −∞ for tokens that the rule excludes.

        Raises BadInput where the model's predictions are not finite.
        """
        texts = self.tokens.tolist()
        logits = self.read(texts).astype(np.float64)
        require_predictions(logits)
        if self.rule is not None:
            logits = np.stack([self.rule(row, tokens) for row, tokens in zip(logits, texts)])
        return log_softmax(logits).data

    def keep(self, rows: np.ndarray, tokens: np.ndarray) -> None:
        """Keeps the beginnings `rows`, each with one more token; a row may occur several times."""
        self.of_text = self.of_text[rows]
        self.tokens = np.concatenate([self.tokens[rows], tokens[:, None]], axis=1)
        self.read.keep(rows)

    def written(self, row: int) -> list[int]:
        """The new tokens of a beginning."""
        return self.tokens[row, self.n_given :].tolist()


def continuations(
    model: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, rule: Rule | None = None
) -> Beginnings:
    """Beginnings that continue prompts of one length (N, P).

    context.py says what the model sees of a text longer than its context. Raises BadInput for prompts of different
    lengths, and for those that `generate` refuses.
    """
    lengths = {len(prompt) for prompt in prompts}
    if len(lengths) != 1:
        raise BadInput(f"prompts that are searched together need one length, and these have {sorted(lengths)}")
    for prompt in prompts:
        check_prompt(model, prompt, "the prompt")
    given = np.asarray(prompts, dtype=np.int64)
    read = make_reader(model, given.shape[1] + max(max_new_tokens, 1) - 1)  # the last token is written, but not read
    return Beginnings(read, given, model.config.vocab_size, max_new_tokens, rule)


def translations(
    model: Seq2Seq,
    source: np.ndarray,
    source_mask: np.ndarray | None,
    begin: int,
    max_new_tokens: int,
    rule: Rule | None = None,
) -> Beginnings:
    """Beginnings of what an encoder–decoder writes for sources (N, S); each starts with the token `begin`.

    source_mask: (N, S), True at real tokens (None: all are real).
    Raises BadInput for a `begin` outside the vocabulary, and for a max_new_tokens beyond learned positions.
    """
    config = model.config
    if config.positions == "learned" and max_new_tokens > config.block_size:
        raise BadInput(
            f"a target of {max_new_tokens} tokens is longer than the model's context of {config.block_size}: "
            "learned positions end there, so lower max_new_tokens"
        )
    if not 0 <= begin < config.vocab_size:
        raise BadInput(f"begin is the id {begin}, outside 0 … {config.vocab_size - 1}: which tokenizer has it?")
    given = np.full((len(source), 1), begin, dtype=np.int64)
    read = _OfSources(model, source, source_mask, max(max_new_tokens, 1))
    return Beginnings(read, given, config.vocab_size, max_new_tokens, rule)


class _OfSources:
    """An encoder–decoder: the encoder reads the sources once; the decoder reads the targets as they grow."""

    def __init__(self, model: Seq2Seq, source: np.ndarray, source_mask: np.ndarray | None, capacity: int) -> None:
        device = model.parameters()[0].device
        mask = None if source_mask is None else to_device(source_mask, device)
        with no_grad():
            encoded = model.encode(to_device(source, device), mask)
            self.cache = model.new_cache(encoded, mask, capacity)
        self.model, self.device = model, device

    def __call__(self, texts: Sequence[list[int]]) -> np.ndarray:
        new = to_device(np.asarray(texts)[:, self.cache.length :], self.device)
        with no_grad():
            return to_numpy(wide(self.model.decode(new, cache=self.cache).data[:, -1]))

    def keep(self, rows: Sequence[int]) -> None:
        self.cache = self.cache.rows(rows)

    @property
    def n_bytes(self) -> int:
        return self.cache.n_bytes

