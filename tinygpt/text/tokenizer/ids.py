"""Which numbers can be ids of tokens."""

MOST_IDS = 1 << 22
"""No vocabulary has so many tokens; a damaged file's id must not fill the memory."""


def is_id(value: object) -> bool:
    """Whether a JSON value can be a token's id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_IDS
