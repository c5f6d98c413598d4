"""Translation beside PyTorch: example 09's encoder–decoder and the same one in plain PyTorch, step by step.

    python tests/benchmarks/translation.py [--data fra-eng.zip] [--steps N] [--json]

Both begin from our weights and take the same steps: the same batches, learning rates, label smoothing, clipping and
AdamW. So the first losses must be equal to rounding, which is checked; rounding then grows, as it would between two
runs of one library on two machines, and what must stay equal is where they arrive: losses and, of greedy translations
of sentences that neither has seen, BLEU and chrF. Each side has a process of its own and its turns (see harness.py).

Without --data: arithmetic in words and figures. Times are of a whole step, medians; a ratio is ours over theirs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness import (
    HANDOVER_SECONDS,
    Child,
    ChildFailed,
    median,
    print_json,
    print_table,
    processor_name,
    ratio,
    refuse,
)

HERE = Path(__file__).resolve().parent
SIDES = ("tinygpt", "torch")
FIRST, TOLERANCE = 10, 1e-4  # so many losses must be equal, relatively
TURNS = 20  # of each side


def main() -> int:
    options = parse_arguments()
    if missing := [name for name in ("torch", "sacrebleu") if importlib.util.find_spec(name) is None]:
        refuse(f"the peer needs {' and '.join(missing)}: pip install -e '.[peers]'")
    try:
        result = measure(options)
    except ChildFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    if options.json:
        print_json(result)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="train example 09's model, and the same in PyTorch beside it")
    parser.add_argument("--data", help="pairs, such as Tatoeba's fra-eng.zip (default: arithmetic in words)")
    parser.add_argument("--steps", type=int, default=400, help="of each side (default 400)")
    parser.add_argument("--tested", type=int, default=300, help="unseen sources that are translated (default 300)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if options.steps < FIRST or options.tested < 1:
        parser.error(f"--steps must be at least {FIRST}, and --tested at least 1")
    return options


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Starts both sides, trains them in turns, lets them translate. Raises ChildFailed where one fails or differs."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    arguments = [options.data or "-", str(options.steps), str(options.tested), str(threads)]
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(Child(name, HERE / "translation_side.py", [name, *arguments])) for name in SIDES
        }
        facts = share_weights(sides)
        print(f"{processor_name()}, {threads} threads; {facts['pairs']:,} pairs, {facts['max_pairs']} a step; "
              f"{facts['parameters']:,} parameters, label smoothing {facts['smoothing']}")  # fmt: skip
        losses, times = train_in_turns(sides, options.steps)
        scores = {"word for word": sides["tinygpt"].ask("word_for_word")}
        scores |= {name: side.ask("scores") for name, side in sides.items()}
        versions = {key: value for side in sides.values() for key, value in side.ask("versions").items()}
    show(scores, times, facts["tested"])
    return summary(losses, times, scores) | {"threads": threads, "versions": versions}


def share_weights(sides: Mapping[str, Child]) -> dict[str, Any]:
    """Both begin from our weights; what our side says of itself."""
    with tempfile.TemporaryDirectory(prefix="translation_") as folder:
        path = str(Path(folder, "weights.npz"))
        sides["tinygpt"].ask("save", path=path)
        sides["torch"].ask("load", path=path)
    return sides["tinygpt"].ask("facts")


def train_in_turns(sides: Mapping[str, Child], steps: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """(losses, milliseconds) of every step, by side. The first turn is the steps whose losses must be equal.

    Raises ChildFailed where they are not.
    """
    losses: dict[str, list[float]] = {name: [] for name in sides}
    times: dict[str, list[float]] = {name: [] for name in sides}
    print_row("step", *sides, "apart by")
    while (done := len(losses["tinygpt"])) < steps:
        turn = min(steps - done, max(FIRST, steps // TURNS) if done else FIRST)
        for name, side in sides.items():
            time.sleep(HANDOVER_SECONDS)
            learned = side.ask("learn", steps=turn)
            losses[name] += learned["losses"]
            times[name] += learned["ms"]
        ours, theirs = (statistics.fmean(losses[name][-turn:]) for name in SIDES)
        if not done:
            check_first(losses)
        print_row(f"{done}–{done + turn - 1}", f"{ours:.4f}", f"{theirs:.4f}", f"{ours - theirs:+.1e}")
    return losses, times


def print_row(*cells: object) -> None:
    print("".join(f"{cell:>14}" for cell in cells), flush=True)


def check_first(losses: Mapping[str, Sequence[float]]) -> None:
    if not (apart := apart_at_first(losses)) <= TOLERANCE:
        raise ChildFailed(f"the first losses differ by up to {apart:.1e} of their size: {dict(losses)}")


def apart_at_first(losses: Mapping[str, Sequence[float]]) -> float:
    """The largest relative difference of the first losses."""
    return max(abs(a - b) / abs(b) for a, b in list(zip(losses["tinygpt"], losses["torch"]))[:FIRST])


def apart_at_last(losses: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """(mean difference of the last tenth's losses, ours less theirs; its standard error), batch by batch."""
    differences = [a - b for a, b in zip(losses["tinygpt"], losses["torch"])]
    last = differences[-max(FIRST, len(differences) // 10) :]
    return statistics.fmean(last), statistics.stdev(last) / len(last) ** 0.5


def show(scores: Mapping[str, Mapping[str, float]], times: Mapping[str, Sequence[float]], tested: int) -> None:
    print(f"\ngreedy translations of {tested} unseen sources")
    rows: list[Sequence[object]] = [("", "exact %", "BLEU", "chrF", "ms a step", "ours/its")]
    for name, score in scores.items():
        ms = median(times.get(name))
        rows.append((name, score["exact"], score["bleu"], score["chrf"], ms, ratio(median(times["tinygpt"]), ms)))
    print_table(rows)


def summary(
    losses: Mapping[str, Sequence[float]],
    times: Mapping[str, Sequence[float]],
    scores: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """The JSON line."""
    apart, error = apart_at_last(losses)
    print(f"losses: the first {FIRST} equal to {apart_at_first(losses):.1e}, relatively; "
          f"the last tenth apart by {apart:+.4f} ± {error:.4f} nats a token")  # fmt: skip
    ms = {name: median(times[name]) for name in SIDES}
    return {
        "cpu": processor_name(), "steps": len(losses["tinygpt"]), "first_losses_apart": apart_at_first(losses),
        "last_losses_apart": round(apart, 5), "standard_error": round(error, 5), "scores": dict(scores),
        "ms": ms["tinygpt"], "peer_ms": ms["torch"], "ratio": ratio(ms["tinygpt"], ms["torch"]),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
