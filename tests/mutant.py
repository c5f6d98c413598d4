"""A mistake that can be planted: what it replaces, and the test that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """`old`, which stands exactly once in `file`, becomes `new`; `pytest tests/{test}.py -k {keyword}` must fail."""

    file: str
    old: str
    new: str
    keyword: str
    test: str = "test_gradients"


def mutants(file: str, *rows: tuple[str, ...]) -> list[Mutant]:
    return [Mutant(file, *row) for row in rows]
