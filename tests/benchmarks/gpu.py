"""On a machine with a GPU: are the kernels right, and how fast is training and writing beside PyTorch?

    python tests/benchmarks/gpu.py [--json] [--config gpt2-small] [--device cpu --config nano]

Five tables: the largest error of each kernel and its gradients against float64, ours and PyTorch's on the same numbers;
the losses of a run on the CPU and on the GPU; tokens/s and memory of training (float32, TF32, bfloat16) beside PyTorch
eager and compiled, on the largest batch that every side can hold; tokens/s of writing beside transformers; the time of
single kernels and what a copy of their arrays would take.

Sides are processes that take turns (harness.py). --device cpu runs the command itself through where there is no GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from configurations import GPU_CONFIGURATIONS
from harness import Child, ChildFailed, alternate, median, print_json, print_table, ratio, refuse

HERE = Path(__file__).resolve().parent
WRITTEN = 256  # tokens of generation
PRECISIONS = ("float32", "tf32", "bfloat16")
AGREEMENT = 1e-2  # of the first loss, relative: wide enough for bfloat16, and a wrong model is far off


def main() -> int:
    options = parse_arguments()
    with_torch = importlib.util.find_spec("torch") is not None
    try:
        found = {"facts": facts(options)}
        found |= {"parity": parity(options.device, with_torch), "curve": curve(options.device, options.steps)}
        found["training"] = {name: training(name, options, with_torch) for name in options.config}
        found["writing"] = {name: writing(name, options.device) for name in options.config}
        found["kernels"] = kernels(options.device)
    except ChildFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    if options.json:
        print_json(found)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="check and time everything that runs on a GPU")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--config", action="append", choices=GPU_CONFIGURATIONS, help="default: both sizes of GPT-2")
    parser.add_argument("--rounds", type=int, default=4, help="turns that each side gets (default 4)")
    parser.add_argument("--steps", type=int, default=200, help="of the run whose losses are compared (default 200)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    options = parser.parse_args()
    options.config = options.config or ["gpt2-small", "gpt2-medium"]
    if options.device == "cuda" and importlib.util.find_spec("cupy") is None:
        refuse("this needs a GPU and CuPy: pip install -e '.[cuda13]' (cuda12 for an older driver)")
    return options


def side(name: str, precision: str, device: str, variant: str = "tinygpt") -> Child:
    if variant == "tinygpt":
        return Child(f"tinygpt {precision}", HERE / "gpu_tinygpt_side.py", [name, precision, device])
    return Child(f"PyTorch {variant} {precision}", HERE / "gpu_torch_side.py", [name, precision, device, variant])


def facts(options: argparse.Namespace) -> dict[str, object]:
    with side(options.config[0], "float32", options.device) as ours:
        known = ours.ask("facts")
    print(f"GPU: {known['gpu']}; {known['versions']}")
    return known


def parity(device: str, with_torch: bool) -> dict[str, dict[str, float]]:
    with Child("kernels", HERE / "gpu_kernels_side.py", [device]) as child:
        ledger = child.ask("parity", with_torch=with_torch)
    rows = [("largest error, float32", "ours", "PyTorch", "ours/its")]
    for name, line in ledger.items():
        theirs = line.get("torch")
        rows.append((name, f"{line['ours']:.2g}", theirs and f"{theirs:.2g}", ratio(line["ours"], theirs)))
    show(rows)
    return ledger


def curve(device: str, steps: int) -> dict[str, object]:
    """The largest relative difference between the losses of a run on the CPU and on the GPU."""
    losses = {}
    for where in sorted({"cpu", device}):
        with side("nano", "float32", where) as child:
            losses[where] = child.ask("curve", steps=steps)
    difference = max(abs(a - b) / a for a, b in zip(losses["cpu"], losses[device], strict=True))
    show([(f"{steps} steps of nano, CPU and {device}", "largest difference"), ("losses", f"{difference:.2g}")])
    return {"largest_difference": difference, "losses": losses}


def training(name: str, options: argparse.Namespace, with_torch: bool) -> dict[str, dict[str, object]]:
    """precision → what each side reached: the median step, tokens a second, peak memory."""
    results = {}
    rows = [(f"training {name}", "batch", "ms a step", "tokens/s", "ours/its time", "peak MiB")]
    for precision in PRECISIONS:
        variants = ["tinygpt"] + ["eager"] * with_torch
        variants += ["compiled"] * (with_torch and not options.no_compile)
        with contextlib.ExitStack() as stack:
            sides = [stack.enter_context(side(name, precision, options.device, variant)) for variant in variants]
            batch = largest_batch(sides, GPU_CONFIGURATIONS[name].batch_size)
            times = alternate(sides, options.rounds)
            tokens = batch * GPU_CONFIGURATIONS[name].block_size
            ours = median(times.get(f"tinygpt {precision}"))
            lines = {}
            for child in sides:
                ms, peak = median(times[child.name]), child.ask("peak_memory")
                lines[child.name] = {"batch": batch, "ms": ms, "tokens_per_second": tokens / ms * 1e3, "peak_mb": peak}
                rows.append((child.name, batch, ms, round(tokens / ms * 1e3), ratio(ours, ms), peak))
            results[precision] = lines
    show(rows)
    return results


def largest_batch(sides: Sequence[Child], batch: int) -> int:
    """Halved until every side takes a step with it, from the same weights to the same first loss.

    Raises ChildFailed where not even one row fits, or the losses differ.
    """
    with tempfile.TemporaryDirectory(prefix="gpu_") as folder:
        weights = str(Path(folder, "weights.npz"))
        share = weights if sides[0].name.startswith("tinygpt") else None
        while True:
            try:
                losses = {child.name: child.ask("prepare", batch_size=batch, weights=share) for child in sides}
                break
            except ChildFailed as failure:
                if batch == 1 or "memory" not in str(failure).lower():
                    raise
                batch //= 2
    first = next(iter(losses.values()))
    for name, loss in losses.items():
        if not abs(loss - first) <= AGREEMENT * first:
            raise ChildFailed(f"the first losses differ: {losses}: {name} computes something else")
    return batch


def writing(name: str, device: str) -> dict[str, float]:
    rates = {}
    tokens = min(WRITTEN, GPU_CONFIGURATIONS[name].block_size - 1)
    variants = {"tinygpt": "tinygpt"}
    if all(importlib.util.find_spec(package) for package in ("torch", "transformers")):
        variants["transformers"] = "eager"
    for label, variant in variants.items():
        with side(name, "float32", device, variant) as child:
            child.ask("prepare", batch_size=1)
            child.ask("generate", tokens=8)
            rates[label] = child.ask("generate", tokens=tokens)
    show([(f"writing with {name}", "tokens/s"), *((label, round(rate)) for label, rate in rates.items())])
    return rates


def kernels(device: str) -> dict[str, dict[str, float]]:
    with Child("kernels", HERE / "gpu_kernels_side.py", [device]) as child:
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
    print()


if __name__ == "__main__":
    sys.exit(main())
