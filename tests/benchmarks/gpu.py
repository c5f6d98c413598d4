"""On a machine with a GPU: are the kernels right, and how fast is training and writing beside PyTorch?

    python tests/benchmarks/gpu.py [--json] [--part training --config gpt2-small --precision bfloat16]
    python tests/benchmarks/gpu.py --device cpu --config nano       the command itself, run through without a GPU

Its parts, each a table, and each to be had alone (--part) where a machine is lent by the minute:

    tests     those of the suite that need a GPU
    parity    the largest error of each kernel and its gradients against float64, ours and PyTorch's on the same numbers
    curve     the losses of a run on the CPU and on the GPU
    training  tokens/s and memory (float32, TF32, bfloat16) beside PyTorch eager and compiled, on the largest batch that
              we and PyTorch eager can both hold
    writing   tokens/s beside transformers
    kernels   the time of single kernels, and what a copy of their arrays would take

Each side is a process of its own (harness.py), alone on the GPU, whose memory it has to itself. A side that fails is
named on stderr, and the others go on.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from configurations import GPU_CONFIGURATIONS
from harness import ROOT, Child, ChildFailed, alternate, median, print_json, print_table, ratio, refuse

HERE = Path(__file__).resolve().parent
WRITTEN = 256  # tokens of generation
PRECISIONS = ("float32", "tf32", "bfloat16")
AGREEMENT = 1e-2  # of the first loss, relative: wide enough for bfloat16, and a wrong model is far off


def main() -> int:
    options = parse_arguments()
    try:
        found = {"facts": facts(options)}
    except ChildFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    for part in options.part:
        found[part] = attempt(options, PARTS[part], options)
    if options.json:
        print_json(found)
    return int(options.failed)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="check and time everything that runs on a GPU")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--part", action="append", choices=PARTS, help="default: all of them, in this order")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--config", action="append", choices=GPU_CONFIGURATIONS, help="default: both sizes of GPT-2")
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help="of training; default: all of them")
    parser.add_argument("--rounds", type=int, default=3, help="that each side is timed for (default 3)")
    parser.add_argument("--steps", type=int, default=200, help="of the run whose losses are compared (default 200)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    options = parser.parse_args()
    options.part, options.failed = options.part or list(PARTS), False
    options.config = options.config or ["gpt2-small", "gpt2-medium"]
    options.precision = options.precision or PRECISIONS
    options.with_torch = importlib.util.find_spec("torch") is not None
    if options.device == "cuda" and importlib.util.find_spec("cupy") is None:
        refuse("this needs a GPU and CuPy: pip install -e '.[cuda13]' (cuda12 for an older driver)")
    return options


def attempt(options: argparse.Namespace, measure: Callable, *arguments: Any) -> Any:
    """What was measured, or None where a side failed."""
    try:
        return measure(*arguments)
    except ChildFailed as failure:
        print(failure, file=sys.stderr)
        options.failed = True
        return None


def side(name: str, precision: str, device: str, variant: str = "tinygpt") -> Child:
    if variant == "tinygpt":
        return Child(f"tinygpt {precision}", HERE / "gpu_tinygpt_side.py", [name, precision, device])
    return Child(f"PyTorch {variant} {precision}", HERE / "gpu_torch_side.py", [name, precision, device, variant])


def facts(options: argparse.Namespace) -> dict[str, object]:
    with side(options.config[0], "float32", options.device) as ours:
        known = ours.ask("facts")
    print(f"GPU: {known['gpu']}; {known['versions']}\n", flush=True)
    return known


def tests(options: argparse.Namespace) -> str:
    """pytest's last line."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "tests/test_gpu_kernels.py"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    summary = (done.stdout.strip().splitlines() or ["pytest said nothing"])[-1]
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        options.failed = True
    print(f"tests that need a GPU: {summary}\n", flush=True)
    return summary


