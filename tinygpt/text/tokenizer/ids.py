"""Which numbers can be token ids."""

import sys

MOST_IDS = sys.maxunicode + 1
"""Every id is below this number, as it must be a code point (`encoding.py` says why). No vocabulary has so many tokens,
and an id in a damaged file must not fill the memory."""


def is_id(value: object) -> bool:
    """Whether a JSON value can be a token's id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_IDS
