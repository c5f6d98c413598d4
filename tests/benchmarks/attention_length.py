"""How time and memory of a training step grow with the context, from 256 to 8192 tokens.

    python tests/benchmarks/attention_length.py [--longest T] [--plot FILE.svg] [--json]

A GPT of 4 layers, 4 heads, 128 channels takes three steps of one sequence at each length, in a process of its own, so
that its peak memory is its own; the first step is not timed. Beside it stands what the weights of all heads would
take if they were stored, as the plain formula does: 4 bytes · layers · heads · T². (Up to 256 keys those that a query
sees are.)
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
from pathlib import Path

from harness import Child, milliseconds, peak_memory_mb, print_json, print_table, processor_name, refuse, serve

SHORTEST, LONGEST = 256, 8192
LAYERS, HEADS, WIDTH, VOCABULARY = 4, 4, 128, 65
STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description="time and memory of a training step as the context grows")
    parser.add_argument("--longest", type=int, default=LONGEST, help=f"the last length (default {LONGEST})")
    parser.add_argument("--plot", type=Path, help="draw both curves to this file (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if options.longest < SHORTEST:
        parser.error(f"--longest {options.longest}: the first length is {SHORTEST}")
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        refuse("--plot needs matplotlib, which is not installed: pip install -e '.[plot]'")
    lengths = [SHORTEST]
    while lengths[-1] * 2 <= options.longest:
        lengths.append(lengths[-1] * 2)
    rows = [measure(length) for length in lengths]
    print(f"{processor_name()}: {LAYERS} layers, {HEADS} heads, {WIDTH} wide, one sequence a step")
    print_table([list(rows[0]), *(list(row.values()) for row in rows)])
    if options.plot:
        plot(rows, options.plot)
    if options.json:
        print_json({"cpu": processor_name(), "rows": rows})


def measure(length: int) -> dict[str, float]:
    with Child(f"context {length}", Path(__file__), [str(length)]) as child:
        times, memory = child.ask("measure"), child.ask("memory")
        return {
            "context": length,
            "ms a step": round(statistics.median(times), 1),
            "µs a token": round(statistics.median(times) * 1e3 / length, 1),
            "MiB for the step": round(memory, 1),
            "KiB a token": round(memory * 1024 / length, 1),
            "MiB for stored weights": round(4 * LAYERS * HEADS * length**2 / 2**20, 1),
        }


def child(length: int) -> None:
    import numpy

    from autograd import Key, configure
    from tinygpt.model.gpt import GPT, GPTConfig
    from tinygpt.text.batches import Batch
    from tinygpt.train import AdamW, causal_lm_loss, train

    configure()
    model = GPT(GPTConfig(VOCABULARY, length, LAYERS, HEADS, WIDTH, bias=False), Key(0))
    ids = numpy.random.default_rng(0).integers(VOCABULARY, size=(1, length + 1))
    batch = Batch(ids[:, :-1].copy(), ids[:, 1:].copy())
    training = train(model, causal_lm_loss, lambda _: batch, AdamW(model.parameters()), 1 + STEPS, 3e-4)
    before = peak_memory_mb()
    serve({
        "measure": lambda: milliseconds(lambda: next(training), 1 + STEPS)[1:],
        "memory": lambda: peak_memory_mb() - before,
    })


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Both axes logarithmic: a straight line of slope 1 grows with the length, one of slope 2 with its square."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    time, memory = figure.subplots(1, 2)
    lengths = [row["context"] for row in rows]
    time.loglog(lengths, [row["ms a step"] for row in rows], "o-", base=2)
    time.set(title="time of a training step", xlabel="context", ylabel="ms")
    memory.loglog(lengths, [row["MiB for the step"] for row in rows], "o-", base=2, label="measured")
    stored = [row["MiB for stored weights"] for row in rows]
    memory.loglog(lengths, stored, "--", base=2, label="attention weights, if stored")
    memory.set(title="memory of a training step", xlabel="context", ylabel="MiB")
    memory.legend()
    for axes in (time, memory):
        axes.set_xticks(lengths, lengths)
        axes.yaxis.set_major_formatter("{x:g}")
    figure.savefig(path)


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].isdigit():
        child(int(sys.argv[1]))
    else:
        main()
