"""Reads growing texts through a cache, each token once per window: several side by side, or one that may change.

The rows of a cache end together: the latest token of every text is in the last column, so shorter texts begin further
to the right, and the columns before them are masked. context.py says what a text sees when it outgrows the context.

R rows, T block_size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, device_of, no_grad, to_device, to_numpy, wide

from ..errors import BadInput
from ..model import GPT
from ..model.cache import Cache
from ..model.masks import banded_mask
from .bare import NewTokens
from .context import next_logits, slides, window_start

SPARE = 4  # the cache is T / SPARE columns larger than the context, so that it is moved only once in as many tokens


def make_reader(model: Any, longest: int) -> Reader | Rereader:
    """A reader of this model for texts of at most `longest` tokens."""
    return Reader(model, longest) if isinstance(model, GPT) else Rereader(model)


class Rereader:
    """For models without a cache: reads the whole window again for each token."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, texts: Sequence[list[int]]) -> np.ndarray:
        return np.stack([next_logits(self.model, text) for text in texts])

    def keep(self, rows: Sequence[int]) -> None:
        """Does nothing: nothing is remembered of any row."""

    n_bytes = 0


class Reader:
    """The logits after each of R texts. The first call reads the prompts, each later one a further token of each text.

    Memory: 2 · layers · R · key heads · channels of a head numbers for each column, of which there are `longest`, but
    never more than 5/4 T. While windows move, half as many again are needed, and in `keep` a copy of the chosen rows.
    Raises BadInput for a text that outgrows `longest` within the context.
    """

    def __init__(self, model: GPT, longest: int) -> None:
        self.model, self.table, self.size = model, model.wte.weight.data, model.config.block_size
        self.hidden = NewTokens(model)
        self.room = min(longest, self.size + max(1, self.size // SPARE))
        self.cache: Cache | None = None
        self.first = np.zeros(0, dtype=np.int64)
        """(R,): the column of the token at position 0; negative once that token has left the cache."""

    def __call__(self, texts: Sequence[list[int]]) -> np.ndarray:
        """(R, V). The texts are those of the previous call, or of `keep` since, each with one more token."""
        if self.cache is None:
            return self._begin(texts)
        self._make_room()
        full = np.flatnonzero(self.cache.length - self.first >= self.size) if not slides(self.model) else []
        self.first[full] = self.cache.length  # read alone here, and again below with the tokens before it
        logits = self._read(np.array([[text[-1]] for text in texts], dtype=np.int64))
        if len(full):
            logits = logits.copy()  # what the model returned is read-only
            logits[full] = self._move_windows(full, [texts[row] for row in full])
        return logits

    @property
    def n_bytes(self) -> int:
        """The memory of the cached keys and values."""
        return 0 if self.cache is None else self.cache.n_bytes

    def keep(self, rows: Sequence[int]) -> None:
        """Continues with these rows, in this order and as often as they are named; the others are dropped."""
        self.cache, self.first = self.cache.rows(rows), self.first[rows]
        if len(self.first):
            self._forget()

    def _begin(self, texts: Sequence[list[int]]) -> np.ndarray:
        """Equal prompts are read once; shorter ones are padded on the left."""
        prompts = list(dict.fromkeys(map(tuple, texts)))
        length = max(map(len, prompts))
        self.first = np.array([length - len(prompt) for prompt in prompts])
        self.cache = Cache.empty(self.model.config, len(prompts), self.room, self.table)
        logits = self._read(np.array([[0] * (length - len(prompt)) + list(prompt) for prompt in prompts]))
        if len(prompts) == len(texts):
            return logits
        rows = [prompts.index(tuple(text)) for text in texts]
        self.keep(rows)
        return logits[rows]

    def _read(self, ids: np.ndarray) -> np.ndarray:
        """Adds ids (R, n) to the cache, as many at a time as it has room for; the logits after the last."""
        done = 0
        while done < ids.shape[1]:
            self._make_room()
            if self.cache.length == self.room:
                raise BadInput(f"the text outgrows the {self.room} tokens of its reader: make a larger one")
            block = ids[:, done : done + self.room - self.cache.length]
            done += block.shape[1]
            hidden = self._hidden(block)
        return self._logits(hidden)

    def _logits(self, hidden: Tensor) -> np.ndarray:
        """(R, V) after the last of the states (R, n, C)."""
        with no_grad():
            return to_numpy(wide(self.model.logits(hidden[:, -1]).data))

    def _hidden(self, ids: np.ndarray) -> Tensor:
        n = ids.shape[1]
        end = self.cache.length + n
        at = np.maximum(np.arange(end - n, end) - self.first[:, None], 0)
        mask = None
        if end > self.size or self.first.max() > 0:
            mask = banded_mask(n, end, self.size, ids) & (np.arange(end) >= self.first[:, None, None])
            mask = self._there(mask[:, None])
        return self.hidden(ids, self.cache, mask, self._there(at))

    def _move_windows(self, rows: np.ndarray, texts: Sequence[list[int]]) -> np.ndarray:
        """The windows of these rows were full, so the next ones have equal lengths and are read together."""
        ids = np.array([text[window_start(len(text), self.size) :] for text in texts])
        fresh = Cache.empty(self.model.config, *ids.shape, self.table)
        logits = self._logits(self.hidden(ids, fresh))
        self.cache.overwrite(rows, fresh)
        self.first[rows] = self.cache.length - ids.shape[1]
        return logits

    def _make_room(self) -> None:
        if self.cache.length == self.room:
            self._forget()

    def _forget(self) -> None:
        """Drops the columns that no later token will see."""
        unseen = max(int(self.first.min()), self.cache.length - self.size + 1, 0)
        if unseen:
            self.cache.forget(unseen)
            self.first -= unseen

    def _there(self, array: np.ndarray) -> Any:
        return to_device(array, device_of(self.table))


class OneText:
    """Reads one text after another within one context. Where a text begins with the same tokens as the previous one,
    those are kept in the cache and not read again.

    The weights must not change in between. Memory: 2 · layers · T · key heads · channels of a head numbers, from the
    start.
    """

    def __init__(self, model: GPT) -> None:
        self.model, self.table, self.hidden = model, model.wte.weight.data, NewTokens(model)
        self.context = model.config.block_size
        self.cache = Cache.empty(model.config, 1, self.context, self.table)
        self.tokens: list[int] = []
        """What the cache holds."""

    def __call__(self, texts: Sequence[list[int]]) -> np.ndarray:
        """The logits (1, V) after the only text in the list, so that it can be used like a Reader."""
        return self.logits(texts[0], 1)

    def keep(self, rows: Sequence[int]) -> None:
        """Does nothing: there is only one row."""

    @property
    def n_bytes(self) -> int:
        return self.cache.n_bytes

    def logits(self, tokens: Sequence[int], last: int) -> np.ndarray:
        """The logits (last, V) after each of the `last` last tokens, given all tokens before it."""
        known = max(0, min(common(self.tokens, tokens), len(tokens) - last))
        self.tokens = self.tokens[:known]
        self.cache.cut(known)  # also what some layers hold of a forward that Ctrl-C stopped
        new = to_device(np.asarray([tokens[known:]], dtype=np.int64), device_of(self.table))
        hidden = self.hidden(new, self.cache)
        self.tokens = list(tokens)
        with no_grad():
            return to_numpy(wide(self.model.logits(hidden[:, -last:]).data[0]))


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """The length of the common prefix of two texts."""
    if list(second[: len(first)]) == first:
        return len(first)
    return next((n for n, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))
