"""Batches of pairs of texts: padded ids, with targets shifted so that each predicts the decoder's next token.

Shapes: B pairs in a batch, S tokens in the longest source, T in the longest target with the token that ends it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.batches import IGNORE, drawing, pad
from tinygpt.text.pairs import Pair
from tinygpt.text.tokenizer.base import BaseTokenizer

EncodedPair = tuple[Sequence[int], Sequence[int]]
"""The ids of a source and of its target, without begin and end tokens."""


class PairBatch(NamedTuple):
    """source (B, S) int64 and source_mask (B, S), True at real tokens; inputs and targets (B, T) int64.

    inputs are what the decoder is given (teacher forcing), targets what it should predict next, IGNORE at padding.
    """

    source: np.ndarray
    source_mask: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray


def encode_pairs(
    pairs: Sequence[Pair], tokenizer: BaseTokenizer, target_tokenizer: BaseTokenizer | None = None
) -> list[EncodedPair]:
    """The ids of each pair's texts; with one tokenizer, both sides share it."""
    sources = tokenizer.encode_batch([pair.source for pair in pairs])
    targets = (target_tokenizer or tokenizer).encode_batch([pair.target for pair in pairs])
    return list(zip(sources, targets, strict=True))


def make_batch(pairs: Sequence[EncodedPair], begin: int, end: int) -> PairBatch:
    """The pairs as one padded batch: inputs are begin y_1 … y_n, targets y_1 … y_n end.

    Padding is False in the source's mask and IGNORE in the targets. Raises BadInput if all sources are empty.
    """
    if not any(len(source) for source, _ in pairs):
        raise BadInput("a batch needs a row with a token in it: all texts are empty")
    source, source_mask = pad([source for source, _ in pairs])
    inputs, _ = pad([[begin, *target] for _, target in pairs])
    targets, real = pad([[*target, end] for _, target in pairs])
    return PairBatch(source, source_mask, inputs, np.where(real, targets, IGNORE))


class PairBatches:
    """Batches of pairs of similar length, so that little padding is needed.

    batches(index) is a pure function of (seed, index). Each pass over the pairs is shuffled anew: which pairs of equal
    length share a batch, and the order of the batches. A batch has at most `max_pairs` pairs and at most `max_tokens`
    tokens, sources and targets with their padding (None: no limit). len(batches) is the number of batches in a pass, in
    which every pair occurs once.

    Raises BadInput for no pairs at all, and for one that is longer than max_tokens.
    """

    def __init__(
        self,
        pairs: Sequence[EncodedPair],
        begin: int,
        end: int,
        seed: int = 0,
        max_pairs: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        if not pairs:
            raise BadInput("there are no pairs to make batches of")
        for name, size in (("max_pairs", max_pairs), ("max_tokens", max_tokens)):
            if size is not None and size < 1:
                raise BadInput(f"{name} must be at least 1, not {size}")
        self.pairs, self.begin, self.end, self.seed = pairs, begin, end, seed
        self._lengths = np.array([(len(source), len(target) + 1) for source, target in pairs])
        self._cuts = _cuts(self._lengths[self._by_length(np.arange(len(pairs)))], max_pairs, max_tokens)
        self._pass = lru_cache(maxsize=1)(self._members)

    def __len__(self) -> int:
        return len(self._cuts)

    def __call__(self, index: int) -> PairBatch:
        number, place = divmod(index, len(self))
        return self._made(self._pass(number)[place])

    def in_order(self) -> Iterator[PairBatch]:
        """Every pair once, the shortest first; for evaluation."""
        order = self._by_length(np.arange(len(self.pairs)))
        return (self._made(order[start:stop]) for start, stop in self._cuts)

    def _members(self, number: int) -> list[np.ndarray]:
        """The pairs in each batch of a pass. Only pairs of equal length change places, so the cuts between batches stay
        where they are."""
        random = drawing(self.seed, number)
        order = self._by_length(random.permutation(len(self.pairs)))
        return [order[slice(*self._cuts[place])] for place in random.permutation(len(self))]

    def _by_length(self, order: np.ndarray) -> np.ndarray:
        """The same pairs sorted by the lengths of source, then target; equals stay in the order given."""
        return order[np.lexsort((self._lengths[order, 1], self._lengths[order, 0]))]

    def _made(self, members: np.ndarray) -> PairBatch:
        return make_batch([self.pairs[member] for member in members], self.begin, self.end)


def _cuts(lengths: np.ndarray, max_pairs: int | None, max_tokens: int | None) -> list[tuple[int, int]]:
    """(start, stop) of each batch of the sorted pairs, each batch as full as the limits allow."""
    cuts, start, widest = [], 0, np.zeros(2, dtype=int)
    for place, size in enumerate(lengths):
        if max_tokens is not None and size.sum() > max_tokens:
            raise BadInput(f"a pair of {size.sum()} tokens is longer than a batch of {max_tokens}: leave it out")
        wider = np.maximum(widest, size)
        count = place - start + 1
        if (max_pairs and count > max_pairs) or (max_tokens and count * wider.sum() > max_tokens):
            cuts.append((start, place))
            start, wider = place, size
        widest = wider
    return [*cuts, (start, len(lengths))]
