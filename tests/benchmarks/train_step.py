"""One training step (forward, backward, clip at 1.0, AdamW) in float32: its time and memory, ours and PyTorch's.

    python tests/benchmarks/train_step.py --config nano|baby|gpt2-small|all [--peer torch] [--compile] [--json]

PyTorch stands there twice: as its users write a GPT (eager), and with the linear layers through oneDNN (tuned),
which on many processors is the faster half of what it carries; --compile adds torch.compile. Before anything is
timed, each side must give our loss and our gradients from our weights. Every side has as many threads as we have
cores, a process of its own and its turn: ours, eager, tuned, ours, … (see harness.py).

Figures are medians over all steps; a ratio is ours over the peer's. Model FLOP utilisation (mfu) is the arithmetic
of a step (configurations.flops_per_token) over its time, relative to the best float32 matrix product that NumPy
reaches in the same run, for both libraries. Memory is the peak of the process, libraries included.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from configurations import CONFIGURATIONS, Configuration, flops_per_token
from harness import (
    Child,
    ChildFailed,
    alternate,
    median,
    print_json,
    print_table,
    processor_name,
    ratio,
    refuse,
)

HERE = Path(__file__).resolve().parent
LOSS_TOLERANCE = 1e-5  # relative
GRADIENT_TOLERANCE = 1e-3  # norm of the difference over the norm, for each parameter


@dataclass(frozen=True)
class Measurement:
    """What one run found; times (ms of every step) and rss_mb (peak, MiB) are by side: tinygpt, eager, tuned, …"""

    config: Configuration
    parameters: int
    threads: int
    blas: Mapping[str, object]
    versions: Mapping[str, str]
    matrix_gflops: float
    times: Mapping[str, list[float]]
    rss_mb: Mapping[str, float]


def main() -> int:
    options = parse_arguments()
    variants = ["eager", "tuned"] * (options.peer == "torch") + ["compiled"] * options.compile
    if variants and importlib.util.find_spec("torch") is None:
        refuse("the peer needs PyTorch, which is not installed: pip install -e '.[peers]'")
    results = {}
    for name in CONFIGURATIONS if options.config == "all" else [options.config]:
        try:
            results[name] = measure(name, variants, options.rounds)
        except ChildFailed as failure:
            print(failure, file=sys.stderr)
            return 1
        show(name, results[name])
    if options.json:
        for name, result in results.items():
            print_json(summary(name, result))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="time one training step, and PyTorch's beside it")
    parser.add_argument("--config", choices=[*CONFIGURATIONS, "all"], required=True)
    parser.add_argument("--peer", choices=["torch"], help="measure PyTorch too, eager and tuned")
    parser.add_argument("--compile", action="store_true", help="with --peer torch: torch.compile as well")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON for each network")
    parser.add_argument("--rounds", type=int, default=6, help="turns that each side gets (default 6)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least one round is needed")
    if options.compile and options.peer is None:
        parser.error("--compile is a third PyTorch peer: it needs --peer torch")
    return options


def measure(name: str, variants: Sequence[str], rounds: int) -> Measurement:
    """Starts every side, checks that they agree, and lets them take turns.

    Raises ChildFailed where a side fails or disagrees.
    """
    with contextlib.ExitStack() as stack:
        machine = stack.enter_context(Child("matrix", HERE / "matrix_side.py", [name]))
        facts = machine.ask("facts")
        threads = str(facts["threads"])
        ours = stack.enter_context(Child("tinygpt", HERE / "tinygpt_side.py", [name]))
        peers = [
            stack.enter_context(Child(variant, HERE / "torch_side.py", [name, variant, threads]))
            for variant in variants
        ]
        sides = [ours, *peers]
        check_agreement(ours, peers)
        measured = alternate([machine, *sides], rounds)
        return Measurement(
            config=CONFIGURATIONS[name],
            parameters=ours.ask("facts")["parameters"],
            threads=facts["threads"],
            blas=facts["blas"],
            versions={key: value for side in sides for key, value in side.ask("facts")["versions"].items()},
            matrix_gflops=round(max(measured.pop(machine.name)), 1),
            times=measured,
            rss_mb={side.name: side.ask("peak_memory") for side in sides},
        )


def check_agreement(ours: Child, peers: Sequence[Child]) -> None:
    """The same loss and the same gradients from our weights, or ChildFailed."""
    with tempfile.TemporaryDirectory(prefix="train_step_") as folder:
        weights, our_gradients, gradients = (
            str(Path(folder, f"{name}.npz")) for name in ("weights", "ours", "theirs")
        )
        loss = ours.ask("check", weights=weights, gradients=our_gradients)
        for peer in peers:
            peer_loss = peer.ask("check", weights=weights, gradients=gradients)
            if not abs(loss - peer_loss) <= LOSS_TOLERANCE * abs(peer_loss):
                raise ChildFailed(f"the losses differ: tinygpt {loss}, PyTorch {peer.name} {peer_loss}")
            error, parameter = worst_difference(our_gradients, gradients)
            if not error <= GRADIENT_TOLERANCE:
                raise ChildFailed(
                    f"the gradients of {parameter} differ by {error:.2g} of their norm: "
                    f"tinygpt against PyTorch {peer.name}"
                )


def worst_difference(ours: str, theirs: str) -> tuple[float, str]:
    """The largest |a - b| / |b| among the parameters in two files (infinite for NaN), and the parameter's name."""
    import numpy

    def error(name: str) -> float:
        expected = theirs_read[name]
        difference = float(numpy.linalg.norm(ours_read[name] - expected) / numpy.linalg.norm(expected))
        return difference if math.isfinite(difference) else math.inf

    with numpy.load(ours) as ours_read, numpy.load(theirs) as theirs_read:
        return max((error(name), name) for name in theirs_read)


