"""The place of each token in its text, in characters."""

from collections.abc import Sequence

import numpy as np

from tinygpt.text.tokenizer.pretokens import text_to_bytes

Offset = tuple[int, int]
"""(start, end): the characters start … end − 1."""


def byte_offsets(text: str, lengths: Sequence[int]) -> list[Offset]:
    """The offsets of consecutive tokens of a text, given the length of each in bytes.

    A character begins at each byte that is not of the form 10xxxxxx (RFC 3629, section 3), so counting these bytes
    tells which character a byte belongs to. If the tokens have more bytes than the text, the extra ones are a space put
    before it.

    >>> byte_offsets("aé今", [1, 1, 2, 2])
    [(0, 1), (1, 2), (1, 3), (2, 3)]
    """
    data = np.frombuffer(text_to_bytes(text), np.uint8)
    character = np.cumsum((data & 0b1100_0000) != 0b1000_0000) - 1
    ends = np.cumsum(lengths, dtype=np.int64)
    added = int(ends[-1]) - len(data) if len(ends) else 0
    ends -= added
    starts = np.maximum(ends - np.asarray(lengths, np.int64), 0)
    end_characters = np.where(ends > starts, character[ends - 1] + 1, 0)
    return list(zip(character[starts].tolist(), end_characters.tolist()))
