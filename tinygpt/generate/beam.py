"""Searches for the likeliest text: one token after another, or among several beginnings at once.

    texts = translations(model, source, source_mask, begin, max_new_tokens=50)    # or continuations(gpt, prompts, 50)
    best = [found[0].tokens for found in beam_search(texts, [end], width=4)]

N texts, R beginnings of theirs that are gone on with, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..errors import BadInput
from .beginnings import Beginnings
from .sampling import greedy, require_a_choice

LengthPenalty = Callable[[float, int], float]
"""penalty(Σ log p, tokens) → the score by which texts of different lengths are compared; better is greater.

Of two texts with the same Σ log p < 0, a score must favour the longer always, the shorter always, or neither.
"""


def wu_penalty(alpha: float) -> LengthPenalty:
    """A longer text has more that could be unlikely: α from 0 (log p itself) upwards favours it the more.

    Formula: score(y) = log p(y | x) / lp(y), lp(y) = ((5 + |y|) / 6)^α
    Paper: Wu et al. 2016, "Google's neural machine translation system", section 7
    Example: examples/09_translation.py
    Test: tests/test_beam.py
    """
    return lambda log_probability, length: log_probability / ((5 + length) / 6) ** alpha


def power_penalty(alpha: float) -> LengthPenalty:
    """The plainer form, which `transformers` has: for α = 1 the mean log-probability of a token.

    Formula: score(y) = log p(y | x) / |y|^α
    Paper: Wu et al. 2016, "Google's neural machine translation system", section 7, the form it begins with
    Example: examples/06_generation.py
    Test: tests/test_beam.py
    """
    return lambda log_probability, length: log_probability / length**alpha


@dataclass(frozen=True)
class Hypothesis:
    """A text that has ended, or was cut, and Σ log p of its tokens, that of its end among them.

    The end counts in its length, too, and is not among its tokens.
    """

    tokens: list[int]
    log_probability: float
    score: float
    ended: bool


def greedy_search(texts: Beginnings, ends: Collection[int]) -> list[list[int]]:
    """For each text the tokens of which each is the likeliest after those before it.

    A text ends before any of `ends`, or is cut. Raises BadInput for ends that the model does not know, and where a
    rule leaves nothing that could come next.
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
    """For each text the best that were found, `width` at most and the best first, going on with the `width` likeliest
    beginnings.

    Of the `width` likeliest continuations those that end are found, so that a width of one is greedy search, and one as
    great as there are texts is exhaustive; the `width` likeliest others are gone on with. A text is searched until
    `width` are found (early_stopping True), or until then and for as long as the likeliest beginning would score better
    than the worst of them if it ended where it is (False), or if it ended anywhere ("never"); at max_new_tokens all are
    cut. Where it stops at once, beginnings that end too soon often fill what is found before a better one has ended.
    Raises BadInput as greedy_search does, and for a width below one.

    Formula: beam_t = the `width` y_≤t of greatest Σ_i≤t log p(y_i | y_<i, x), y_<t in beam_(t−1)
    Paper: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", section 3.2
    Example: examples/09_translation.py
    Test: tests/test_beam.py
    """
    if width < 1:
        raise BadInput(f"the beam's width must be at least 1, not {width}")
    if not isinstance(early_stopping, bool) and early_stopping != "never":
        raise BadInput(f'early_stopping must be True, False or "never", not {early_stopping!r}')
    _require_ends(ends, texts)
    search = _Search(texts, frozenset(ends), width, length_penalty, early_stopping)
    while len(texts.of_text):
        search.step()
    return search.found


class _Candidate(NamedTuple):
    """One of the beginnings, and what it may go on with."""

    row: int
    token: int
    log_probability: float


class _Search:
    """The texts that are being searched, Σ log p of their beginnings (R,), and what has been found of each."""

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
        """One more token for all."""
        totals = self.sums[:, None] + self.texts.log_probabilities()
        length = self.texts.length + 1
        going_on: list[_Candidate] = []
        for text in np.unique(self.texts.of_text):
            rows = np.flatnonzero(self.texts.of_text == text)
            # as many as the beam holds go on even if each of its beginnings ends in every way it can
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
        """Σ log p only falls: what a beginning can score at the lengths left is greatest at one end of these."""
        if len(found) < self.width:
            return True
        if self.early_stopping is True or self.width == 1:  # greedy search has no second to go on with
            return False
        lengths = (length, self.texts.max_new_tokens) if self.early_stopping == "never" else (length,)
        return max(self.length_penalty(likeliest, each) for each in lengths) > found[-1].score


def _likeliest(totals: np.ndarray, rows: np.ndarray, n: int) -> list[_Candidate]:
    """The n likeliest continuations of these rows, the likeliest first; none that cannot be."""
    values, size = totals[rows].ravel(), totals.shape[1]
    places = [place for place in _greatest(values, n) if values[place] > -np.inf]
    return [_Candidate(int(rows[place // size]), int(place % size), float(values[place])) for place in places]


def _greatest(values: np.ndarray, n: int) -> np.ndarray:
    """Places of the n greatest values, the greatest first, among equals the first."""
    if n < values.size:
        places = np.flatnonzero(values >= np.partition(values, -n)[-n])
    else:
        places = np.arange(values.size)
    return places[np.argsort(-values[places], kind="stable")][:n]


def _require_ends(ends: Collection[int], texts: Beginnings) -> None:
    for end in ends:
        if not 0 <= end < texts.vocab_size:
            raise BadInput(f"end is the id {end}, outside 0 … {texts.vocab_size - 1}: which tokenizer has it?")
