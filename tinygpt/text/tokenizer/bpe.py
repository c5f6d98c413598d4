"""Byte-level byte-pair encoding, as GPT-2 has it: 256 bytes, the merges learned, the special tokens."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from os import PathLike
from typing import Any, Self

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import making
from tinygpt.text.tokenizer.base import END_OF_TEXT, BaseTokenizer, checked_names, checked_special, checked_texts
from tinygpt.text.tokenizer.conventions import PLAIN, Conventions
from tinygpt.text.tokenizer.files import bytes_to_field, field_to_bytes, list_field, naming, string_field
from tinygpt.text.tokenizer.formats import gpt2, huggingface, tiktoken
from tinygpt.text.tokenizer.merging import merge_piece, merge_ranked, whole_tokens
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern, text_to_bytes
from tinygpt.text.tokenizer.training import count_pieces, learn_merges

BYTES_IN_ORDER = bytes(range(256))

CACHED_PIECES = 1 << 18
"""Pieces whose ids are remembered. English has some 100,000 in 100 MB; full, the cache takes about 60 MB."""

LONGEST_CACHED_PIECE = 64
"""Characters; a longer piece is unlikely to come again, and a few endless ones would fill the memory."""


class Tokenizer(BaseTokenizer):
    """Byte-level BPE: any text is a row of bytes, so every text has ids and none is ever unknown.

    Ids: 0 to 255 the bytes, in `byte_order`; then one for each merge, in the order learned; then the special
    tokens. Algorithm: Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword
    units", section 3.2, on bytes as in Radford et al. 2019, "Language models are unsupervised multitask
    learners", section 2.2.

    `special_tokens` may give the ids, as a mapping; `conventions` holds what else a file of another library says.
    `merge_counts` tells, where it is known, how often each merge's pair stood in the texts when it was learned: files
    keep it for whoever reads them, ids do not depend on it, and two tokenizers that differ in it alone are equal.

    Raises BadInput for a merge of tokens that do not exist yet, one that makes a token a second time, a
    `byte_order` that is not all 256 bytes, special tokens that are empty or repeated, or two tokens with one id.
    """

    type_name = "bpe"

    def __init__(
        self,
        merges: Iterable[tuple[bytes, bytes]] = (),
        special_tokens: Iterable[str] | Mapping[str, int] = (END_OF_TEXT,),
        pattern: str = GPT2_PATTERN,
        byte_order: bytes = BYTES_IN_ORDER,
        conventions: Conventions = PLAIN,
        merge_counts: Sequence[int] | None = None,
    ) -> None:
        if sorted(byte_order) != list(range(256)):
            raise BadInput("byte_order must hold each of the 256 bytes once")
        self.merges: list[tuple[bytes, bytes]] = [(left, right) for left, right in merges]
        self.merge_counts = making.checked_counts(merge_counts, len(self.merges))
        self.pattern = pattern
        self.byte_order = bytes(byte_order)
        tokens = [bytes([byte]) for byte in byte_order]
        self.conventions = conventions
        number_merges = _rank_merges if conventions.any_order else _number_merges
        self._merged = number_merges(tokens, self.merges)
        self._byte_ids = [byte_order.index(byte) for byte in range(256)]
        self._find_pieces = compile_pattern(pattern).findall
        self._piece_ids = _PieceIds(self)
        super().__init__(conventions.number(tokens), checked_special(special_tokens))
        if unknown := {*conventions.always} - self.special_tokens.keys():
            raise BadInput(f"conventions: always names {min(unknown)!r}, which is no special token")
        self._whole = self._ids_of_whole_tokens(tokens)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        special_tokens: Iterable[str] = (END_OF_TEXT,),
        *,
        min_frequency: int = 2,
        pattern: str = GPT2_PATTERN,
        progress: bool = False,
    ) -> Self:
        """Learn merges until there are `vocab_size` tokens, or no pair occurs `min_frequency` times.

        The same texts in any order give the same merges: ties go to the pair that is greater as byte
        strings, compared lexicographically. Special tokens cut the texts and are never merged into anything.
        A pair that occurs once teaches nothing about other text, so two is the least by default. Whether the
        merges ran out is seen in the tokenizer's own `vocab_size`, which then is the smaller one.

        Raises BadInput where `vocab_size` has no room for the 256 bytes and the special tokens.
        """
        special_tokens = checked_names(special_tokens)
        n_merges = vocab_size - 256 - len(special_tokens)
        if n_merges < 0:
            raise BadInput(
                f"a vocabulary of {vocab_size} has no room for 256 bytes and {len(special_tokens)} special "
                f"tokens: choose at least {256 + len(special_tokens)}"
            )
        if min_frequency < 1:
            raise BadInput(f"min_frequency must be at least 1, not {min_frequency}")
        pieces = count_pieces(checked_texts(texts), special_tokens, pattern)
        learned = learn_merges(pieces, n_merges, min_frequency, progress)
        return cls(learned.merges, special_tokens, pattern, merge_counts=learned.counts)

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes, UTF-8 or not; `decode_bytes` gives them back exactly."""
        try:
            return self.encode(data.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            pieces = self._find_pieces(data.decode("utf-8", "surrogateescape"))
            parts = (self._merge_bytes(piece.encode("utf-8", "surrogateescape")) for piece in pieces)
            return list(chain.from_iterable(parts))

    def definition(self) -> dict[str, Any]:
        return {
            "type": self.type_name,
            "pattern": self.pattern,
            "byte_order": bytes_to_field(self.byte_order),
            "special_tokens": self._special_field(),
            "merges": [[bytes_to_field(left), bytes_to_field(right)] for left, right in self.merges],
            **({"conventions": conventions} if (conventions := self.conventions.definition()) else {}),
        }

    @classmethod
    def from_definition(cls, definition: dict[str, Any]) -> Self:
        written = [making.from_entry(entry, n) for n, entry in enumerate(list_field(definition, "merges"))]
        special_tokens = definition.get("special_tokens")
        tokenizer = cls(
            [each.pair for each in written],
            special_tokens if isinstance(special_tokens, dict) else list_field(definition, "special_tokens"),
            string_field(definition, "pattern"),
            field_to_bytes(definition.get("byte_order"), "entry 'byte_order'"),
            Conventions.from_definition(definition.get("conventions", {})),
            making.all_counts(written),
        )
        making.check_ids(written, tokenizer.ordinary_tokens())
        return tokenizer

    def _written(self) -> dict[str, Any]:
        entries = making.entries(self.merges, self.ordinary_tokens(), self.merge_counts)
        return self.definition() | {"merges": entries}

    @classmethod
    def from_gpt2(
        cls,
        encoder_json: str | PathLike[str],
        vocab_bpe: str | PathLike[str],
        special_tokens: Iterable[str] = (END_OF_TEXT,),
    ) -> Self:
        """The tokenizer in GPT-2's two files; see `formats/gpt2.py`."""
        return cls(**gpt2.read(encoder_json, vocab_bpe, checked_names(special_tokens)))

    def to_gpt2(self, encoder_json: str | PathLike[str], vocab_bpe: str | PathLike[str]) -> None:
        """Write GPT-2's two files, each whole or not at all. Raises BadInput for what they cannot say."""
        gpt2.write(self, encoder_json, vocab_bpe)

    @classmethod
    def from_tiktoken(
        cls,
        path: str | PathLike[str],
        name: str = "r50k_base",
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Self:
        """The tokenizer in a file of ranks, which says neither pattern nor special tokens: `name` does, or
        what is given here in its place; see `formats/tiktoken.py`."""
        return cls(**tiktoken.read(path, name, pattern, special_tokens))

    def to_tiktoken(self, path: str | PathLike[str]) -> None:
        """Write the ranks, whole or not at all. Raises BadInput for what ranks cannot say."""
        tiktoken.write(self, path)

    @classmethod
    def from_huggingface(cls, path: str | PathLike[str]) -> Self:
        """The tokenizer in a tokenizer.json; see `formats/huggingface.py`.

        That library recognises special tokens in every text: its ids are those of `encode(text, "all")`. What it
        puts around a text, `surround` does.
        """
        arguments = huggingface.read(path)
        with naming(path):
            return cls(**arguments)

    def to_huggingface(self, path: str | PathLike[str]) -> None:
        """Write a tokenizer.json, whole or not at all. Raises BadInput for what it cannot say."""
        huggingface.write(self, path)

    def surround(self, ids: Iterable[int]) -> list[int]:
        """The ids of one text between those that the tokenizer's file wants before and after it, if any."""
        return [*self.conventions.before, *ids, *self.conventions.after]

    def ordinary_tokens(self) -> dict[bytes, int]:
        """The id of every byte, of every merge's token, and of those that no merge makes."""
        made = dict.fromkeys([*(bytes([byte]) for byte in self.byte_order), *(a + b for a, b in self.merges)])
        return dict(zip(made, self.conventions.numbers or range(len(made)))) | dict(self.conventions.unmerged)

    def _ids(self, text: str, allowed: Collection[str]) -> Iterable[int]:
        always = self.conventions.always
        return super()._ids(text, [*allowed, *always] if always else allowed)

    def _split_at_special(self, text: str, names: Collection[str]) -> Iterator[tuple[str, bool]]:
        return self.conventions.split(text, names)

    def _ordinary_ids(self, text: str) -> Iterable[int]:
        if self.conventions.prefix_space and text and not text.startswith(" "):
            text = " " + text
        return chain.from_iterable(map(self._piece_ids.__getitem__, self._find_pieces(text)))

    def _ids_of_whole_tokens(self, tokens: list[bytes]) -> dict[bytes, int]:
        """Pieces that need no merging: those that would merge into one token, or that a convention leaves whole."""
        conventions = self.conventions
        numbers = conventions.numbers or range(len(tokens))
        if conventions.whole_first:
            return {**dict(zip(tokens, numbers)), **conventions.unmerged}
        whole = () if conventions.any_order else whole_tokens(self._merged, len(self.byte_order))
        return {tokens[each]: numbers[each] for each in whole}

    def _merge_bytes(self, piece: bytes) -> list[int]:
        if (whole := self._whole.get(piece)) is not None:
            return [whole]
        byte_ids, numbers = self._byte_ids, self.conventions.numbers
        merge = merge_ranked if self.conventions.any_order else merge_piece
        ids = merge([byte_ids[byte] for byte in piece], self._merged)
        return ids if numbers is None else [numbers[each] for each in ids]


class _PieceIds(dict[str, Sequence[int]]):
    """Piece to ids, worked out when first asked for; emptied when full, which bounds the memory."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._merge_bytes = tokenizer._merge_bytes

    def __missing__(self, piece: str) -> Sequence[int]:
        ids = tuple(self._merge_bytes(text_to_bytes(piece)))
        if len(piece) <= LONGEST_CACHED_PIECE:
            if len(self) >= CACHED_PIECES:
                self.clear()
            self[piece] = ids
        return ids


def _number_merges(tokens: list[bytes], merges: Sequence[tuple[bytes, bytes]]) -> dict[tuple[int, int], int]:
    """Append each merge's token to `tokens`; the id of the merge of every two ids."""
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


def _rank_merges(tokens: list[bytes], merges: Sequence[tuple[bytes, bytes]]) -> dict[tuple[int, int], tuple[int, int]]:
    """`_number_merges` for merges in any order: append each new token; the (rank, id) of the merge of every two ids."""
    id_of = {token: number for number, token in enumerate(tokens)}
    for left, right in merges:
        if id_of.setdefault(left + right, len(tokens)) == len(tokens):
            tokens.append(left + right)
    merged: dict[tuple[int, int], tuple[int, int]] = {}
    for place, (left, right) in enumerate(merges):
        if left not in id_of or right not in id_of:
            raise BadInput(f"merges[{place}] uses {right if left in id_of else left!r}, which no entry makes")
        pair = id_of[left], id_of[right]
        if merged.setdefault(pair, (place, id_of[left + right]))[0] != place:
            raise BadInput(f"merges[{place}] repeats merges[{merged[pair][0]}]")
    return merged
