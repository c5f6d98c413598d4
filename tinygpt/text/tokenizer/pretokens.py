"""Text cut into the pieces that merges never cross, and text as bytes.

Special tokens cut first, then a pattern cuts what lies between. The pieces, joined, are always the text.
"""

import math
from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

import regex

from tinygpt.errors import BadInput

GPT2_PATTERN = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""English endings; then a run of letters, of digits, or of other signs, each with the one space before it;
then white space, which leaves its last character to the word that follows (Radford et al. 2019, "Language
models are unsupervised multitask learners", section 2.2, and the code published with it)."""


LONGEST_PATTERN = 5_000
"""Characters. Those in use have at most some 500; a million take seconds to compile."""

MOST_COPIES = 10_000
"""How often all {n} together may repeat a part: compiled, a pattern holds a copy of it each time."""

RUN, PATIENCE = 100, 1.0
"""Characters of each run of a probe, and the seconds for all: sound patterns need a thousandth of that."""


@cache
def compile_pattern(pattern: str) -> regex.Pattern:
    """The pattern, completed so that a character it does not match becomes a piece of its own.

    Without that a custom pattern could lose text silently. Raises BadInput for a pattern that is no regular
    expression, that captures groups, or that is too large or too slow to be of use.
    """
    copies = math.prod(max(1, int(count)) for count in regex.findall(r"\{(?:[0-9]*,)?([0-9]+)", pattern))
    if len(pattern) > LONGEST_PATTERN or copies > MOST_COPIES:
        raise BadInput(f"the pattern {pattern[:80]!r} is too large: {len(pattern)} characters, repeated {copies} times")
    try:
        compiled = regex.compile(f"(?:{pattern})|[\\s\\S]")
    except (regex.error, RecursionError) as error:
        raise BadInput(f"the pattern {pattern!r} is not a regular expression: {error}") from None
    if compiled.groups:
        raise BadInput(f"the pattern {pattern!r} captures groups: write (?:...) in place of (...)")
    _refuse_endless(compiled, pattern)
    return compiled


def _refuse_endless(compiled: regex.Pattern, pattern: str) -> None:
    """Try the pattern on runs of one character: a doubled repetition tries every way to divide a run."""
    runs = "\0".join(sign * RUN for sign in dict.fromkeys([*"aA1 !\n", *pattern]))
    try:
        compiled.findall(runs, timeout=PATIENCE)
    except (TimeoutError, MemoryError):
        raise BadInput(f"the pattern {pattern!r} takes for ever on runs of a character: is + or * doubled?") from None


class Span(NamedTuple):
    """A stretch of a text: the characters start … end − 1, and the special token they are, if any."""

    start: int
    end: int
    special: str | None


def special_spans(text: str, names: Collection[str]) -> Iterator[Span]:
    """The text as special tokens and what lies between, in order; of two names that begin alike the longer wins."""
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
    """UTF-8 in which a lone surrogate, legal in a str and not in UTF-8, keeps its three bytes."""
    return text.encode("utf-8", "surrogatepass")
