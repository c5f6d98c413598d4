"""A vocabulary: the token of each id, special tokens, decoding, comparison and files."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import files
from tinygpt.text.tokenizer.around import ALONE, ONE_AFTER_THE_OTHER, Template, fill, types
from tinygpt.text.tokenizer.decoding import bytes_to_text
from tinygpt.text.tokenizer.ids import MOST_IDS, is_id
from tinygpt.text.tokenizer.pretokens import text_to_bytes

END_OF_TEXT = "<|endoftext|>"
"""Ends a document, and so begins the next."""

PAD = "<|pad|>"
"""Pads a row of a batch; it does not count in the loss."""

PAD_NAMES = (PAD, "[PAD]", "<pad>")
"""Its names in our vocabularies, in BERT's and in RoBERTa's."""

MASK = "<|mask|>"
"""Hides a token that a model must predict. A vocabulary of bytes gets it as one more special token, beside PAD."""

MASK_NAMES = (MASK, "[MASK]", "<mask>")
"""Its names in our vocabularies, in BERT's and in RoBERTa's."""

CLASSIFY, SEPARATE = "<|cls|>", "<|sep|>"
"""Surround one text or two, as [CLS] and [SEP] do in BERT's vocabulary; the state at <|cls|> stands for the whole
input."""

UNKNOWN = "<|unk|>"
"""Stands for a character that a vocabulary lacks. Vocabularies of bytes never need it, as 256 tokens spell everything.
"""


class Vocabulary(ABC):
    """Ordinary tokens numbered from 0, then the special tokens in the order given (WordPiece's stay where BERT's
    vocabulary has them).

    Both may come with ids of their own instead, as in other libraries' vocabularies; then some ids may be unused.

    A special token written in a text is ordinary text, unless the caller allows it: text from elsewhere must not be
    able to end a document or to speak for somebody else.
    """

    type_name: ClassVar[str]

    def __init__(
        self, ordinary: Sequence[bytes] | Mapping[int, bytes], special_tokens: Sequence[str] | Mapping[str, int]
    ) -> None:
        by_id = dict(ordinary if isinstance(ordinary, Mapping) else enumerate(ordinary))
        self._after_ordinary = max(by_id, default=-1) + 1
        if not isinstance(special_tokens, Mapping):
            special_tokens = {name: self._after_ordinary + place for place, name in enumerate(special_tokens)}
        self.special_tokens = dict(special_tokens)
        for name, number in special_tokens.items():
            if by_id.setdefault(number, text_to_bytes(name)) != text_to_bytes(name):
                raise BadInput(f"special_tokens: {name!r} has the id {number}, which is {by_id[number]!r} already")
        self._token_bytes: list[bytes | None] = [by_id.get(number) for number in range(max(by_id, default=-1) + 1)]

    @abstractmethod
    def definition(self) -> dict[str, Any]:
        """Everything that defines this tokenizer, as JSON values: what `save` writes and equality compares."""

    @classmethod
    @abstractmethod
    def from_definition(cls, definition: dict[str, Any]) -> Self:
        """The tokenizer that `definition` describes. Raises BadInput that names the entry that is wrong."""

    @property
    def vocab_size(self) -> int:
        """The greatest id plus one, special tokens included: the number of tokens, if no id is unused."""
        return len(self._token_bytes)

    @property
    def end_of_text(self) -> int | None:
        """The id of <|endoftext|>, or None where the vocabulary has none."""
        return self.special_tokens.get(END_OF_TEXT)

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end a text: that of <|endoftext|>, or none."""
        return () if self.end_of_text is None else (self.end_of_text,)

    @property
    def pad_token(self) -> str | None:
        """The name of the special token that pads a row, or None if the vocabulary has none."""
        return next((name for name in PAD_NAMES if name in self.special_tokens), None)

    @property
    def mask_token(self) -> str | None:
        """The name of the special token that hides another, or None where the vocabulary has none."""
        return next((name for name in MASK_NAMES if name in self.special_tokens), None)

    @property
    def ordinary_ids(self) -> np.ndarray:
        """The ids of ordinary tokens, int64, ascending; without special tokens and unused ids."""
        special = {*self.special_tokens.values()}
        there = (i for i, token in enumerate(self._token_bytes) if token is not None and i not in special)
        return np.fromiter(there, np.int64)

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned type that holds every id: uint16 up to 65,536 tokens, else uint32."""
        return np.dtype(np.uint16 if self.vocab_size <= 1 << 16 else np.uint32)

    def surround(self, ids: Iterable[int], pair: Iterable[int] | None = None) -> list[int]:
        """The ids of one text, or of a pair, with the special tokens that models of this vocabulary expect around them.

        BERT's are [CLS] text [SEP] and [CLS] text [SEP] pair [SEP]; some vocabularies have none.
        """
        return fill(self._template(pair is not None), _texts(ids, pair))

    def token_types(self, ids: Iterable[int], pair: Iterable[int] | None = None) -> list[int]:
        """The token type of each id of `surround`, which tells a model which of the two texts it belongs to."""
        return types(self._template(pair is not None), _texts(ids, pair))

    def _template(self, of_pair: bool) -> Template:
        return ONE_AFTER_THE_OTHER if of_pair else ALONE

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; bytes that are not valid UTF-8 become U+FFFD. Raises BadInput for an unknown id."""
        return bytes_to_text(self.decode_bytes(ids))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids, exactly."""
        ids = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        try:
            if not ids or min(ids) >= 0:
                return b"".join(map(self._token_bytes.__getitem__, ids))
        except (IndexError, TypeError):
            pass
        return b"".join(map(self.token_bytes, ids))

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for. Raises BadInput for an unknown id."""
        try:
            if token_id >= 0 and (data := self._token_bytes[token_id]) is not None:
                return data
        except (IndexError, TypeError):
            pass
        raise BadInput(
            f"{token_id!r} is not a token id: this vocabulary has the ids 0 to {self.vocab_size - 1}"
            f"{', though not all of them' if None in self._token_bytes else ''}; "
            "decode with the tokenizer the ids were made with"
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of the definition: equal for tokenizers that are equal."""
        canonical = json.dumps(self.definition(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_definition, (self.definition(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self.definition() == other.definition()

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(vocab_size={self.vocab_size}, special_tokens={list(self.special_tokens)})"

    def save(self, path: str | PathLike[str]) -> None:
        """Write the tokenizer as readable JSON, whole or not at all."""
        files.write(path, self._written())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote. Raises BadInput that names the file and what is wrong in it."""
        definition = files.read(path)
        if definition["type"] != cls.type_name:
            raise BadInput(
                f"{path} holds a tokenizer of type {definition['type']!r}, not {cls.type_name!r}: "
                "read it with load_tokenizer"
            )
        with files.naming(path):
            return cls.from_definition(definition)

    def _written(self) -> dict[str, Any]:
        """The definition as it is written to a file, with details that equality does not compare."""
        return self.definition()

    def _special_field(self) -> list[str] | dict[str, int]:
        """The special tokens for a definition: the names in order, with their ids if these do not follow the ordinary
        ones."""
        names = sorted(self.special_tokens, key=self.special_tokens.__getitem__)
        in_order = [self.special_tokens[name] - self._after_ordinary for name in names] == list(range(len(names)))
        return names if in_order else dict(self.special_tokens)

    def _allowed(self, names: Collection[str]) -> Collection[str]:
        if isinstance(names, str):
            if names == "all":
                return tuple(self.special_tokens)
            names = (names,)
        for name in names:
            if name not in self.special_tokens:
                known = ", ".join(self.special_tokens) or "none"
                raise BadInput(f"{name!r} is not a special token of this vocabulary (it has: {known})")
        return names


def _texts(ids: Iterable[int], pair: Iterable[int] | None) -> dict[str, list[int]]:
    return {"A": list(ids)} if pair is None else {"A": list(ids), "B": list(pair)}


def checked_names(names: Iterable[str]) -> list[str]:
    """The names of special tokens, checked: distinct strings, none of them empty."""
    if isinstance(names, str):
        raise BadInput(f"special_tokens must be several strings: put {names!r} in a list")
    names = list(names)
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name:
            raise BadInput(f"special_tokens: a name must be a string that is not empty, not {name!r}")
        if name in seen:
            raise BadInput(f"special_tokens: {name!r} is named twice")
        seen.add(name)
    return names


def checked_special(special_tokens: Iterable[str] | Mapping[str, int]) -> list[str] | dict[str, int]:
    """The special tokens, checked: names as for `checked_names`, or names with ids."""
    names = checked_names(special_tokens)
    if not isinstance(special_tokens, Mapping):
        return names
    for name, number in special_tokens.items():
        if not is_id(number):
            raise BadInput(f"special_tokens: the id of {name!r} must be 0 to {MOST_IDS - 1}, not {number!r}")
    return dict(special_tokens)
