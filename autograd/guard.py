"""Notices that a recorded value was changed before backward, whose gradients would otherwise silently be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import is_numpy

WHOLE = 1 << 16  # bytes: an array up to this size is hashed entirely, eight times as slow as a sum
SAMPLE = 1 << 12  # words of a larger array that are hashed, at least
WORD = 8  # bytes


class Guard:
    """Version and content of a leaf tensor at the time when an operation recorded it.

    Results of operations are read-only, so only leaves can change. `x.data -= …` and an optimizer's step increase
    `version`; `x.data[0] = 5` does not, and is found by comparing the content. Replacing the array (`x.data = …`) is a
    change, too: whatever the backward computes again would use the new one. Arrays that belong to an optimizer (as in
    training) and arrays on a GPU are compared by version alone.
    """

    __slots__ = ("content", "tensor", "version")

    def __init__(self, tensor: Any) -> None:
        self.tensor, self.version, self.content = tensor, tensor.version, _content(tensor)

    def is_broken(self) -> bool:
        """Whether the value has changed since."""
        if self.tensor.version != self.version:
            return True
        return self.content is not None and self.content != _content(self.tensor)


def _content(tensor: Any) -> tuple[int, int] | None:
    array = tensor.data
    if tensor.grad_buffer is not None or not is_numpy(array) or not _can_change(array):
        return None
    return id(array), _fingerprint(array)


def _can_change(array: np.ndarray) -> bool:
    """Whether it is writeable, or a view of what is."""
    base = array.base
    return array.flags.writeable or (type(base) is np.ndarray and base.flags.writeable)


def _fingerprint(array: np.ndarray) -> int:
    """A hash that depends on every element.

    Of a large array, it is that of the sum of all words, which changes with any one of them, and of a sample of words,
    because a sum does not notice when two exchange places.
    """
    if array.nbytes <= WHOLE:
        return hash(array.tobytes())
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(content) // WORD * WORD
    words = content[:whole].view(np.uint64)
    return hash((int(words.sum()), words[:: len(words) // SAMPLE].tobytes(), content[whole:].tobytes()))
