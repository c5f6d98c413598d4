"""Pairs that need no download: arithmetic in words and in figures, and docstrings with their first lines.

Arithmetic is generated, as many pairs as are asked for; docstrings are those of this Python's standard library.
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
"""A shorter body says no more than the first line."""

MIN_DOCSTRINGS = 200
"""With fewer this is not a CPython with its sources, and there is too little to learn from."""

Expression = int | tuple[str, Any, Any]
"""A number, or an operation and its two expressions."""


def arithmetic_pairs(n: int, seed: int = 0, most_operations: int = 3) -> list[Pair]:
    """n different expressions: the source in words, the target in figures.

        the product of the sum of three and twelve and four     (3 + 12) * 4

    In words the operation comes first; in figures it stands between its operands, with parentheses only where they are
    needed. So neither side can be derived from the other word by word. Both are unambiguous: each operation has two
    operands, and operations of equal precedence are evaluated from left to right. Numbers range from 0 to 99. The pairs
    are a function of (n, seed, most_operations).

    Raises BadInput for n or most_operations below 1, and for more pairs of one operation than can be drawn.
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
    """First operand, operation, second operand; parentheses only where the reading would change without them."""
    if isinstance(expression, int):
        return str(expression)
    operation, left, right = expression
    before = _bracketed(left, _BINDS[operation])
    return f"{before} {operation} {_bracketed(right, _BINDS[operation] + 1)}"


def _bracketed(operand: Expression, binds: int) -> str:
    """The operand, in parentheses if its precedence is lower than that of the operation beside it."""
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
    """Pairs of a docstring's text after its first line (the source, on one line) and that first line (the target).

    Only English paragraphs are kept; no text occurs twice; the order is that of the modules. The pairs depend on the
    version of Python. Raises BadInput if this Python comes without its sources.
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
