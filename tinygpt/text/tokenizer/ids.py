"""Which numbers can be ids of tokens."""

import sys

MOST_IDS = sys.maxunicode + 1
"""Each id must be the number of a character (`encoding.py` says why). No vocabulary has so many tokens, and a damaged
file's id must not fill the memory."""


def is_id(value: object) -> bool:
    """Whether a JSON value can be a token's id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_IDS
