"""WordPiece as in BERT: text is cut into words, and each word from the left into the longest tokens of the vocabulary.

Byte-pair encoding needs its merges in order; WordPiece needs only the vocabulary. A token that continues a word begins
with ##, and a word that cannot be cut into tokens becomes [UNK] as a whole:

>>> tokenizer = WordPiece(["[UNK]", "un", "##aff", "##able", ",", "so"])
>>> tokenizer.encode("Unaffable, so unsaid")
[1, 2, 3, 4, 5, 0]
>>> tokenizer.decode([1, 2, 3, 4, 5, 0])
'unaffable, so [UNK]'

`decode` cannot restore capitals and accents if the tokenizer drops them, the kind and amount of white space, whether a
sign stood apart from its word, control characters, and words that became [UNK].

Sources: Schuster & Nakajima 2012, "Japanese and Korean voice search" (the vocabulary); Wu et al. 2016, "Google's
neural machine translation system", section 4.1; Devlin et al. 2019, "BERT", section 3, and the code published with it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from os import PathLike
from typing import Any, Self

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import files
from tinygpt.text.tokenizer.around import Template, as_bert
from tinygpt.text.tokenizer.base import BaseTokenizer
from tinygpt.text.tokenizer.bert_words import basic_words, placed_words
from tinygpt.text.tokenizer.decoding import bytes_to_text
from tinygpt.text.tokenizer.files import list_field
from tinygpt.text.tokenizer.offsets import Offset
from tinygpt.text.tokenizer.pretokens import text_to_bytes

PADDING, UNKNOWN_WORD, BEGIN, SEPARATOR, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

CONTINUES = "##"
"""Begins a token that continues a word."""

LONGEST_WORD = 100
"""Characters; a longer word becomes [UNK] without a search."""

CACHED_CHUNKS = 1 << 18
"""The number of stretches of text whose ids are cached."""

LONGEST_CACHED_CHUNK = 64
"""Characters; a longer stretch is unlikely to occur again."""

_CUTS = r"!-/:-@\[-`{-~\u4e00-\u9fff"
_CHUNK = re.compile(rf"[{_CUTS}]|[^\t\n\r {_CUTS}]+")
"""Stretches whose words do not depend on their surroundings, so that their ids can be cached: most white space, ASCII
punctuation and the common Chinese characters always end a word. What else ends one is left to `basic_words`."""

_CLINGS = (".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re")
"""A token that begins with one of these is written without a space before it. English contractions are tokens only in
vocabularies whose words were not cut at every sign."""


def longest_pieces(word: str, beginnings: Mapping[str, int], continuations: Mapping[str, int]) -> list[int] | None:
    """The ids of the longest token that begins the word, of the longest that continues it there, and so on to the end.

    None if no token fits the rest: greedy matching never goes back to try a shorter token.

    >>> longest_pieces("unable", {"un": 1, "u": 2}, {"a": 3, "able": 4, "nable": 5})
    [1, 4]
    """
    ids: list[int] = []
    pieces, start = beginnings, 0
    while start < len(word):
        end = len(word)
        while word[start:end] not in pieces:
            end -= 1
            if end == start:
                return None
        ids.append(pieces[word[start:end]])
        pieces, start = continuations, end
    return ids


class WordPiece(BaseTokenizer):
    """BERT's tokenizer: the ids are the positions in its vocabulary, which includes the special tokens.

    [CLS] written in a text is a bracket, three letters and a bracket, unless `allowed_special` names it. Whether words
    are lowercased depends on the vocabulary: an "uncased" one has no capitals.

    Raises BadInput for a vocabulary without [UNK], or with a token that is empty or repeated.
    """

    type_name = "wordpiece"

    def __init__(self, tokens: Iterable[str], lowercase: bool = True) -> None:
        self.tokens = list(tokens)
        self.lowercase = lowercase
        id_of = _numbered(self.tokens, "tokens[{}]".format)
        super().__init__([text_to_bytes(_shown(token)) for token in self.tokens], ())
        self.special_tokens = {name: id_of[name] for name in SPECIAL_TOKENS if name in id_of}
        self._beginnings = id_of
        self._continuations = {
            token.removeprefix(CONTINUES): number for token, number in id_of.items() if token.startswith(CONTINUES)
        }
        self._chunk_ids = _ChunkIds(self)

    @classmethod
    def load(cls, path: str | PathLike[str], lowercase: bool | None = None) -> Self:
        """Read BERT's vocab.txt, one token a line in UTF-8, or what `save` wrote; the content decides which.

        A vocab.txt does not say whether words are lowercased: they are, unless `lowercase` is False. A file that `save`
        wrote does say so, and the argument must not contradict it. Raises BadInput that names the file and the line or
        entry.
        """
        data = files.read_bytes(path)
        if _is_json(data):
            loaded = super().load(path)
            if lowercase not in (None, loaded.lowercase):
                raise BadInput(f"{path} was saved with lowercase={loaded.lowercase}: leave the argument lowercase out")
            return loaded
        with files.naming(path):
            return cls(_lines_of(data), lowercase is not False)

    def encode(
        self,
        text: str,
        allowed_special: Collection[str] = (),
        disallowed_special: Collection[str] = (),
        *,
        add_special_tokens: bool = False,
    ) -> list[int]:
        """The ids of the text; [CLS] before and [SEP] after them if `add_special_tokens`.

        `allowed_special` names the special tokens that are recognised in the text, `disallowed_special` those that must
        not occur in it; "all" means every one, or every one that is not allowed. Raises BadInput for a name the
        vocabulary does not have, and for a disallowed token, with its place.
        """
        ids = super().encode(text, allowed_special, disallowed_special)
        return self.surround(ids) if add_special_tokens else ids

    def _template(self, of_pair: bool) -> Template:
        """[CLS] A [SEP] B [SEP]; the type is 0 up to the first [SEP] and 1 after it."""
        return as_bert(self._special_id(BEGIN), self._special_id(SEPARATOR))[of_pair]

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """The tokens, with a space between words and none before . , ? and !

        A word that encoding has cut stays cut: "don't" comes back as "don ' t". Raises BadInput for an unknown id.
        """
        ids = _as_list(ids)
        if skip_special_tokens:
            special = set(self.special_tokens.values())
            ids = [each for each in ids if each not in special]
        return bytes_to_text(self.decode_bytes(ids))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """`decode` in UTF-8. The first token is written as it is: without a space before it, and with its ##."""
        ids = _as_list(ids)
        shown = super().decode_bytes(ids)
        if not ids:
            return shown
        return text_to_bytes(self.tokens[ids[0]]) + shown[len(self.token_bytes(ids[0])) :]

    def definition(self) -> dict[str, Any]:
        return {"type": self.type_name, "lowercase": self.lowercase, "tokens": self.tokens}

    @classmethod
    def from_definition(cls, definition: dict[str, Any]) -> Self:
        lowercase = definition.get("lowercase")
        if not isinstance(lowercase, bool):
            raise BadInput(f"entry 'lowercase' must be true or false, not {lowercase!r}")
        return cls(list_field(definition, "tokens"), lowercase)

    def _ordinary_ids(self, text: str) -> np.ndarray:
        return np.fromiter(chain.from_iterable(map(self._chunk_ids.__getitem__, _CHUNK.findall(text))), np.uint32)

    def _ordinary_with_offsets(self, text: str) -> tuple[list[int], list[Offset]]:
        """(ids, offsets): the tokens of a word follow each other; a single one, also [UNK], is the whole word."""
        ids: list[int] = []
        offsets: list[Offset] = []
        for word, places in placed_words(text, self.lowercase):
            word_ids = self._word_ids(word)
            ids += word_ids
            start = 0
            for place, each in enumerate(word_ids):
                length = len(self.tokens[each].removeprefix(CONTINUES)) if place else len(self.tokens[each])
                end = start + length if len(word_ids) > 1 else len(word)
                offsets.append((min(places[start:end]), max(places[start:end]) + 1))
                start = end
        return ids, offsets

    def _word_ids(self, word: str) -> Sequence[int]:
        ids = longest_pieces(word, self._beginnings, self._continuations) if len(word) <= LONGEST_WORD else None
        return (self.special_tokens[UNKNOWN_WORD],) if ids is None else ids

    def _special_id(self, name: str) -> int:
        if name not in self.special_tokens:
            raise BadInput(f"this vocabulary has no {name}, which stands around a text")
        return self.special_tokens[name]


