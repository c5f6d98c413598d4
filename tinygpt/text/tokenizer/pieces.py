"""Pre-tokenization of long text, fast and in parts.

The patterns in use have two properties that other patterns may lack. First, in ASCII text the standard library's engine
finds the same pieces in half the time, once the character classes are spelled out. Second, there are places where every
one of these patterns begins a new piece, whatever comes before or after. A text can be cut there, and its parts can go
to another engine or process, or come from a file one after another, without changing the pieces.
"""

import re
from collections.abc import Callable, Iterator

import regex

from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern

CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s++(?!\S)|\s*[\r\n]|\s+(?!\S)|\s"
)
"""Contractions in either case; a word with one sign before it; at most three digits; signs with the line ends after
them; white space at the end of the text, up to a line end, or all but its last character."""

O200K_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Like cl100k's, but marks count as letters, words are cut where capitals begin, and contractions stay with their
words."""

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Like cl100k's, but with consecutive line ends in one piece, as in the tokenizer.json of Llama 3."""

CUTTABLE_PATTERNS = frozenset({GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN, LLAMA3_PATTERN})
"""Patterns that begin a new piece at every place that `next_cut` finds."""

SOME = 1000
"""Characters cut at a time, so that a few that are not ASCII slow down only a small part of the text."""

_CUT = r"(?<=\S)(?=[^\S\r\n])|(?<=[\p{L}\p{N}])(?=[^\p{L}\p{N}\p{M}'])"
_NEXT_CUT, _LAST_CUT = regex.compile(_CUT), regex.compile(f"(?r)(?:{_CUT})")

_IN_ASCII = {"L": "A-Za-z", "Lu": "A-Z", "Ll": "a-z", "Lt": "", "Lm": "", "Lo": "", "M": "", "N": "0-9"}


def next_cut(text: str, start: int) -> int | None:
    """The first place after `start` where text may be cut: before white space that follows anything else (but not
    before a line end, which may belong to the sign before it), and between a letter or digit and a character that is
    none of these, nor a mark or an apostrophe, which may belong to the word."""
    found = _NEXT_CUT.search(text, start + 1)
    return None if found is None else found.start()


def last_cut(text: str, start: int, end: int) -> int | None:
    """The last such place after `start` and up to `end`; the text beyond the character at `end` is not looked at."""
    found = _LAST_CUT.search(text, start, end + 1)
    return None if found is None or found.start() == start else found.start()


def parts_of(text: str, size: int) -> Iterator[str]:
    """The text in parts of `size` characters or somewhat more, cut where every pattern in use may be cut."""
    start = 0
    while len(text) - start > size and (cut := next_cut(text, start + size)) is not None:
        yield text[start:cut]
        start = cut
    yield text[start:]


class PieceFinder:
    """Finds the pieces of texts: the same as `compile_pattern(pattern).findall`, but faster."""

    def __init__(self, pattern: str) -> None:
        self.cuttable = pattern in CUTTABLE_PATTERNS
        self._find = compile_pattern(pattern).findall
        self._find_in_ascii = _finder_in_ascii(pattern) or self._find

    def __call__(self, text: str) -> list[str]:
        if text.isascii():
            return self._find_in_ascii(text)
        if not self.cuttable:
            return self._find(text)
        pieces = []
        for part in parts_of(text, SOME):
            pieces += self._find_in_ascii(part) if part.isascii() else self._find(part)
        return pieces


def _finder_in_ascii(pattern: str) -> Callable[[str], list[str]] | None:
    """`findall` of the standard library's engine, with each character class reduced to its ASCII members; None if that
    engine, or this function, does not support the pattern."""
    spelled = regex.sub(r"\[(?:\\.|[^\\\]])*\]|\\p\{\w+\}", _spelled_out, pattern)
    try:
        return re.compile(f"(?:{spelled})|[\\s\\S]", re.ASCII).findall
    except re.error:
        return None


def _spelled_out(found: regex.Match) -> str:
    """Spells out the classes inside brackets, or a single one."""
    text = regex.sub(r"\\p\{(\w+)\}", lambda name: _IN_ASCII.get(name[1], name[0]), found[0])
    return text if found[0].startswith("[") else f"[{text}]"
