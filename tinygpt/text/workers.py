"""Processing texts in several processes.

Each worker is a new Python process that runs `serve` and communicates through pipes. It needs nothing from the calling
script. The pools of `multiprocessing`, in contrast, either import that script again, which must then guard its code
with `if __name__ == "__main__"`, or copy a process whose threads may hold locks.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from queue import SimpleQueue
from typing import Any

from tinygpt.errors import BadInput

LARGE = 4_000_000
"""From this many characters on, processes are worth their start: encoding so many takes about as long as starting two.
"""

SENT = 500_000
"""Characters sent to a process at a time: few enough that the last ones are soon done, enough that messages are rare.
"""

AHEAD = 2
"""Items per process that are submitted before their results are needed, so that no process waits for work."""


def spread(
    make: Callable[..., Callable[[list[str]], Any]], arguments: tuple, texts: Iterable[str], processes: int | None
) -> Iterator[Any]:
    """Applies `make(*arguments)` to one list of texts after another, in several processes if there is enough to do."""
    if processes is not None and processes < 1:
        raise BadInput(f"processes must be at least 1, not {processes}")
    groups = _grouped(texts)
    first, characters = [], 0
    n = usable_cores() if processes is None else processes
    while n > 1 and characters < LARGE and (group := next(groups, None)) is not None:
        first.append(group)
        characters += sum(map(len, group))
    groups = chain(first, groups)
    if n > 1 and (processes is not None or characters >= LARGE):
        yield from in_processes(make, arguments, groups, n)
    else:
        yield from map(make(*arguments), groups)


def _grouped(texts: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    characters = 0
    for text in texts:
        if not isinstance(text, str):
            raise BadInput(f"a text must be a str, not {type(text).__name__}")
        group.append(text)
        characters += len(text)
        if characters >= SENT:
            yield group
            group, characters = [], 0
    if group:
        yield group


def usable_cores() -> int:
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    make: Callable[..., Callable[[Any], Any]], arguments: tuple, items: Iterable[Any], processes: int
) -> Iterator[Any]:
    """`make(*arguments)(item)` for each item, in order; `make` runs once in each process.

    `make`, its arguments, the items and the results must be picklable. An exception in a worker is raised here.
    """
    workers = [_Worker(make, arguments) for _ in range(processes)]
    free: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def work(item: Any) -> Any:
        worker = free.get()
        try:
            return worker(item)
        finally:
            free.put(worker)

    pending: deque[Future] = deque()
    with ThreadPoolExecutor(processes) as threads:
        try:
            for item in items:
                pending.append(threads.submit(work, item))
                if len(pending) > AHEAD * processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            for worker in workers:
                worker.end()


class _Worker:
    """One worker process: called with an item, it returns the result."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], arguments: tuple) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        self._process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._first = (make, arguments)

    def __call__(self, item: Any) -> Any:
        try:
            if self._first is not None:
                _send(self._first, self._process.stdin)
                self._first = None
            _send(item, self._process.stdin)
            succeeded, result = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise BadInput(
                f"a process that worked on text ended early, with status {self._process.wait()}: was there too little "
                "memory? Ask for fewer processes"
            ) from None
        if not succeeded:
            raise result
        return result

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()


def serve() -> None:
    """The main loop of a worker: it reads `make` and its arguments, then item after item until the pipe is closed.

    Ctrl-C, which a terminal sends to every process, is left to the parent process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr  # a print must not end up among the results
    with suppress(EOFError, BrokenPipeError):
        make, arguments = pickle.load(incoming)
        work = make(*arguments)
        while True:
            item = pickle.load(incoming)
            try:
                answer = True, work(item)
            except Exception as error:  # raised again in the parent process
                answer = False, error
            _send(answer, outgoing)


def _send(item: Any, pipe: Any) -> None:
    pickle.dump(item, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()