def parity(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    with Child("kernels", HERE / "gpu_kernels_side.py", [options.device]) as child:
        ledger = child.ask("parity", with_torch=options.with_torch)
    rows = [("largest error, float32", "ours", "PyTorch", "ours/its")]
    for name, line in ledger.items():
        theirs = line.get("torch")
        rows.append((name, f"{line['ours']:.2g}", theirs and f"{theirs:.2g}", ratio(line["ours"], theirs)))
    show(rows)
    return ledger


def curve(options: argparse.Namespace) -> dict[str, object]:
    """The largest relative difference between the losses of a run on the CPU and on the GPU."""
    losses, device = {}, options.device
    for where in sorted({"cpu", device}):
        with side("nano", "float32", where) as child:
            losses[where] = child.ask("curve", steps=options.steps)
    difference = max(abs(a - b) / a for a, b in zip(losses["cpu"], losses[device], strict=True))
    show([(f"{options.steps} steps of nano, CPU and {device}", "largest difference"), ("losses", f"{difference:.2g}")])
    return {"largest_difference": difference, "losses": losses}


def training(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """configuration → precision → side → what it reached: the median step, tokens a second, peak memory."""
    results: dict[str, dict[str, Any]] = {}
    for name in options.config:
        with tempfile.TemporaryDirectory(prefix="gpu_") as folder:
            weights = str(Path(folder, "weights.npz")) if options.with_torch else None
            results[name] = {p: attempt(options, trained, options, name, p, weights) for p in options.precision}
    return results


def trained(options: argparse.Namespace, name: str, precision: str, weights: str | None) -> dict[str, Any]:
    """Ours and PyTorch eager on one batch, and PyTorch compiled on the same if it can."""
    variants = ["tinygpt", "eager"] if options.with_torch else ["tinygpt"]
    lines = on_the_largest_batch(options, name, precision, variants, weights)
    if options.with_torch and not options.no_compile:
        batch = lines["tinygpt"]["batch"]
        lines["compiled"] = attempt(options, timed, options, name, precision, "compiled", batch, weights)
    ours = lines["tinygpt"]
    rows = [(f"training {name}, {precision}", "batch", "ms a step", "tokens/s", "ours/its time", "peak MiB")]
    for variant, line in lines.items():
        if line is not None:
            rate, times = round(line["tokens_per_second"]), ratio(ours["ms"], line["ms"])
            rows.append((variant, line["batch"], line["ms"], rate, times, line["peak_mb"]))
    show(rows)
    for variant, line in lines.items():
        if line is not None and not abs(line["loss"] - ours["loss"]) <= AGREEMENT * ours["loss"]:
            raise ChildFailed(f"{name}, {precision}: {variant} computes something else: its first loss is "
                              f"{line['loss']}, and ours {ours['loss']}")  # fmt: skip
    return lines


def on_the_largest_batch(
    options: argparse.Namespace, name: str, precision: str, variants: Sequence[str], weights: str | None
) -> dict[str, dict[str, float]]:
    """A quarter less until every side holds it. Raises ChildFailed where not even one row fits."""
    batch = GPU_CONFIGURATIONS[name].batch_size
    while True:
        try:
            return {each: timed(options, name, precision, each, batch, weights) for each in variants}
        except ChildFailed as failure:
            if batch == 1 or not is_short_of_memory(failure):
                raise
            print(f"a batch of {batch} is too large: {str(failure)[:200]}", file=sys.stderr)
            batch = max(1, batch * 3 // 4)


def is_short_of_memory(failure: ChildFailed) -> bool:
    """As CuPy, CUDA and PyTorch say it, or cuBLAS, which calls it an allocation."""
    said = str(failure).lower()
    return "memory" in said or "alloc_failed" in said


def timed(
    options: argparse.Namespace, name: str, precision: str, variant: str, batch: int, weights: str | None
) -> dict[str, float]:
    """From the same weights; `loss` is that of the first step."""
    with side(name, precision, options.device, variant) as child:
        loss = child.ask("prepare", batch_size=batch, weights=weights)
        ms = median(alternate([child], options.rounds)[child.name])
        peak = child.ask("peak_memory")
    rate = batch * GPU_CONFIGURATIONS[name].block_size / ms * 1e3
    return {"batch": batch, "loss": loss, "ms": ms, "tokens_per_second": rate, "peak_mb": peak}


def writing(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    return {name: written(options, name) for name in options.config}


def written(options: argparse.Namespace, name: str) -> dict[str, float]:
    rates = {}
    tokens = min(WRITTEN, GPU_CONFIGURATIONS[name].block_size - 1)
    variants = {"tinygpt": "tinygpt"}
    if options.with_torch and importlib.util.find_spec("transformers"):
        variants["transformers"] = "eager"
    for label, variant in variants.items():
        with side(name, "float32", options.device, variant) as child:
            child.ask("prepare", batch_size=1)
            child.ask("generate", tokens=8)
            rates[label] = child.ask("generate", tokens=tokens)
    show([(f"writing with {name}", "tokens/s"), *((label, round(rate)) for label, rate in rates.items())])
    return rates


def kernels(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    with Child("kernels", HERE / "gpu_kernels_side.py", [options.device]) as child:
        table = child.ask("kernels", repeats=20)
    total = sum(line["ms"] for line in table.values())
    rows = [("forward and backward", "ms", "share", "floor ms", "times the floor")]
    for name, line in table.items():
        times = round(line["ms"] / line["floor_ms"], 1)
        rows.append((name, median([line["ms"]]), f"{line['ms'] / total:.0%}", median([line["floor_ms"]]), times))
    show(rows)
    return table


def show(rows: Sequence[Sequence[object]]) -> None:
    print_table(rows)
    print(flush=True)


PARTS = {
    "tests": tests,
    "parity": parity,
    "curve": curve,
    "training": training,
    "writing": writing,
    "kernels": kernels,
}


if __name__ == "__main__":
    sys.exit(main())
