"""For scripts with options, as the examples: numbers in range, and errors that are one sentence."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import BadInput


def at_least_one(text: str) -> int:
    """A type of argparse for counts."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def above_zero(text: str) -> float:
    """A type of argparse for measures."""
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, not {text}")
    return number


@contextmanager
def in_a_sentence(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Ends the program with one sentence, in place of a traceback, if BadInput is raised inside."""
    try:
        yield
    except BadInput as error:
        parser.error(str(error))
