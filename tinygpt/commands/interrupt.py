"""Ctrl-C as a request that is carried out between two steps, so that nothing is ever saved half-changed."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """Inside `with Interrupt() as interrupt`, the first Ctrl-C sets `interrupt.wanted`; a second one interrupts."""

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> Interrupt:
        self._here = threading.current_thread() is threading.main_thread()  # only it may handle signals
        if self._here:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._here:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        signal.signal(signal.SIGINT, self._before)
