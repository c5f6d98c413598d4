"""Searches for the likeliest text: greedy search, and beam search, which extends several beginnings at once.

    texts = translations(model, source, source_mask, begin, max_new_tokens=50)    # or continuations(gpt, prompts, 50)
    best = [found[0].tokens for found in beam_search(texts, [end], width=4)]

N texts, R beginnings of them that are still extended, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..errors import BadInput, require_whole
from .beginnings import Beginnings
from .sampling import greedy, require_a_choice

LengthPenalty = Callable[[float, int], float]
"""penalty(Σ log p, number of tokens) → the score by which texts of different lengths are compared; higher is better.

For the same Σ log p < 0 the score must only rise, only fall, or stay equal with the length: early stopping relies on
this.
"""

LARGEST_ALPHA = 16  # of lengths below 2**63 this power stays below 2**1024, where float64 ends


def wu_penalty(alpha: float) -> LengthPenalty:
    """Each further token lowers log p, so longer texts are compensated: the more, the larger α. α = 0: log p itself.

    Raises BadInput for an α outside −16 … 16.

    Formula: score(y) = log p(y | x) / lp(y), lp(y) = ((5 + |y|) / 6)^α
    Paper: Wu et al. 2016, "Google's neural machine translation system", section 7
    Example: examples/09_translation.py
    Test: tests/test_beam.py
    """
    _check_alpha(alpha)
    return lambda log_probability, length: log_probability / ((5 + length) / 6) ** alpha


def power_penalty(alpha: float) -> LengthPenalty:
    """The simpler form, which `transformers` uses; for α = 1 it is the mean log-probability per token.

    Raises BadInput for an α outside −16 … 16.

    Formula: score(y) = log p(y | x) / |y|^α
    Paper: Wu et al. 2016, "Google's neural machine translation system", section 7, the form it begins with
    Example: examples/06_generation.py
    Test: tests/test_beam.py
    """
    _check_alpha(alpha)
    return lambda log_probability, length: log_probability / length**alpha


def _check_alpha(alpha: float) -> None:
    if not -LARGEST_ALPHA <= alpha <= LARGEST_ALPHA:
        raise BadInput(f"the alpha of length_penalty must be from -{LARGEST_ALPHA} to {LARGEST_ALPHA}, not {alpha}")


@dataclass(frozen=True)
class Hypothesis:
    """A text that has ended, or was cut at the limit, with Σ log p of its tokens and its score.

    The end token counts in log_probability and in the length for the score, but is not part of `tokens`.
    """

    tokens: list[int]
    log_probability: float
    score: float
    ended: bool


def greedy_search(texts: Beginnings, ends: Collection[int]) -> list[list[int]]:
    """The new tokens of each text, each the likeliest after those before it.

    A text ends before any of the tokens `ends`, or is cut at max_new_tokens. Raises BadInput for ends outside the
    vocabulary, and where a rule leaves no token that could come next.
    """
    _require_ends(ends, texts)
    written: list[list[int]] = [[] for _ in texts.of_text]
    while len(texts.of_text) and texts.length < texts.max_new_tokens:
        tokens = np.asarray([greedy(row) for row in texts.log_probabilities()])
        going_on = np.flatnonzero(~np.isin(tokens, list(ends)))
        texts.keep(going_on, tokens[going_on])
        for i, token in zip(texts.of_text, tokens[going_on]):
            written[i].append(int(token))
    return written


def beam_search(
    texts: Beginnings,
    ends: Collection[int],
    width: int = 4,
    length_penalty: LengthPenalty = wu_penalty(0.6),  # noqa: B008  a function, which nothing changes
    early_stopping: bool | Literal["never"] = False,
) -> list[list[Hypothesis]]:
    """For each text at most `width` results, the best first.

    At each step take the `width` best continuations of each text. Those that end become results; the `width` best that
    do not end stay in the beam. At max_new_tokens all are cut. A width of 1 is greedy search; a width as large as the
    number of possible texts is exhaustive. The defaults, width 4 and α = 0.6, are those of Vaswani et al. 2017,
    section 6.1.

    early_stopping True: stop at `width` results; they are then often texts that ended too soon. False: stop at `width`
    results when the best open beginning, if it ended now, would score no better than the worst of them. "never": as
    False, but for any length that the beginning could still reach.

    Raises BadInput as greedy_search does, for a width below 1 and for another early_stopping.

    Formula: beam_t = the `width` y_≤t of greatest Σ_i≤t log p(y_i | y_<i, x), y_<t in beam_(t−1)
    Paper: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", section 3.2
    Example: examples/09_translation.py
    Test: tests/test_beam.py
    """
    require_whole("the beam's width", width, 1)
    if not isinstance(early_stopping, bool) and early_stopping != "never":
        raise BadInput(f'early_stopping must be True, False or "never", not {early_stopping!r}')
    _require_ends(ends, texts)
    search = _Search(texts, frozenset(ends), width, length_penalty, early_stopping)
    while len(texts.of_text):
        search.step()
    return search.found


class _Candidate(NamedTuple):
    """A beginning, a token that may continue it, and Σ log p of both together."""

    row: int
    token: int
    log_probability: float


class _Search:
    """A search in progress: the open beginnings, Σ log p of each (R,), and the results of each text so far."""

    def __init__(
        self,
        texts: Beginnings,
        ends: frozenset[int],
        width: int,
        length_penalty: LengthPenalty,
        early_stopping: bool | Literal["never"],
    ) -> None:
        self.texts, self.ends, self.width = texts, ends, width
        self.length_penalty, self.early_stopping = length_penalty, early_stopping
        self.sums = np.zeros(len(texts.of_text))
        self.found: list[list[Hypothesis]] = [[] for _ in texts.of_text]

    def step(self) -> None:
        """Extends all beginnings by one token."""
        totals = self.sums[:, None] + self.texts.log_probabilities()
        length = self.texts.length + 1
        going_on: list[_Candidate] = []
        for text in np.unique(self.texts.of_text):
            rows = np.flatnonzero(self.texts.of_text == text)
            # at most width · |ends| of these candidates end, so that `width` are left to stay in the beam
            likeliest = _likeliest(totals, rows, self.width * (1 + len(self.ends)))
            over = length == self.texts.max_new_tokens
            ended = [each for each in likeliest[: self.width] if over or each.token in self.ends]
            live = [] if over else [each for each in likeliest if each.token not in self.ends][: self.width]
            if not self.found[text]:
                require_a_choice(totals[rows])
            self.found[text] = self._best([*self.found[text], *(self._hypothesis(each, length) for each in ended)])
            if live and self._may_find_more(self.found[text], live[0].log_probability, length):
                going_on += live
        self.texts.keep(
            np.asarray([each.row for each in going_on], dtype=np.int64),
            np.asarray([each.token for each in going_on], dtype=np.int64),
        )
        self.sums = np.asarray([each.log_probability for each in going_on])

    def _hypothesis(self, one: _Candidate, length: int) -> Hypothesis:
        tokens, ended = self.texts.written(one.row), one.token in self.ends
        score = self.length_penalty(one.log_probability, length)
        return Hypothesis(tokens if ended else [*tokens, one.token], one.log_probability, score, ended)

    def _best(self, found: list[Hypothesis]) -> list[Hypothesis]:
        return sorted(found, key=lambda each: -each.score)[: self.width]

    def _may_find_more(self, found: list[Hypothesis], likeliest: float, length: int) -> bool:
        """Whether an open beginning may still become a better result.

        Σ log p only falls, so a beginning's best possible score is at the shortest or the longest length left.
        """
        if len(found) < self.width:
            return True
        if self.early_stopping is True or self.width == 1:  # width 1 is greedy search, which ends with its first result
            return False
        lengths = (length, self.texts.max_new_tokens) if self.early_stopping == "never" else (length,)
        return max(self.length_penalty(likeliest, each) for each in lengths) > found[-1].score


def _likeliest(totals: np.ndarray, rows: np.ndarray, n: int) -> list[_Candidate]:
    """The n likeliest continuations of these rows, the likeliest first; impossible ones (−∞) are left out."""
    values, size = totals[rows].ravel(), totals.shape[1]
    places = [place for place in _greatest(values, n) if values[place] > -np.inf]
    return [_Candidate(int(rows[place // size]), int(place % size), float(values[place])) for place in places]


def _greatest(values: np.ndarray, n: int) -> np.ndarray:
    """Indices of the n greatest values, the greatest first; among equals the lowest index first."""
    if n < values.size:
        places = np.flatnonzero(values >= np.partition(values, -n)[-n])
    else:
        places = np.arange(values.size)
    return places[np.argsort(-values[places], kind="stable")][:n]


def _require_ends(ends: Collection[int], texts: Beginnings) -> None:
    for end in ends:
        if not 0 <= end < texts.vocab_size:
            raise BadInput(f"end is the id {end}, outside 0 … {texts.vocab_size - 1}: which tokenizer has it?")
