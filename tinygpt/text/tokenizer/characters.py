"""One token per character: the simplest vocabulary, for the simplest runs."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.base import BaseTokenizer, checked_texts
from tinygpt.text.tokenizer.files import list_field
from tinygpt.text.tokenizer.offsets import Offset
from tinygpt.text.tokenizer.pretokens import split_at_special, text_to_bytes
from tinygpt.text.tokenizer.vocabulary import UNKNOWN, checked_names


class CharTokenizer(BaseTokenizer):
    """The characters given, numbered in their order, then the special tokens.

    A character outside the vocabulary becomes <|unk|> if that is among the special tokens; otherwise `encode` raises
    BadInput that names the character and its position.
    """

    type_name = "char"

    def __init__(self, characters: Iterable[str], special_tokens: Iterable[str] = ()) -> None:
        self.characters = list(characters)
        for place, character in enumerate(self.characters):
            if not isinstance(character, str) or len(character) != 1:
                raise BadInput(f"characters[{place}] must be one character, not {character!r}")
        self._id_of = {character: number for number, character in enumerate(self.characters)}
        if len(self._id_of) < len(self.characters):
            raise BadInput("characters must all be different")
        super().__init__([text_to_bytes(each) for each in self.characters], checked_names(special_tokens))

    @classmethod
    def train(cls, texts: Iterable[str], special_tokens: Iterable[str] = ()) -> Self:
        """All characters of the texts, sorted; special tokens written in them do not count as characters."""
        special_tokens = checked_names(special_tokens)
        characters: set[str] = set()
        for text in checked_texts(texts):
            for part, is_special in split_at_special(text, special_tokens):
                if not is_special:
                    characters.update(part)
        return cls(sorted(characters), special_tokens)

    def definition(self) -> dict[str, Any]:
        return {
            "type": self.type_name,
            "special_tokens": list(self.special_tokens),
            "characters": self.characters,
        }

    @classmethod
    def from_definition(cls, definition: dict[str, Any]) -> Self:
        return cls(list_field(definition, "characters"), list_field(definition, "special_tokens"))

    def _ordinary_ids(self, text: str) -> np.ndarray:
        id_of = self._id_of
        if UNKNOWN in self.special_tokens:
            unknown = self.special_tokens[UNKNOWN]
            return np.array([id_of.get(character, unknown) for character in text], np.uint32)
        try:
            return np.array([id_of[character] for character in text], np.uint32)
        except KeyError as error:
            character = error.args[0]
        raise BadInput(
            f"the character {character!r} (U+{ord(character):04X}) at position {text.index(character)} is not in "
            f"the vocabulary: train on text that has it, or with a byte-pair encoding, which spells every character "
            f"(in Python also with the special token {UNKNOWN})"
        )

    def _ordinary_with_offsets(self, text: str) -> tuple[list[int], list[Offset]]:
        return self._ordinary_ids(text).tolist(), [(place, place + 1) for place in range(len(text))]
