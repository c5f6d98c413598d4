"""What passes between the processor and the device: how often the one waited, and what was sent to the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Waited(AssertionError):
    """The processor waited for the device where it must not."""


@dataclass
class Traffic:
    """waits: what was done that needs a result now. uploads: the shapes of arrays that were sent to the device."""

    waits: list[str] = field(default_factory=list)
    uploads: list[tuple[int, ...]] = field(default_factory=list)
    forbidden: bool = False

    def wait(self, what: str) -> None:
        self.waits.append(what)
        if self.forbidden:
            raise Waited(f"{what} waits for the device")

    def upload(self, shape: tuple[int, ...]) -> None:
        if shape:  # a number goes along with the call that needs it
            self.uploads.append(shape)


traffic = Traffic()


@contextmanager
def counted() -> Iterator[Traffic]:
    """What passes inside."""
    before = len(traffic.waits), len(traffic.uploads)
    inside = Traffic()
    try:
        yield inside
    finally:
        inside.waits, inside.uploads = traffic.waits[before[0] :], traffic.uploads[before[1] :]


@contextmanager
def no_waits() -> Iterator[None]:
    """Raises Waited where something inside needs a result of the device now."""
    before, traffic.forbidden = traffic.forbidden, True
    try:
        yield
    finally:
        traffic.forbidden = before
