"""A close look at how a tokenizer encodes a text: its pieces, the merges in each, and the unused tokens."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

from tinygpt.text.tokenizer.base import BaseTokenizer
from tinygpt.text.tokenizer.bpe import Tokenizer
from tinygpt.text.tokenizer.plain import BytePair, Word
from tinygpt.text.tokenizer.pretokens import compile_pattern, text_to_bytes

LONGEST_FOLLOWED = 256
"""Bytes; the merges of a longer piece are not followed, as that takes time quadratic in its length."""


@dataclass(frozen=True)
class Step:
    """One merge in a piece: its place in `merges`, counted from 0, and the tokens after it."""

    rank: int
    tokens: tuple[bytes, ...]


@dataclass(frozen=True)
class Piece:
    """A stretch of text that merges never cross, how often it occurs, and how it becomes tokens.

    There are no steps if there is nothing to merge, if the piece is too long to follow, or if the vocabulary has an id
    for the whole piece that its merges do not make.
    """

    data: bytes
    times: int
    ids: tuple[int, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Inspection:
    """The tokens of a text."""

    ids: np.ndarray
    n_bytes: int

    pieces: tuple[Piece, ...]
    """The first distinct pieces, in the order of the text; only for byte-pair encodings."""

    n_pieces: int
    """How many distinct pieces there are."""

    n_ordinary: int
    """How many tokens the vocabulary has, without the special ones."""

    unused: tuple[int, ...]
    """The ids of ordinary tokens that do not occur in the text."""

    unreachable: tuple[int, ...]
    """The ids that occur in no text at all, because their own bytes become other tokens: an earlier merge always takes
    one of their parts away. Only for byte-pair encodings."""

    @property
    def bytes_per_token(self) -> float:
        """How much text a token stands for on average; 0 if there are no tokens."""
        return self.n_bytes / len(self.ids) if len(self.ids) else 0.0


def inspect(
    tokenizer: BaseTokenizer, text: str, allowed_special: Collection[str] = (), most_pieces: int | None = None
) -> Inspection:
    """The tokens of a text, explained; `most_pieces` is how many distinct pieces are followed, None for all.

    Raises BadInput as `encode` does.
    """
    ids = tokenizer.encode_array(text, allowed_special)
    pieces: tuple[Piece, ...] = ()
    counts: Counter[bytes] = Counter()
    unreachable: tuple[int, ...] = ()
    if isinstance(tokenizer, Tokenizer):
        counts.update(_pieces(tokenizer, text, allowed_special))
        rank_of = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
        pieces = tuple(_followed(tokenizer, *each, rank_of) for each in islice(counts.items(), most_pieces))
        unreachable = unreachable_tokens(tokenizer)
    ordinary = tokenizer.ordinary_ids.tolist()
    used = np.bincount(ids, minlength=tokenizer.vocab_size)
    unused = tuple(each for each in ordinary if not used[each])
    return Inspection(ids, len(text_to_bytes(text)), pieces, len(counts), len(ordinary), unused, unreachable)


def unreachable_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids whose bytes, encoded as one piece, become something else (an earlier merge always takes one of their
    parts away)."""
    tokens = tokenizer.ordinary_tokens().items()
    return tuple(sorted(number for token, number in tokens if tokenizer.ids_of_piece(token) != [number]))


def merge_steps(piece: bytes, rank_of: Mapping[BytePair, int]) -> list[Step]:
    """The merges of a piece in the order in which they are applied; consecutive merges of one pair are one step.

    >>> merge_steps(b"hen", {(b"e", b"n"): 3, (b"h", b"en"): 17})
    [Step(rank=3, tokens=(b'h', b'en')), Step(rank=17, tokens=(b'hen',))]
    """
    word: Word = [bytes([byte]) for byte in piece]
    steps: list[Step] = []
    while found := [(rank_of[pair], place) for place, pair in enumerate(pairwise(word)) if pair in rank_of]:
        rank, place = min(found)
        word[place : place + 2] = [word[place] + word[place + 1]]
        if steps and steps[-1].rank == rank:
            steps.pop()
        steps.append(Step(rank, tuple(word)))
    return steps


def _pieces(tokenizer: Tokenizer, text: str, allowed_special: Collection[str]) -> Iterable[bytes]:
    """The text's pieces, without special tokens."""
    rules = tokenizer.conventions
    find_pieces = compile_pattern(tokenizer.pattern).findall
    for start, end, special in rules.spans(text, tokenizer._allowed(allowed_special)):
        if special is None:
            yield from map(text_to_bytes, find_pieces(rules.begun(text[start:end])))


def _followed(tokenizer: Tokenizer, data: bytes, times: int, rank_of: Mapping[BytePair, int]) -> Piece:
    ids = tuple(tokenizer.ids_of_piece(data))
    steps = merge_steps(data, rank_of) if len(data) <= LONGEST_FOLLOWED else []
    if steps and not _same(tokenizer, ids, steps[-1].tokens):
        steps = []
    return Piece(data, times, ids, tuple(steps))


def _same(tokenizer: Tokenizer, ids: Sequence[int], tokens: Sequence[bytes]) -> bool:
    return [tokenizer.token_bytes(each) for each in ids] == list(tokens)
