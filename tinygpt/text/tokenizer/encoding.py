"""From a piece to the ids of its tokens, computed once and cached."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.columns import BlockIds
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.dropout import merge_with_dropout
from tinygpt.text.tokenizer.linked import IdPair
from tinygpt.text.tokenizer.merging import merge_by_heap, merge_piece, ranked_by_id
from tinygpt.text.tokenizer.pretokens import text_to_bytes
from tinygpt.text.tokenizer.together import MergesTogether

REMEMBERED_PIECES = 1 << 18
"""English has some 100,000 different pieces in 100 MB; a full cache takes about 50 MB."""

LONGEST_REMEMBERED_PIECE = 64
"""Characters; a longer piece is unlikely to occur again, and a few very long ones would fill the memory."""


class PieceIds(dict[str, str]):
    """A cache from a piece to the ids of its tokens, each stored as chr(id); emptied when full.

    A str is Python's fastest array of numbers: `"".join` puts a text's ids together without an object for each, and
    `as_row` turns them into an array.
    """

    def __init__(self, tokens: list[bytes], merges: Sequence[tuple[bytes, bytes]], conventions: Conventions) -> None:
        """`tokens` holds the single bytes; the tokens that the merges make are appended to it."""
        self._byte_ids = [tokens.index(bytes([byte])) for byte in range(256)]
        self._in_order = not conventions.any_order
        if self._in_order:
            self._merged = number_merges(tokens, merges)
            self._find = ranked_by_id(self._merged)
        else:
            self._ranked = _rank_merges(tokens, merges)
            self._find = self._ranked.get
        self._tokens = tokens
        self._numbers = conventions.numbers or range(len(tokens))
        self._characters = list(map(chr, self._numbers))
        self._unsplit: Mapping[bytes, int] = {}
        if conventions.whole_first:
            self._unsplit = {**dict(zip(tokens, self._numbers)), **conventions.unmerged}

    def __missing__(self, piece: str) -> str:
        ids = self.of_bytes(text_to_bytes(piece))
        if len(piece) <= LONGEST_REMEMBERED_PIECE:
            if len(self) >= REMEMBERED_PIECES:
                self.clear()
            self[piece] = ids
        return ids

    def of_bytes(self, piece: bytes) -> str:
        """The ids of a piece that need not be valid UTF-8."""
        if (number := self._unsplit.get(piece)) is not None:
            return chr(number)
        return self._in_characters(self._split(piece))

    def with_dropout(self, piece: bytes, p: float, draw: Callable[[], float]) -> str:
        """`of_bytes`, but each merge, and the id of the whole piece if it has one, is skipped with probability p."""
        if (number := self._unsplit.get(piece)) is not None and draw() >= p:
            return chr(number)
        return self._in_characters(merge_with_dropout(self._bytes(piece), self._find, p, draw))

    def in_blocks(self) -> BlockIds:
        """An encoder for long texts that gives the same ids."""
        if self._in_order:
            pairs, made = self._merged.keys(), list(self._merged.values())
        else:
            pairs, made = self._ranked.keys(), [new for _, new in self._ranked.values()]
        lengths = list(map(len, self._tokens)) if self._in_order else None
        together = MergesTogether(self._byte_ids, pairs, made, lengths, self._split)
        numbers = np.array(self._numbers, np.uint32)

        def split(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            ids, counts = together.split(data, starts, lengths)
            return numbers[ids], counts

        return BlockIds(split, self._unsplit)

    def _split(self, piece: bytes) -> list[int]:
        ids = self._bytes(piece)
        return merge_piece(ids, self._merged) if self._in_order else merge_by_heap(ids, self._find)

    def _bytes(self, piece: bytes) -> list[int]:
        return [self._byte_ids[byte] for byte in piece]

    def _in_characters(self, places: Iterable[int]) -> str:
        return "".join(map(self._characters.__getitem__, places))


def as_row(ids: str) -> np.ndarray:
    """The code points of the characters, uint32."""
    return np.frombuffer(ids.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def number_merges(tokens: list[bytes], merges: Sequence[tuple[bytes, bytes]]) -> dict[IdPair, int]:
    """Appends each merge's token to `tokens`; returns the id of the merge of each pair of ids."""
    id_of = {token: number for number, token in enumerate(tokens)}
    merged = {}
    for place, (left, right) in enumerate(merges):
        if left not in id_of or right not in id_of:
            missing = right if left in id_of else left
            raise BadInput(f"merges[{place}] uses {missing!r}, which no entry before it makes")
        token = left + right
        if token in id_of:
            raise BadInput(f"merges[{place}] makes {token!r}, which is token {id_of[token]} already")
        id_of[token] = len(tokens)
        merged[id_of[left], id_of[right]] = len(tokens)
        tokens.append(token)
    return merged


def _rank_merges(tokens: list[bytes], merges: Sequence[tuple[bytes, bytes]]) -> dict[IdPair, IdPair]:
    """`number_merges` for merges in any order: appends each new token; returns the (rank, id) of each pair's merge."""
    id_of = {token: number for number, token in enumerate(tokens)}
    for left, right in merges:
        if id_of.setdefault(left + right, len(tokens)) == len(tokens):
            tokens.append(left + right)
    merged: dict[IdPair, IdPair] = {}
    for place, (left, right) in enumerate(merges):
        if left not in id_of or right not in id_of:
            raise BadInput(f"merges[{place}] uses {right if left in id_of else left!r}, which no entry makes")
        pair = id_of[left], id_of[right]
        if merged.setdefault(pair, (place, id_of[left + right]))[0] != place:
            raise BadInput(f"merges[{place}] repeats merges[{merged[pair][0]}]")
    return merged
