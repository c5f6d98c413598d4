"""An encoder–decoder writes: the source is read once, then one token of every target after another.

    ids = beam_search(model, source, source_mask, begin, end, max_new_tokens=50, width=4)

N sources, S tokens in the longest, R targets being written at the same time, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Tensor, log_softmax, no_grad, to_device, to_numpy, wide

from ..errors import BadInput


def greedy_search(
    model: Any, source: np.ndarray, source_mask: np.ndarray, begin: int, end: int, max_new_tokens: int
) -> list[list[int]]:
    """For each source (N, S), the target of which every token is the likeliest after those before it.

    A target ends before `end`, which is not among its ids, or after max_new_tokens. Raises BadInput for a target longer
    than learned positions, and for a `begin` or `end` that the model does not know.
    """
    texts = _Targets(model, source, source_mask, begin, end, max_new_tokens)
    written: list[list[int]] = [[] for _ in source]
    while len(texts.of_source) and texts.length < max_new_tokens:
        tokens = texts.log_probabilities().argmax(axis=1)
        going_on = np.flatnonzero(tokens != end)
        texts.keep(going_on, tokens[going_on])
        for i, token in zip(texts.of_source, tokens[going_on]):
            written[i].append(int(token))
    return written


@dataclass(frozen=True)
class Hypothesis:
    """A target that has ended, or was cut, and Σ log p of its tokens (that of its end, too)."""

    tokens: list[int]
    log_probability: float
    ended: bool

    def score(self, length_penalty: float) -> float:
        """What hypotheses of different lengths are compared by: a longer one has more that could be unlikely.

        Formula: score = log p(y | x) / lp(y), lp(y) = ((5 + |y|) / 6)^α
        Paper: Wu et al. 2016, "Google's neural machine translation system", section 7
        Example: examples/09_translation.py
        Test: tests/test_translate.py
        """
        length = len(self.tokens) + self.ended
        return self.log_probability / ((5 + length) / 6) ** length_penalty


def beam_search(
    model: Any,
    source: np.ndarray,
    source_mask: np.ndarray,
    begin: int,
    end: int,
    max_new_tokens: int,
    width: int = 4,
    length_penalty: float = 0.6,
) -> list[list[int]]:
    """For each source (N, S), the best target found while going on with the `width` likeliest beginnings.

    One that ends, or is cut after max_new_tokens, takes its place in the beam with it, so that the search is over when
    `width` are found: a width of one is greedy search, and one as great as there are targets is exhaustive. They are
    compared by Hypothesis.score, where length_penalty is α. Raises BadInput as greedy_search does, and for a width
    below one.

    Formula: beam_t = the `width` y_≤t of greatest Σ_i≤t log p(y_i | y_<i, x), y_<t in beam_(t−1)
    Paper: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", section 3.2
    Example: examples/09_translation.py
    Test: tests/test_translate.py
    """
    if width < 1:
        raise BadInput(f"the beam's width must be at least 1, not {width}")
    texts = _Targets(model, source, source_mask, begin, end, max_new_tokens)
    sums = np.zeros(len(source))
    found: list[list[Hypothesis]] = [[] for _ in source]
    while len(texts.of_source) and texts.length < max_new_tokens:
        candidates = sums[:, None] + texts.log_probabilities()
        rows, tokens = [], []
        for i in np.unique(texts.of_source):
            own = np.flatnonzero(texts.of_source == i)
            places = _greatest(candidates[own].ravel(), width - len(found[i]))
            own_rows, own_tokens = own[places // candidates.shape[1]], places % candidates.shape[1]
            for row in own_rows[own_tokens == end]:
                found[i].append(Hypothesis(texts.written(row), float(candidates[row, end]), True))
            rows.append(own_rows[own_tokens != end])
            tokens.append(own_tokens[own_tokens != end])
        kept, added = np.concatenate(rows), np.concatenate(tokens)
        sums = candidates[kept, added]
        texts.keep(kept, added)
    for row, i in enumerate(texts.of_source):
        found[i].append(Hypothesis(texts.written(row), float(sums[row]), False))
    return [max(each, key=lambda one: one.score(length_penalty)).tokens for each in found]


class _Targets:
    """The R targets being written, all of one length, and which source each is of.

    Searches know two things about them: the probabilities of what may come next, and which go on with what. Whoever
    adds a cache of keys and values need look nowhere else.
    """

    def __init__(
        self, model: Any, source: np.ndarray, source_mask: np.ndarray, begin: int, end: int, max_new_tokens: int
    ) -> None:
        _check(model.config, begin, end, max_new_tokens)
        self.model, self.device = model, model.parameters()[0].device
        self.mask = to_device(source_mask, self.device)
        with no_grad():
            self.encoded = model.encode(to_device(source, self.device), self.mask)
        self.of_source = np.arange(len(source))
        self.tokens = np.full((len(source), 1), begin, dtype=np.int64)

    @property
    def length(self) -> int:
        return self.tokens.shape[1] - 1

    def log_probabilities(self) -> np.ndarray:
        """(R, V): of each next token."""
        rows = to_device(self.of_source, self.device)
        encoded, mask = Tensor(self.encoded.data[rows]), self.mask[rows]
        with no_grad():
            logits = self.model.decode(to_device(self.tokens, self.device), encoded, mask)
        return log_softmax(to_numpy(wide(logits.data[:, -1])).astype(np.float64)).data

    def keep(self, rows: np.ndarray, tokens: np.ndarray) -> None:
        """Each of the targets `rows`, of which one may occur several times, with one more token."""
        self.of_source = self.of_source[rows]
        self.tokens = np.concatenate([self.tokens[rows], tokens[:, None]], axis=1)

    def written(self, row: int) -> list[int]:
        return self.tokens[row, 1:].tolist()


def _check(config: Any, begin: int, end: int, max_new_tokens: int) -> None:
    if max_new_tokens < 1:
        raise BadInput(f"max_new_tokens must be at least 1, not {max_new_tokens}")
    if config.positions == "learned" and max_new_tokens > config.block_size:
        raise BadInput(
            f"a target of {max_new_tokens} tokens is longer than the model's context of {config.block_size}: "
            "learned positions end there, so lower max_new_tokens"
        )
    for name, token in (("begin", begin), ("end", end)):
        if not 0 <= token < config.vocab_size:
            raise BadInput(f"{name} is the id {token}, outside 0 … {config.vocab_size - 1}: which tokenizer has it?")


def _greatest(values: np.ndarray, n: int) -> np.ndarray:
    """Places of the n greatest values, the greatest first, among equals the first."""
    if n < values.size:
        places = np.flatnonzero(values >= np.partition(values, -n)[-n])
    else:
        places = np.arange(values.size)
    return places[np.argsort(-values[places], kind="stable")][:n]
