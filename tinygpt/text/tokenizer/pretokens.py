"""Pre-tokenization: text cut into the pieces that merges never cross; and text as bytes.

The text is cut at special tokens first, then a pattern cuts what lies between them. The pieces, joined, are always the
text.
"""

import math
from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

import regex

from tinygpt.errors import BadInput

GPT2_PATTERN = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""English contractions ('s, 't …); then a run of letters, of digits, or of other signs, each with one space before it,
if there is one; then white space, which leaves its last character to the word that follows (Radford et al. 2019,
"Language models are unsupervised multitask learners", section 2.2, and the code published with it)."""


LONGEST_PATTERN = 5_000
"""Characters. Patterns in use have at most some 500; one of a million takes seconds to compile."""

MOST_COPIES = 10_000
"""The largest product of all counts {n}: a compiled pattern holds that many copies of a repeated part."""

RUN, PATIENCE = 100, 1.0
"""Characters in each run of the probe, and the seconds for all runs; sound patterns need a thousandth of that."""


@cache
def compile_pattern(pattern: str) -> regex.Pattern:
    """The pattern, completed so that a character it does not match becomes a piece of its own.

    Without that a custom pattern could lose text silently. Raises BadInput for a pattern that is not a regular
    expression, that captures groups, or that is too large or too slow to be of use.
    """
    copies = math.prod(max(1, int(count)) for count in regex.findall(r"\{(?:[0-9]*,)?([0-9]+)", pattern))
    if len(pattern) > LONGEST_PATTERN or copies > MOST_COPIES:
        raise BadInput(f"the pattern {pattern[:80]!r} is too large: {len(pattern)} characters, repeated {copies} times")
    try:
        regex.compile(pattern)  # alone, so that the place of a mistake is counted in it
        compiled = regex.compile(f"(?:{pattern})|[\\s\\S]")
    except (regex.error, RecursionError) as error:
        raise BadInput(f"the pattern {pattern!r} is not a regular expression: {error}") from None
    if compiled.groups:
        raise BadInput(f"the pattern {pattern!r} captures groups: write (?:...) in place of (...)")
    _refuse_endless(compiled, pattern)
    return compiled


def _refuse_endless(compiled: regex.Pattern, pattern: str) -> None:
    """Tries the pattern on runs of one character: nested repetitions such as (a+)+ try every way to divide a run."""
    runs = "\0".join(sign * RUN for sign in dict.fromkeys([*"aA1 !\n", *pattern]))
    try:
        compiled.findall(runs, timeout=PATIENCE)
    except (TimeoutError, MemoryError):
        raise BadInput(f"the pattern {pattern!r} takes for ever on runs of a character: is + or * doubled?") from None


class Span(NamedTuple):
    """A stretch of a text: the characters start … end − 1, and the name of the special token there, if it is one."""

    start: int
    end: int
    special: str | None


def special_spans(text: str, names: Collection[str]) -> Iterator[Span]:
    """The text as special tokens and what lies between, in order; of two names that match, the longer wins."""
    done = 0
    if names:
        longest_first = sorted(names, key=len, reverse=True)
        for found in regex.finditer("|".join(map(regex.escape, longest_first)), text):
            if done < found.start():
                yield Span(done, found.start(), None)
            yield Span(*found.span(), found.group())
            done = found.end()
    if done < len(text):
        yield Span(done, len(text), None)


def split_at_special(text: str, names: Collection[str]) -> Iterator[tuple[str, bool]]:
    """(part, whether it is a special token), in order, as `special_spans` finds them."""
    return ((text[start:end], special is not None) for start, end, special in special_spans(text, names))


def text_to_bytes(text: str) -> bytes:
    """The text in UTF-8; a lone surrogate, allowed in a str but not in UTF-8, is written as its three bytes."""
    return text.encode("utf-8", "surrogatepass")
