"""Pairs that are already there: arithmetic in words and in figures, documentation at length and in a line.

Arithmetic is made, as much as is asked for; docstrings are those of this Python's standard library.
"""

from functools import cache
from inspect import cleandoc
from typing import Any

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.corpus.embedded import documented_modules
from tinygpt.text.corpus.prose import paragraphs
from tinygpt.text.pairs import Pair

_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
"""
_SMALL, _TENS = _NUMBERS.split()[:20], _NUMBERS.split()[20:]
_OPERATIONS = {"+": "the sum of", "-": "the difference of", "*": "the product of"}
_BINDS = {"+": 1, "-": 1, "*": 2}
_OF_ONE_OPERATION = 3 * 100 * 100

MIN_BODY_WORDS = 12
"""A shorter body says no more than its first line."""

MIN_DOCSTRINGS = 200
"""Fewer are no CPython with its sources, and too few to learn from."""

Expression = int | tuple[str, Any, Any]
"""A number, or an operation and its two expressions."""


def arithmetic_pairs(n: int, seed: int = 0, most_operations: int = 3) -> list[Pair]:
    """n different expressions in figures and, as source, in words.

        the product of the sum of three and twelve and four     (3 + 12) * 4

    Words name the operation first and figures put it between, with parentheses only where they are needed, so that
    neither side can be had from the other word for word. Both are unambiguous: an operation has two operands, and what
    binds alike is read from the left. Numbers go from 0 to 99. The pairs follow from (n, seed, most_operations).

    Raises BadInput for numbers below 1, and for more pairs of one operation than can be drawn.
    """
    if n < 1 or most_operations < 1:
        raise BadInput(f"arithmetic needs at least one pair and one operation, not {n} and {most_operations}")
    if most_operations == 1 and n > _OF_ONE_OPERATION // 2:
        raise BadInput(f"{n} pairs of one operation are too many of {_OF_ONE_OPERATION:,}: ask for longer ones")
    random = np.random.default_rng(seed)
    found: dict[str, Pair] = {}
    while len(found) < n:
        expression = _drawn(random, int(random.integers(1, most_operations + 1)))
        found.setdefault(words := in_words(expression), Pair(words, in_figures(expression)))
    return list(found.values())


def in_words(expression: Expression) -> str:
    """Operation, first operand, "and", second operand."""
    if isinstance(expression, int):
        tens, ones = divmod(expression, 10)
        return _SMALL[expression] if expression < 20 else _TENS[tens - 2] + (f" {_SMALL[ones]}" if ones else "")
    operation, left, right = expression
    return f"{_OPERATIONS[operation]} {in_words(left)} and {in_words(right)}"


def in_figures(expression: Expression) -> str:
    """First operand, operation, second operand; whatever would be read otherwise in parentheses."""
    if isinstance(expression, int):
        return str(expression)
    operation, left, right = expression
    before = _bracketed(left, _BINDS[operation])
    return f"{before} {operation} {_bracketed(right, _BINDS[operation] + 1)}"


def _bracketed(operand: Expression, binds: int) -> str:
    """The operand, in parentheses where it binds less than what stands beside it."""
    figures = in_figures(operand)
    return figures if isinstance(operand, int) or _BINDS[operand[0]] >= binds else f"({figures})"


def _drawn(random: np.random.Generator, operations: int) -> Expression:
    if operations == 0:
        return int(random.integers(100))
    to_the_left = int(random.integers(operations))
    left, right = _drawn(random, to_the_left), _drawn(random, operations - 1 - to_the_left)
    return "+-*"[random.integers(3)], left, right


@cache
def docstring_pairs() -> list[Pair]:
    """What follows a docstring's first line, in paragraphs of English on one line, and, as target, that first line.

    Each once, in order of the modules. They differ between versions of Python. Raises BadInput where this Python comes
    without its sources.
    """
    found: dict[str, Pair] = {}
    for _, texts in documented_modules():
        for text in texts:
            first, _, rest = cleandoc(text).partition("\n\n")
            if not rest or "\n" in first:
                continue
            summary, body = " ".join(paragraphs(first)), " ".join(paragraphs(rest))
            if summary and len(body.split()) >= MIN_BODY_WORDS:
                found.setdefault(body, Pair(body, summary))
    if len(found) < MIN_DOCSTRINGS:
        raise BadInput(
            "this Python cannot serve with docstrings, as its standard library comes without source files: "
            "give pairs of your own with --data"
        )
    return list({pair.target: pair for pair in found.values()}.values())
