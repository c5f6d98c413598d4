"""Finding the English in documentation: paragraphs of sentences, without code, tables, grammars and lists of names.

Documentation is laid out with blank lines and indentation; each rule below removes one kind of block that is not
prose. In doubt a rule removes too much, since a model imitates what stays.
"""

import re
from collections.abc import Iterator
from inspect import cleandoc

MIN_WORDS = 5
"""Shorter paragraphs are mostly headings and labels."""

MIN_WORD_SHARE = 0.8
"""The share of a paragraph's tokens that must look like written words and not like code. With a lower share, a model's
samples read like code."""

MIN_COMMON_SHARE = 0.2
"""The share of words that must be in COMMON. Nine in ten of the paragraphs kept have 30 per cent or more, a list of
names hardly any."""

_COMMON_WORDS = """
a about after all also an and any are as at be been before but by can class default do does each for
from function given has have if in instead into is it its may method module more must new no not
object of on one only or other return returns same set should so string than that the their them
then there these they this to two up use used using value was we when where which while will with
you your
"""
COMMON = frozenset(_COMMON_WORDS.split())

_BULLET = re.compile(r"\s*(?:[-*+•o]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+(?=\S)")
_NOT_PROSE = re.compile(
    r">>>|::=|\S {3,}\S|https?:|www\.|\w@\w|[-=~*^#+_.]{4,}|[{}|\\]|\$|#|[<>=]=|->|\s=\s|\w=\w|%[a-z(]"
    r"|^\s*(?::|@)\w+|\bXXX\b|\bTODO\b|[Cc]opyright|All rights reserved|\$Id"
)
_LABEL = re.compile(
    r"(?:Note|Warning|See also|Caution|Returns|CPython implementation detail"
    r"|(?:Changed|New|Deprecated|Added) (?:in version|since version) [\d.]+)"
    r"(?:, will be removed in version [\d.]+)?:\s*"
)
_MARKUP = (
    (re.compile(r":[a-z:]+:`~?([^`<]+?)(?: ?<[^>]*>)?`"), r"\1"),
    (re.compile(r"``?([^`]+?)(?:``?|'(?!\w))"), r"\1"),
    (re.compile(r"(?<!\w)\*\*?(\w[^*]*?)\*\*?(?!\w)"), r"\1"),
    (re.compile(r" ?\[\d+\]"), ""),
    (re.compile(r'""([^"]*)""'), r'"\1"'),
    (re.compile(r"\s+"), " "),
)
_STRAIGHT = str.maketrans("‘’“”–", "''\"\"-")
_HYPHENATED = re.compile(r"(?<=[a-z])-\n\s*(?=[a-z])")
_WORD = re.compile(r"[(\"']*(?:[A-Za-z]?[a-z]+|[AI]|[A-Z]{2,5}|\d{1,4})(?:[-'/][A-Za-z]+)*[)\"']*[.,;:!?]*[)\"']*")
_ANNOUNCEMENT = re.compile(r"(?:(?<=[.!?]) +|^)(?:(?![.!?] ).)*:$")
_OPENING = re.compile(r"[\"'(]*[A-Z]")
_CLOSING = re.compile(r"[.!?][\"')]*$")
_PAIRS = (("(", ")"), ("[", "]"))


def paragraphs(documentation: str) -> Iterator[str]:
    """The paragraphs of prose, each on one line."""
    for block in re.split(r"\n\s*\n", cleandoc(documentation.translate(_STRAIGHT))):
        for item in _items(block.split("\n")):
            paragraph = _reflow(item)
            if paragraph and _reads_as_english(paragraph):
                yield paragraph


def _items(lines: list[str]) -> Iterator[list[str]]:
    """A block's list items without their bullets, or the block itself; nothing if its lines are not prose."""
    if any(_NOT_PROSE.search(line) for line in lines):
        return
    item: list[str] = []
    for line in lines:
        if bullet := _BULLET.match(line):
            yield from _with_even_margin(item)
            item = [" " * bullet.end() + line[bullet.end() :]]
        else:
            item.append(line)
    yield from _with_even_margin(item)


def _with_even_margin(lines: list[str]) -> Iterator[list[str]]:
    """The lines, if all have the same indentation; uneven indentation means code, a definition or verse."""
    if len({len(line) - len(line.lstrip()) for line in lines}) == 1:
        yield lines


def _reflow(lines: list[str]) -> str:
    """The lines as one, without markup. A last sentence that announces something left out ("For example:") is dropped.
    """
    text = _HYPHENATED.sub("-", "\n".join(line.strip() for line in lines))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = _LABEL.sub("", text.strip(), count=1).strip()
    if text.endswith(":"):
        text = _ANNOUNCEMENT.sub("", text)
    if text[-1:].isalnum() or text.endswith(")"):
        text += "."
    return text


def _reads_as_english(paragraph: str) -> bool:
    words = paragraph.split()
    if len(words) < MIN_WORDS or not _OPENING.match(paragraph) or not _CLOSING.search(paragraph):
        return False
    if any(paragraph.count(left) != paragraph.count(right) for left, right in _PAIRS):
        return False
    well_formed = sum(_WORD.fullmatch(word) is not None for word in words)
    common = sum(word.strip("\"'(),.;:!?").lower() in COMMON for word in words)
    return well_formed >= MIN_WORD_SHARE * len(words) and common >= MIN_COMMON_SHARE * len(words)
