"""Text to token ids and back.

In reading order: plain, pretokens, linked, training, merging, pieces, encoding, decoding, ids, vocabulary, base, bpe,
characters, bert_characters, bert_words, wordpiece; for long text columns, cutting, keys, numbering, together,
stitching; then streams, offsets, dropout, around; making and inspection, which show how tokens come about; files,
conventions, formats and reading, for vocabularies in files, those of other libraries included.
"""

from os import PathLike
from typing import Any

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import files
from tinygpt.text.tokenizer.base import BaseTokenizer
from tinygpt.text.tokenizer.bpe import Tokenizer
from tinygpt.text.tokenizer.characters import CharTokenizer
from tinygpt.text.tokenizer.decoding import StreamDecoder
from tinygpt.text.tokenizer.vocabulary import CLASSIFY, END_OF_TEXT, MASK, PAD, SEPARATE, UNKNOWN
from tinygpt.text.tokenizer.wordpiece import WordPiece

__all__ = [
    "CLASSIFY",
    "END_OF_TEXT",
    "MASK",
    "PAD",
    "SEPARATE",
    "UNKNOWN",
    "BaseTokenizer",
    "CharTokenizer",
    "StreamDecoder",
    "Tokenizer",
    "WordPiece",
    "load_tokenizer",
    "tokenizer_from_definition",
]

_TYPES: dict[str, type[BaseTokenizer]] = {each.type_name: each for each in (Tokenizer, CharTokenizer, WordPiece)}


def load_tokenizer(path: str | PathLike[str]) -> BaseTokenizer:
    """The tokenizer in a file that `save` wrote, of whichever type it is.

    Raises BadInput, naming the file and the entry, if it is missing, damaged or of another kind.
    """
    definition = files.read(path)
    with files.naming(path):
        return tokenizer_from_definition(definition)


def tokenizer_from_definition(definition: dict[str, Any]) -> BaseTokenizer:
    """The tokenizer whose `definition()` this is. Raises BadInput that names the entry that is wrong."""
    kind = definition.get("type")
    if kind not in _TYPES:
        raise BadInput(f"a tokenizer of type {kind!r}; this version knows {', '.join(map(repr, _TYPES))}")
    return _TYPES[kind].from_definition(definition)
