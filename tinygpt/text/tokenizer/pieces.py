"""Long text cut into pieces, at speed and in parts.

The patterns in use have two properties that a pattern need not have. What they find in ASCII, the standard library's
engine finds with the character classes spelled out, in half the time. And there are places where every one of them
begins a new piece, whatever stands further left or right: so a text can be cut there, and its parts go to another
engine, another process, or come from a file one after another, with nothing changed.
"""

import re
from collections.abc import Callable, Iterator

import regex

from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern

CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s++(?!\S)|\s*[\r\n]|\s+(?!\S)|\s"
)
"""Endings in either case; a word with one sign before it; three digits at most; signs with the line ends behind
them; white space at the end of the text, up to a line end, or all but the last one."""

O200K_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""As cl100k's, with marks counted as letters, words cut where capitals begin, and endings kept at their words."""

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""cl100k's with line ends taken together, as the tokenizer.json of Llama 3 has it."""

CUTTABLE_PATTERNS = frozenset({GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN, LLAMA3_PATTERN})
"""Those that begin a new piece wherever `next_cut` says."""

SOME = 1000
"""Characters cut at a time, so that a few that are not ASCII slow down little of the text."""

_CUT = r"(?<=\S)(?=[^\S\r\n])|(?<=[\p{L}\p{N}])(?=[^\p{L}\p{N}\p{M}'])"
_NEXT_CUT, _LAST_CUT = regex.compile(_CUT), regex.compile(f"(?r)(?:{_CUT})")

_IN_ASCII = {"L": "A-Za-z", "Lu": "A-Z", "Ll": "a-z", "Lt": "", "Lm": "", "Lo": "", "M": "", "N": "0-9"}


def next_cut(text: str, start: int) -> int | None:
    """The first place after `start` where text may be cut: before white space that follows anything else (but a line
    end may belong to the sign before it), and where a letter or a digit is followed by what is neither, nor a mark or
    an apostrophe, which may belong to the word."""
    found = _NEXT_CUT.search(text, start + 1)
    return None if found is None else found.start()


def last_cut(text: str, start: int, end: int) -> int | None:
    """The last such place after `start` and up to `end`, before which all text to be looked at lies."""
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
    """Finds the pieces of texts: what `compile_pattern(pattern).findall` finds, but sooner."""

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
    """`findall` of the standard library, with each class of characters as its members in ASCII; None where that
    engine, or this function, does not know something in the pattern."""
    spelled = regex.sub(r"\[(?:\\.|[^\\\]])*\]|\\p\{\w+\}", _spelled_out, pattern)
    try:
        return re.compile(f"(?:{spelled})|[\\s\\S]", re.ASCII).findall
    except re.error:
        return None


def _spelled_out(found: regex.Match) -> str:
    """Classes within brackets, or one by itself."""
    text = regex.sub(r"\\p\{(\w+)\}", lambda name: _IN_ASCII.get(name[1], name[0]), found[0])
    return text if found[0].startswith("[") else f"[{text}]"