def utilisation(result: Measurement, ms: float | None) -> float | None:
    """The step's arithmetic over its time, as a share of the machine's best matrix product."""
    if ms is None:
        return None
    flops = flops_per_token(result.config, result.parameters) * result.config.tokens
    return round(flops / (ms / 1e3) / (result.matrix_gflops * 1e9), 3)


def summary(name: str, result: Measurement) -> dict[str, object]:
    """The JSON line; what was not measured is null."""
    ms, eager, tuned, compiled = (
        median(result.times.get(side)) for side in ("tinygpt", "eager", "tuned", "compiled")
    )
    line = {
        "config": name,
        "cpu": processor_name(),
        "blas_kernel": result.blas["kernel"],
        "ms": ms,
        "peer_ms": eager,
        "ratio": ratio(ms, eager),
        "tuned_ms": tuned,
        "tuned_ratio": ratio(ms, tuned),
        "mfu": utilisation(result, ms),
        "peer_mfu": utilisation(result, eager),
        "matrix_gflops": result.matrix_gflops,
        "rss_mb": result.rss_mb["tinygpt"],
        "peer_rss_mb": result.rss_mb.get("eager"),
    }
    if compiled is not None:
        line |= {"compile_ms": compiled, "compile_ratio": ratio(ms, compiled)}
    return line | {"versions": result.versions}


def show(name: str, result: Measurement) -> None:
    """A table for people: processor, kernel and versions above, one row a side."""
    config = result.config
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    print(f"{processor_name()}, {result.threads} threads; {versions}")
    print(f"{result.blas['library']}, kernel {result.blas['kernel']}: "
          f"{result.matrix_gflops} GFLOP/s in the best product")  # fmt: skip
    print(f"{name}: {config.n_layer} layers, {config.n_head} heads, {config.n_embd} wide, context {config.block_size}, "
          f"batch {config.batch_size}; {result.parameters:,} parameters without positions")  # fmt: skip
    ours = median(result.times["tinygpt"])
    rows: list[Sequence[object]] = [("", "ms a step", "fastest", "tokens/s", "ours/its", "mfu", "peak MiB")]
    for side, times in result.times.items():
        title, ms = side if side == "tinygpt" else f"PyTorch {side}", median(times)
        rate, fastest = round(config.tokens / ms * 1e3), median([min(times)])
        rows.append((title, ms, fastest, rate, ratio(ours, ms), utilisation(result, ms), result.rss_mb[side]))
    print_table(rows)
    print()


if __name__ == "__main__":
    sys.exit(main())
