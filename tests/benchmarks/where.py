"""Where the time of a training step goes: each kernel's share, its floor, and the distance between the two.

    python tests/benchmarks/where.py --config nano|baby|gpt2-small [--steps N] [--json]

A kernel's floor is what no program can beat on this machine: its arithmetic over the fastest matrix product measured
here, or the bytes of its operands and results over the fastest copy, whichever takes longer. (A network as small as
nano stays in the caches, which are faster than the memory that is measured: there a kernel may pass its floor.)
What is no kernel is the engine: recording, walking back, sums of gradients, batches, Python itself.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy
from configurations import BETAS, CONFIGURATIONS, GRAD_CLIP, LEARNING_RATE, WEIGHT_DECAY, Configuration, tokens_of
from harness import milliseconds, print_json, print_table, processor_name
from matrix_side import gflops, shapes

from autograd import Key, blas_info, configure
from autograd.kernels import deposit, on_numpy
from autograd.kernels.cpu import for_blocks
from tinygpt.model.gpt import GPT, GPTConfig
from tinygpt.text.batches import Batch
from tinygpt.train import AdamW, causal_lm_loss, train

KERNELS = ("linear", "attention", "gelu", "layer_norm", "cross_entropy", "embedding")
COPIED = 1 << 28  # bytes: well beyond the caches


class Meter:
    """Milliseconds, calls, arithmetic and bytes by kernel."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.operations: dict[str, float] = defaultdict(float)
        self.bytes: dict[str, float] = defaultdict(float)

    def watch(self, owner: Any, name: str, label: str, operations: Callable[..., float] = lambda *_: 0.0) -> None:
        """Replaces owner.name by the same function with a clock around it."""
        function = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **named)
            self.seconds[label] += time.perf_counter() - start
            self.calls[label] += 1
            self.operations[label] += operations(*arguments)
            self.bytes[label] += array_bytes(arguments) + array_bytes(result)
            return result

        setattr(owner, name, timed)

    def reset(self) -> None:
        for table in (self.seconds, self.calls, self.operations, self.bytes):
            table.clear()


def array_bytes(value: Any) -> int:
    """Bytes of the different arrays inside a kernel's arguments or result."""
    found: dict[int, int] = {}

    def look(inside: Any) -> None:
        if isinstance(inside, numpy.ndarray):
            found[id(inside)] = inside.nbytes
        elif isinstance(inside, tuple | list):
            for part in inside:
                look(part)

    look(value)
    return sum(found.values())


def linear_operations(x: numpy.ndarray, weight: numpy.ndarray, *_: Any) -> float:
    return 2.0 * x.size * weight.size / x.shape[-1] if x.size else 0.0


def attention_operations(q: numpy.ndarray, k: numpy.ndarray, *_: Any) -> float:
    """Two products over the lower half of the scores."""
    return 2.0 * q.size * k.shape[-2]


def watch_everything(meter: Meter) -> None:
    forward = {"linear": linear_operations, "attention": attention_operations}
    for name in KERNELS:
        meter.watch(on_numpy, name, name, forward.get(name, lambda *_: 0.0))
    backward = {
        "linear": lambda dy, saved: linear_operations(dy, saved[2]) if saved[-1][0] else 0.0,
        "attention": lambda dy, saved: 2.5 * attention_operations(dy, saved[0].k[:, :, 0]),
    }
    for name in KERNELS:
        meter.watch(on_numpy, f"{name}_backward", f"{name} backward", backward.get(name, lambda *_: 0.0))
    product = deposit.Product
    for name in ("write_to", "add_to"):
        meter.watch(product, name, "weight gradients", lambda p, _: 2.0 * p.x.size * p.source.shape[1])
    meter.watch(on_numpy, "adam_step", "adam")
    meter.watch(on_numpy, "squared_norm", "gradient norm")


def bandwidth() -> float:
    """Bytes a second, read and written, of the fastest copy beyond the caches, on every core."""
    source = numpy.ones(COPIED // 8, numpy.float32)
    target = numpy.empty_like(source)

    def copy() -> None:
        for_blocks(source.size, 1 << 18, lambda _, i, j: numpy.copyto(target[i:j], source[i:j]))

    return 2 * source.nbytes / (min(milliseconds(copy, 12)) / 1e3)


def steps_of(config: Configuration) -> Any:
    model = GPT(GPTConfig(**config.model_arguments()), Key(0))
    optimizer = AdamW(model.parameters(), *BETAS, weight_decay=WEIGHT_DECAY, grad_clip=GRAD_CLIP)
    return train(
        model, causal_lm_loss, lambda i: Batch(*tokens_of(config, i)), optimizer, sys.maxsize, LEARNING_RATE
    )


def measure(config: Configuration, count: int) -> tuple[Meter, float]:
    """The meter after `count` steps, and the mean milliseconds of one."""
    meter = Meter()
    watch_everything(meter)
    training = steps_of(config)
    for _ in itertools.islice(training, 3):
        pass
    meter.reset()
    times = milliseconds(lambda: next(training), count)
    return meter, sum(times) / count


def rows_of(meter: Meter, total: float, count: int, rate: float, speed: float) -> list[dict[str, Any]]:
    """One row a kernel, the slowest first; milliseconds are of one step."""
    rows = []
    for name, seconds in sorted(meter.seconds.items(), key=lambda item: -item[1]):
        arithmetic, traffic = meter.operations[name] / rate, meter.bytes[name] / speed
        spent, floor = seconds * 1e3 / count, max(arithmetic, traffic) * 1e3 / count
        rows.append({
            "kernel": name, "calls": meter.calls[name] // count, "ms": round(spent, 2),
            "share": round(spent / total, 3), "floor_ms": round(floor, 2), "times_floor": round(spent / floor, 2),
            "bound": "arithmetic" if arithmetic > traffic else "memory",
        })  # fmt: skip
    engine = total - sum(row["ms"] for row in rows)
    return [*rows, {"kernel": "the engine", "ms": round(engine, 2), "share": round(engine / total, 3)}]


def main() -> None:
    parser = argparse.ArgumentParser(description="where the time of a training step goes")
    parser.add_argument("--config", choices=CONFIGURATIONS, required=True)
    parser.add_argument("--steps", type=int, help="how many are averaged (default: about ten seconds' worth)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    config = CONFIGURATIONS[options.config]
    count = options.steps or 5 * config.steps_per_round
    if count < 1:
        parser.error(f"--steps {count}: at least one is needed")
    configure()
    rate, speed = max(gflops(*shape) for shape in shapes(config)) * 1e9, bandwidth()
    meter, total = measure(config, count)
    rows = rows_of(meter, total, count, rate, speed)
    print(f"{processor_name()}; {blas_info()['kernel']}: {rate / 1e9:.0f} GFLOP/s, {speed / 1e9:.1f} GB/s copied")
    print(f"{options.config}: {total:.1f} ms a step\n")
    head = ("kernel", "calls", "ms", "share", "floor_ms", "times_floor", "bound")
    print_table([head, *([row.get(name) for name in head] for row in rows)])
    if options.json:
        print_json({"config": options.config, "ms": round(total, 2), "kernels": rows})


if __name__ == "__main__":
    main()
