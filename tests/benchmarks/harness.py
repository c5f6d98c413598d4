"""What every benchmark shares: children in a clean environment, alternating rounds, medians, one JSON line.

Two libraries in one process would share an allocator and fight for the cores with two pools of threads, and two
processes that run at once would fight too. So each side is a child of its own that works only when it is asked,
and the sides take turns: whatever else the machine is doing at the time falls on all of them alike.

Child and parent speak JSON lines: {"do": NAME, ...} down the child's stdin, {"result": ...} up a pipe of its own.
What a library prints in the child goes to stderr, so the parent's stdout holds the result alone.
This file imports no NumPy: a child's peak memory, as the kernel counts it, starts from its parent's size.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]

# Settings of a shell that would choose kernels or thread counts for one side only.
TUNING_PREFIXES = ("OPENBLAS_", "GOTO_", "OMP_", "GOMP_", "KMP_", "MKL_", "CUPY_TF32", "NVIDIA_TF32")

ANSWERS = "BENCHMARK_ANSWERS"  # tells a child the file descriptor of its pipe

# OpenBLAS's idle threads spin for about 2**26 clock ticks before they sleep: some 30 ms at 2 to 3 GHz.
HANDOVER_SECONDS = 0.1


class ChildFailed(Exception):
    """A side of the benchmark reported an error or ended."""


def refuse(sentence: str) -> NoReturn:
    """Bad input or something missing: one sentence on stderr, exit status 2."""
    print(sentence, file=sys.stderr)
    raise SystemExit(2)


def clean_environment() -> dict[str, str]:
    """The environment of a child: nothing that tunes a matrix library, and this checkout first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(TUNING_PREFIXES)}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return kept


class Child:
    """One side of a benchmark: a script in a process of its own, blocked on its stdin until it is asked."""

    def __init__(self, name: str, script: Path, arguments: Sequence[str] = ()):
        self.name = name
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.PIPE, stdout=sys.stderr, text=True, pass_fds=[writing],
            env=clean_environment() | {ANSWERS: str(writing)},
        )
        os.close(writing)
        self.answers = os.fdopen(reading)

    def ask(self, do: str, **arguments: Any) -> Any:
        """Sends one request and waits for its result. Raises ChildFailed."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            answer = self.answers.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise ChildFailed(f"{self.name} ended with status {self.process.wait()}; its messages are above")
        reply = json.loads(answer)
        if "error" in reply:
            raise ChildFailed(f"{self.name}: {reply['error']}")
        return reply["result"]

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        """Closing its stdin ends the child; one that is still at work is stopped."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.answers.close()


def serve(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """The child's side of the conversation: answers requests until its stdin ends."""
    answers = os.fdopen(int(os.environ[ANSWERS]), "w")
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"result": handlers[request.pop("do")](**request)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def milliseconds(work: Callable[[], object], count: int) -> list[float]:
    """How long each of `count` calls of `work` took."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def alternate(children: Sequence[Child], rounds: int) -> dict[str, list[float]]:
    """What each child measured over `rounds` rounds: first, second, …, first, second, …

    One round before them is not counted: first calls allocate, compile and start threads.
    """
    measured: dict[str, list[float]] = {child.name: [] for child in children}
    for number in range(1 + rounds):
        for child in children:
            time.sleep(HANDOVER_SECONDS)
            values = child.ask("measure")
            if number > 0:
                measured[child.name] += values
    return measured


def median(values: Sequence[float] | None) -> float | None:
    """The median, to four significant digits; None of nothing."""
    return float(f"{statistics.median(values):.4g}") if values else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Ours over theirs, to three decimals: below 1 we are faster (or smaller)."""
    return round(ours / theirs, 3) if ours and theirs else None


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MiB (Linux counts in KiB, macOS in bytes)."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def processor_name() -> str:
    """The processor as the system calls it, with family and model where the name alone says little."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(map(str.strip, line.split(":", 1)) for line in first.splitlines() if ":" in line)
    name = facts.get("model name", platform.machine())
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts.get('model', '?')})"
    return name


def print_table(rows: Sequence[Sequence[object]]) -> None:
    """Columns to the width of their longest entry, the first one to the left; None is a dash."""
    cells = [["–" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join([row[0].ljust(widths[0]), *rest]))


def print_json(result: Mapping[str, object]) -> None:
    """The result as the last line of output, for programs."""
    print(json.dumps(result), flush=True)