class _ChunkIds(dict[str, Sequence[int]]):
    """A cache from chunk to ids, emptied when full, which bounds its memory."""

    def __init__(self, tokenizer: WordPiece) -> None:
        self._lowercase = tokenizer.lowercase
        self._word_ids = tokenizer._word_ids

    def __missing__(self, chunk: str) -> Sequence[int]:
        ids = tuple(chain.from_iterable(map(self._word_ids, basic_words(chunk, self._lowercase))))
        if len(chunk) <= LONGEST_CACHED_CHUNK:
            if len(self) >= CACHED_CHUNKS:
                self.clear()
            self[chunk] = ids
        return ids


def _shown(token: str) -> str:
    """What the token adds to a text that has already begun."""
    if token.startswith(CONTINUES):
        return token.removeprefix(CONTINUES)
    return token if token.startswith(_CLINGS) else " " + token


def _as_list(ids: Iterable[int]) -> list[int]:
    return ids.tolist() if isinstance(ids, np.ndarray) else list(ids)


def _numbered(tokens: Sequence[str], entry: Callable[[int], str]) -> dict[str, int]:
    """The id of each token. Raises BadInput that calls a wrong one `entry(place)`, its name in the message."""
    id_of: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if not isinstance(token, str) or not token:
            raise BadInput(f"{entry(place)} must be a string that is not empty, not {token!r}")
        if id_of.setdefault(token, place) != place:
            raise BadInput(f"{entry(place)} repeats {token!r} of {entry(id_of[token])}")
    if UNKNOWN_WORD not in id_of:
        raise BadInput(f"there is no {UNKNOWN_WORD} among its {len(tokens)} tokens: words it cannot spell need one")
    return id_of


def _is_json(data: bytes) -> bool:
    """Whether this is meant as JSON, valid or not: every vocabulary has a line [UNK], and JSON has none."""
    return data.lstrip().startswith(b"{") and UNKNOWN_WORD.encode() not in data.splitlines()


def _lines_of(data: bytes) -> list[str]:
    """The lines of a vocab.txt, which end only at line feeds: other line separators may be tokens."""
    if not data.strip():
        raise BadInput("it is empty: a vocab.txt holds one token a line")
    try:
        lines = data.decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"line {line} is not UTF-8: is this a vocab.txt?") from None
    tokens = [line.removesuffix("\r") for line in lines]
    _numbered(tokens, lambda place: f"line {place + 1}")
    return tokens
