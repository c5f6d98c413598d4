"""Noticing that a recorded value was changed: its gradient would silently be that of another computation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import is_numpy

WHOLE = 1 << 16  # bytes: up to here a copy is hashed, which takes some eight times as long as their sum
SAMPLE = 1 << 12  # words
WORD = 8  # bytes


class Guard:
    """What a leaf tensor held when an operation recorded it.

    Results of operations are read-only, so only leaves can change: by `x.data -= …` and by an optimizer, both of
    which count up `version`, or behind the tensor's back (`x.data[0] = 5`), which only the content shows. Another
    array in its place (`x.data = …`) is a change, too: what is computed again in the backward would use that one.
    Arrays that belong to an optimizer (training) and arrays on a GPU are compared by version alone.
    """

    __slots__ = ("content", "tensor", "version")

    def __init__(self, tensor: Any) -> None:
        self.tensor, self.version, self.content = tensor, tensor.version, _content(tensor)

    def is_broken(self) -> bool:
        """Whether the value is another one now."""
        if self.tensor.version != self.version:
            return True
        return self.content is not None and self.content != _content(self.tensor)


def _content(tensor: Any) -> tuple[int, int] | None:
    array = tensor.data
    if tensor.grad_buffer is not None or not is_numpy(array) or not array.flags.writeable:
        return None
    return id(array), _fingerprint(array)


def _fingerprint(array: np.ndarray) -> int:
    """A number that any element has a part in. Of a large array it is the sum of its words, which any one of them
    changes, and a hash of some of them, because a sum does not show which two changed places."""
    if array.nbytes <= WHOLE:
        return hash(array.tobytes())
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(content) // WORD * WORD
    words = content[:whole].view(np.uint64)
    return hash((int(words.sum()), words[:: len(words) // SAMPLE].tobytes(), content[whole:].tobytes()))
