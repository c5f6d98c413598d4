"""What a search goes on with: several beginnings of texts at once, each token of which is read once.

Searches know three things of them: how likely each token is to come next, which go on with what, and what is written.
So one search serves a model that continues a prompt and one that writes from a source.

N texts, R beginnings of theirs, P tokens in a prompt, S in the longest source, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from autograd import log_softmax, no_grad, to_device, to_numpy, wide

from ..errors import BadInput
from ..model import Seq2Seq
from .decoding import check_prompt
from .reading import make_reader
from .sampling import Rule, require_a_choice


class Reads(Protocol):
    """A model, and what it has read of R texts, each token once."""

    def __call__(self, texts: Sequence[list[int]]) -> np.ndarray:
        """The logits (R, V) after the texts, which begin as those of the call before."""

    def keep(self, rows: Sequence[int]) -> None:
        """Reads on in these of the texts, of which one may occur several times."""

    @property
    def n_bytes(self) -> int:
        """What the keys and values that are kept take now; see Cache.n_bytes."""


class Beginnings:
    """R beginnings, all of one length, and which of the N texts each is of; at first there is one for each text.

    A search writes them to their end, so that they serve one.
    max_new_tokens: at which they are cut. rule: changes the logits, before they become probabilities, as in `generate`;
    it is shown all tokens, with those that were given.
    """

    def __init__(
        self, read: Reads, given: np.ndarray, vocab_size: int, max_new_tokens: int, rule: Rule | None = None
    ) -> None:
        if max_new_tokens < 1:
            raise BadInput(f"max_new_tokens must be at least 1, not {max_new_tokens}")
        self.read, self.vocab_size, self.max_new_tokens, self.rule = read, vocab_size, max_new_tokens, rule
        self.of_text = np.arange(len(given))
        self.tokens, self.n_given = given, given.shape[1]

    @property
    def length(self) -> int:
        """How many tokens have been written."""
        return self.tokens.shape[1] - self.n_given

    @property
    def n_bytes(self) -> int:
        """What the keys and values that are kept take now; see Cache.n_bytes."""
        return self.read.n_bytes

    def log_probabilities(self) -> np.ndarray:
        """(R, V) float64: of each next token; −∞ for those that the rule excludes.

        Raises BadInput where the model's predictions are no numbers.
        """
        texts = self.tokens.tolist()
        logits = self.read(texts).astype(np.float64)
        require_a_choice(logits)
        if self.rule is not None:
            logits = np.stack([self.rule(row, tokens) for row, tokens in zip(logits, texts)])
        return log_softmax(logits).data

    def keep(self, rows: np.ndarray, tokens: np.ndarray) -> None:
        """Each of the beginnings `rows`, of which one may occur several times, with one more token."""
        self.of_text = self.of_text[rows]
        self.tokens = np.concatenate([self.tokens[rows], tokens[:, None]], axis=1)
        self.read.keep(rows)

    def written(self, row: int) -> list[int]:
        """The new tokens of a beginning."""
        return self.tokens[row, self.n_given :].tolist()


def continuations(
    model: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, rule: Rule | None = None
) -> Beginnings:
    """Texts that go on from prompts of one length (N, P).

    What the model sees of a text longer than the context: context.py. Raises BadInput for prompts of several lengths,
    and for those that `generate` refuses.
    """
    lengths = {len(prompt) for prompt in prompts}
    if len(lengths) != 1:
        raise BadInput(f"prompts that are searched together need one length, and these have {sorted(lengths)}")
    for prompt in prompts:
        check_prompt(model, prompt, "the prompt")
    given = np.asarray(prompts, dtype=np.int64)
    read = make_reader(model, given.shape[1] + max(max_new_tokens, 1) - 1)  # the last token is written and not read
    return Beginnings(read, given, model.config.vocab_size, max_new_tokens, rule)


def translations(
    model: Seq2Seq,
    source: np.ndarray,
    source_mask: np.ndarray | None,
    begin: int,
    max_new_tokens: int,
    rule: Rule | None = None,
) -> Beginnings:
    """What an encoder–decoder makes of sources (N, S), each written from the token `begin` on.

    source_mask: (N, S), True at real tokens (None: all are real).
    Raises BadInput for a `begin` that the model does not know, and more tokens than learned positions have.
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
    """An encoder–decoder: the encoder has read the sources, once; the decoder reads the targets."""

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

