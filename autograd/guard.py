"""Noticing that a recorded value was changed: its gradient would silently be that of another computation."""

from __future__ import annotations

from typing import Any

from .device import is_numpy

WHOLE = 1 << 20  # bytes: up to here every bit is compared, beyond it a sample of elements over the whole array
SAMPLE = 1 << 12  # elements


class Guard:
    """What a leaf tensor held when an operation recorded it.

    Results of operations are read-only, so only leaves can change: through `x.data = …` and by an optimizer, both
    of which count up `version`, or behind the tensor's back (`x.data[0] = 5`), which only the content shows. Arrays
    that belong to an optimizer (training) and arrays on a GPU are compared by version alone.
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
    if array.nbytes > WHOLE:
        array = array.reshape(-1)[:: array.size // SAMPLE] if array.flags.c_contiguous else array.flat[:SAMPLE]
    return id(tensor.data), hash(array.tobytes())
