r"""The pattern of a Split pre-tokenizer: the library `tokenizers` runs it in Oniguruma, this library in `regex`.

The text between two matches is a piece, too. The two engines read most of the language alike, but not all: for
Oniguruma `^` and `$` are the ends of lines, `\h` is a hexadecimal digit, {1,3}+ repeats a repetition, && intersects,
`(?i:ss)` matches ß, `\w` leaves out a joiner. So only syntax known to mean the same to both is accepted. They may still
differ in characters newer than one engine's Unicode.
Source: Oniguruma 6.9, doc/RE and doc/SYNTAX.md, the syntax of Ruby.
"""

import regex

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.pieces import CUTTABLE_PATTERNS
from tinygpt.text.tokenizer.pretokens import compile_pattern

WHOLE_TEXT = r"[\s\S]+"
"""The pattern that does not cut a text at all."""

_COMPLETE = {*CUTTABLE_PATTERNS, WHOLE_TEXT}
"""Patterns known to match every character."""

_BETWEEN = "|(?:(?!{})[\\s\\S])+"
_EACH_ALONE = ("(?:", r")|[\s\S]")

_PROPERTY = (
    r"\^?(?:L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?|C[cf]"
    r"|Arabic|Cyrillic|Devanagari|Greek|Han|Hangul|Hebrew|Hiragana|Katakana|Latin|Thai)"
)
_ESCAPE = rf"\\(?:[sSdDrntfv]|[^\p{{L}}\p{{N}}_]|[pP]\{{{_PROPERTY}\}}|x[0-9A-Fa-f]{{2}}|u[0-9A-Fa-f]{{4}})"
_SAME_IN_BOTH = regex.compile(
    rf"{_ESCAPE}"
    rf"|\[\^?(?:{_ESCAPE}|[^\[\]\\&]|&(?!&))+\]"
    r"|\(\?(?:[:=!>]|<[=!])|\)"
    r"|\(\?i:(?!(?i:[^()]*(?:s[st]|f[fil])))(?:[a-zA-Z'|?]|\[[a-zA-Z]+\])+\)"
    r"|[*+?][+?]?(?![*+?])|\{[0-9]+(?:,[0-9]*)?\}(?![*+?])"
    r"|[^\\\[\](){}*+?^$]"
)
r"""One element of a pattern. Inside (?i: ) there may be no ss, st, ff, fi or fl: ignoring case, one character (ß, a
ligature) matches them, too."""

_PROBE = "aA1 \n\t!'-é世\u0301\x00"
"""A character of each kind that patterns tell apart."""


def check(pattern: str, where: str) -> None:
    """Raises BadInput that names the first element of the pattern that the engines read differently, or might.

    A pattern that matches the empty text is refused as well: one engine cuts there, and the other goes on.
    """
    place = 0
    while place < len(pattern):
        step = _SAME_IN_BOTH.match(pattern, place)
        if step is None:
            raise BadInput(f"{where} has {pattern[place : place + 12]!r} at character {place}, which is not supported")
        place = step.end()
    if not all(compile_pattern(pattern).findall(_PROBE + pattern + _PROBE)):
        raise BadInput(f"{where}: {pattern!r} matches an empty text, which is not supported")


def gaps_as_pieces(pattern: str) -> str:
    """Translates a Split's pattern: there the text between two matches is one piece, here each of its characters is."""
    if pattern in _COMPLETE:
        return pattern
    if pattern.startswith(_EACH_ALONE[0]) and pattern.endswith(_EACH_ALONE[1]):
        return pattern.removeprefix(_EACH_ALONE[0]).removesuffix(_EACH_ALONE[1])
    return pattern + _BETWEEN.format(pattern)


def gaps_as_characters(pattern: str) -> str:
    """The inverse of `gaps_as_pieces`."""
    if pattern in _COMPLETE:
        return pattern
    for length in range(len(pattern) // 2 + 1):
        if pattern[length:] == _BETWEEN.format(pattern[:length]):
            return pattern[:length]
    return pattern.join(_EACH_ALONE)
