"""Byte-level byte-pair encoding as in GPT-2: 256 bytes, the learned merges, the special tokens."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.reading import read_chunks
from tinygpt.text.tokenizer import making
from tinygpt.text.tokenizer.around import Template, as_bert
from tinygpt.text.tokenizer.base import BaseTokenizer, checked_text, checked_texts
from tinygpt.text.tokenizer.columns import LONG_TEXT, BlockIds
from tinygpt.text.tokenizer.conventions import PLAIN, Conventions
from tinygpt.text.tokenizer.dropout import checked_probability, drawing
from tinygpt.text.tokenizer.encoding import PieceIds, as_row
from tinygpt.text.tokenizer.files import bytes_to_field, field_to_bytes, list_field, naming, string_field
from tinygpt.text.tokenizer.formats import gpt2, huggingface, tiktoken
from tinygpt.text.tokenizer.pieces import PieceFinder, last_cut
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, Span, text_to_bytes
from tinygpt.text.tokenizer.streams import safe_parts
from tinygpt.text.tokenizer.training import count_pieces, learn_merges
from tinygpt.text.tokenizer.vocabulary import CLASSIFY, END_OF_TEXT, SEPARATE, checked_names, checked_special
from tinygpt.text.workers import SENT

BYTES_IN_ORDER = bytes(range(256))


class Tokenizer(BaseTokenizer):
    """Byte-level BPE: any text is a row of bytes, so every text can be encoded and no token is unknown.

    Ids: 0 to 255 the bytes, in `byte_order`; then one for each merge, in the order learned; then the special tokens.
    Algorithm: Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units", section 3.2,
    on bytes as in Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2.

    `special_tokens` may be a mapping to ids; `conventions` are the rules that another library's file adds.
    `merge_counts`, if known, is how often each merge's pair occurred in the texts when it was learned. Files keep it
    for their readers; ids do not depend on it, and two tokenizers that differ only in it are equal.

    Raises BadInput for a merge of tokens that do not exist yet, one that makes a token a second time, a `byte_order`
    that is not all 256 bytes, special tokens that are empty or repeated, or two tokens with one id.
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
        self._piece_ids = PieceIds(tokens, self.merges, conventions)
        self._block_ids: BlockIds | None = None
        self._find_pieces = PieceFinder(pattern)
        super().__init__(conventions.number(tokens), checked_special(special_tokens))
        if unknown := {*conventions.always} - self.special_tokens.keys():
            raise BadInput(f"conventions: always names {min(unknown)!r}, which is no special token")
        for place, _ in (*conventions.single, *conventions.pair):
            if place not in ("A", "B"):
                self.token_bytes(place)

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
        processes: int | None = None,
    ) -> Self:
        """Learns merges until there are `vocab_size` tokens, or no pair occurs `min_frequency` times.

        The same texts in any order give the same merges: ties go to the pair that is greater as byte strings, compared
        lexicographically. Special tokens cut the texts and are never merged into anything. A pair that occurs once
        teaches nothing about other text, so the default of `min_frequency` is two. If the pairs run out, the
        tokenizer's own `vocab_size` is smaller than the one asked for. Many texts are counted in several processes, by
        default as many as there are cores.

        Raises BadInput if `vocab_size` has no room for the 256 bytes and the special tokens, or is no whole number.
        """
        special_tokens, n_merges = _room_for_merges(vocab_size, special_tokens, min_frequency)
        pieces = count_pieces(checked_texts(texts), special_tokens, pattern, processes)
        learned = learn_merges(pieces, n_merges, min_frequency, progress)
        return cls(learned.merges, special_tokens, pattern, merge_counts=learned.counts)

    @classmethod
    def train_from_files(
        cls,
        paths: Iterable[str | PathLike[str]],
        vocab_size: int,
        special_tokens: Iterable[str] = (END_OF_TEXT,),
        *,
        encoding: str = "utf-8",
        min_frequency: int = 2,
        pattern: str = GPT2_PATTERN,
        progress: bool = False,
        processes: int | None = None,
    ) -> Self:
        """`train` on the texts of files, unchanged, which together may be larger than memory.

        Memory holds the unique pieces and a few parts of the text, or all of a file if the pattern is not one of those
        in `pieces.py`. Raises BadInput, naming the file, for one that cannot be read or is not text in `encoding`.
        """
        special_tokens = checked_names(special_tokens)
        last_cut = cls((), (), pattern)._last_cut
        files = (read_chunks(path, encoding, progress) for path in checked_texts(paths))
        parts = (part for chunks in files for part in safe_parts(chunks, special_tokens, last_cut, SENT))
        return cls.train(
            parts, vocab_size, special_tokens,
            min_frequency=min_frequency, pattern=pattern, progress=progress, processes=processes,
        )  # fmt: skip

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes, UTF-8 or not; `decode_bytes` gives them back exactly."""
        try:
            return self.encode(data.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            pieces = self._find_pieces(data.decode("utf-8", "surrogateescape"))
            of_bytes = self._piece_ids.of_bytes
            return as_row("".join(of_bytes(piece.encode("utf-8", "surrogateescape")) for piece in pieces)).tolist()

    def ids_of_piece(self, piece: bytes) -> list[int]:
        """The ids of bytes taken as one piece, which the pattern does not cut."""
        return as_row(self._piece_ids.of_bytes(piece)).tolist()

    def encode_dropout(self, text: str, p: float, seed: int = 0, allowed_special: Collection[str] = ()) -> list[int]:
        """A random encoding of the text, BPE-dropout: at each step every possible merge is skipped with probability
        `p`.

        `decode` still gives the text back. The same text and seed give the same ids; p = 0 gives those of `encode`. If
        a convention turns a piece that is a token into that token, this is skipped with probability p, too. It is meant
        for training a model, never for using it; see `dropout.py`. Raises BadInput if p does not lie in 0 … 1.
        """
        if not checked_probability(p):
            return self.encode(text, allowed_special)
        draw = drawing(seed, checked_text(text))
        ids: list[str] = []
        for start, end, special in self._spans(text, self._recognised(self._allowed(allowed_special))):
            if special is not None:
                ids.append(chr(self.special_tokens[special]))
                continue
            for piece in self._find_pieces(self.conventions.begun(text[start:end])):
                ids.append(self._piece_ids.with_dropout(text_to_bytes(piece), p, draw))
        return as_row("".join(ids)).tolist()

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
        """Write GPT-2's two files, each whole or not at all. Raises BadInput for what they cannot express."""
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
        """The tokenizer in a file of ranks; see `formats/tiktoken.py`.

        The file has neither pattern nor special tokens: they are those of the encoding `name`, unless given here.
        """
        return cls(**tiktoken.read(path, name, pattern, special_tokens))

    def to_tiktoken(self, path: str | PathLike[str]) -> None:
        """Write the ranks, whole or not at all. Raises BadInput for what ranks cannot express."""
        tiktoken.write(self, path)

    @classmethod
    def from_huggingface(cls, path: str | PathLike[str]) -> Self:
        """The tokenizer in a tokenizer.json; see `formats/huggingface.py`.

        That library recognises special tokens in every text: its ids are those of `encode(text, "all")`. `surround`
        adds the tokens that it puts around a text.
        """
        arguments = huggingface.read(path)
        with naming(path):
            return cls(**arguments)

    def to_huggingface(self, path: str | PathLike[str]) -> None:
        """Write a tokenizer.json, whole or not at all. Raises BadInput for what it cannot express."""
        huggingface.write(self, path)

    def in_pairs(self) -> Self:
        """A copy of this tokenizer whose `surround` puts <|cls|> and <|sep|> around one text or two, as BERT's does.

        Raises BadInput if they are not among the special tokens.
        """
        if not {CLASSIFY, SEPARATE} <= self.special_tokens.keys():
            names = f"{CLASSIFY!r} and {SEPARATE!r}"
            raise BadInput(f"this vocabulary lacks what is put around texts: train one with the special tokens {names}")
        single, pair = as_bert(self.special_tokens[CLASSIFY], self.special_tokens[SEPARATE])
        conventions = replace(self.conventions, single=single, pair=pair)
        return type(self)(
            self.merges, self.special_tokens, self.pattern, self.byte_order, conventions, self.merge_counts
        )

    def _template(self, of_pair: bool) -> Template:
        return self.conventions.pair if of_pair else self.conventions.single

    def ordinary_tokens(self) -> dict[bytes, int]:
        """The id of every byte, of every merge's token, and of each token that no merge makes."""
        made = dict.fromkeys([*(bytes([byte]) for byte in self.byte_order), *(a + b for a, b in self.merges)])
        return dict(zip(made, self.conventions.numbers or range(len(made)))) | dict(self.conventions.unmerged)

    def _recognised(self, names: Collection[str]) -> Collection[str]:
        return [*names, *self.conventions.always] if self.conventions.always else names

    def _spans(self, text: str, names: Collection[str]) -> Iterator[Span]:
        return self.conventions.spans(text, names)

    def _ordinary_ids(self, text: str) -> np.ndarray:
        text = self.conventions.begun(text)
        if len(text) >= LONG_TEXT and self.pattern == GPT2_PATTERN:
            if self._block_ids is None:
                self._block_ids = self._piece_ids.in_blocks()
            return self._block_ids(text)
        return as_row("".join(map(self._piece_ids.__getitem__, self._find_pieces(text))))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_block_ids": None}  # each process has its own cache of pieces

    def _last_cut(self, text: str, start: int, end: int) -> int | None:
        if not self._find_pieces.cuttable:
            return None
        place = last_cut(text, start, end)
        if self.conventions.prefix_space:  # a part that begins with anything but a space would get one
            while place is not None and text[place] != " ":
                place = last_cut(text, start, place - 1)
        return place


def _room_for_merges(vocab_size: int, special_tokens: Iterable[str], min_frequency: int) -> tuple[list[str], int]:
    """The special tokens, checked, and how many merges fit beside them and the 256 bytes."""
    special_tokens = checked_names(special_tokens)
    for name, number in (("vocab_size", vocab_size), ("min_frequency", min_frequency)):
        if not isinstance(number, Integral) or isinstance(number, bool):
            raise BadInput(f"{name} must be a whole number, not {number!r}")
    n_merges = vocab_size - 256 - len(special_tokens)
    if n_merges < 0:
        raise BadInput(
            f"a vocabulary of {vocab_size} has no room for 256 bytes and {len(special_tokens)} special "
            f"tokens: choose at least {256 + len(special_tokens)}"
        )
    if min_frequency < 1:
        raise BadInput(f"min_frequency must be at least 1, not {min_frequency}")
    return special_tokens, n_merges
