"""Writing with a GPT-2 small of random weights in float32: tokens a second, and what the machine would allow.

    python tests/benchmarks/generate.py [--peer transformers] [--rounds N] [--json]

Greedy, one prompt of 32 tokens, 128 new ones: ours, and transformers' generate with its cache, from the same weights,
after a check that both give the same logits; each side in a process of its own, with as many threads as we have cores,
in turns (see harness.py). A token costs at least the time in which its weights are read once. Two rates say how long
that is: that of one matrix of 268 MB, larger than any of the model's, and that of the model's own matrices, multiplied
with a vector one after another with nothing between. Then our time a token as the text grows,
prompts against the forward of a training step of the same length (both as arithmetic over time), and several texts
side by side against one.

Figures are medians over the rounds; of the machine's own rates the best.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import (
    HANDOVER_SECONDS,
    Child,
    ChildFailed,
    print_json,
    print_table,
    processor_name,
    ratio,
    refuse,
)

HERE = Path(__file__).resolve().parent
PROMPT, NEW, VOCABULARY = 32, 128, 50257
POSITIONS = (64, 256, 512, 1000)
PROMPTS = (256, 1000)
BATCHES = (1, 8, 16)
STEPS = 12  # tokens timed at a position, and of a batch
TOLERANCE = 1e-3  # of logits, whose spread is about 1


def main() -> int:
    parser = argparse.ArgumentParser(description="time generation, and that of transformers beside it")
    parser.add_argument("--peer", choices=["transformers"], help="measure transformers' generate, too")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each side gets (default 3)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least one round is needed")
    if options.peer and importlib.util.find_spec("transformers") is None:
        refuse("the peer transformers is not installed: pip install -e '.[peers]'")
    try:
        result = measure(options.peer is not None, options.rounds)
    except ChildFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    show(result)
    if options.json:
        print_json(result)
    return 0


def measure(with_peer: bool, rounds: int) -> dict[str, Any]:
    """Everything, by name. Raises ChildFailed where a side fails or the two disagree."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="generate_")))
        peers = [Child("transformers", HERE / "generate_torch.py", [str(folder)])] * with_peer
        for peer in peers:
            stack.enter_context(peer).ask("facts")  # by the time it answers the weights are saved
        ours = stack.enter_context(Child("tinygpt", HERE / "generate_ours.py", [str(folder)] * with_peer))
        sides, facts = [ours, *peers], ours.ask("facts")
        for peer in peers:
            peer.ask("use_threads", threads=facts["threads"])
            check_agreement(ours, peer, folder)
        texts = take_turns(sides, rounds)
        vector = max(ours.ask("vector_rate") for _ in range(rounds))
        matrix = max(ours.ask("matrix_rate") for _ in range(rounds))
        rest = [rest_of_a_round(ours) for _ in range(rounds)]
        return {
            "cpu": processor_name(),
            "threads": facts["threads"],
            "blas_kernel": facts["blas"]["kernel"],
            "versions": {name: number for side in sides for name, number in side.ask("facts")["versions"].items()},
            **summary(texts, facts["weight_bytes"], vector, matrix, rest),
            "rss_mb": {side.name: side.ask("peak_memory") for side in sides},
        }


def a_prompt(length: int) -> list[int]:
    return random.Random(length).choices(range(VOCABULARY), k=length)


def check_agreement(ours: Child, peer: Child, folder: Path) -> None:
    """The same logits from the same weights, or ChildFailed."""
    import numpy

    files = [str(folder / f"{side.name}.npy") for side in (ours, peer)]
    for side, file in zip((ours, peer), files, strict=True):
        side.ask("logits", prompt=a_prompt(PROMPT), file=file)
    apart = float(numpy.abs(numpy.load(files[0]) - numpy.load(files[1])).max())
    if not apart <= TOLERANCE:
        raise ChildFailed(f"the logits of tinygpt and {peer.name} differ by up to {apart:.2g}")


def take_turns(sides: list[Child], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side's texts; one round before them does not count."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(1 + rounds):
        for side in sides:
            time.sleep(HANDOVER_SECONDS)
            text = side.ask("text", prompt=a_prompt(PROMPT), count=NEW)
            if len(text["tokens"]) != NEW:
                raise ChildFailed(f"{side.name} wrote {len(text['tokens'])} tokens, not {NEW}")
            if number > 0:
                seconds[side.name].append(text["seconds"])
    return seconds


def rest_of_a_round(ours: Child) -> dict[str, Any]:
    """What our side alone is asked: by position, by length of the prompt, and by the number of texts."""
    at = {n: ours.ask("prompt_and_steps", prompt=a_prompt(n), steps=STEPS) for n in sorted({*POSITIONS, *PROMPTS})}
    return {
        "steps": {n: statistics.median(at[n]["steps"]) for n in POSITIONS},
        "products": statistics.median(ours.ask("products", steps=STEPS)),
        "prompt_rate": {n: ours.ask("flops", length=n, logits=1) / at[n]["prompt"] / 1e6 for n in PROMPTS},
        "training_rate": {
            n: ours.ask("flops", length=n, logits=n) / statistics.median(ours.ask("training_forward", length=n)) / 1e6
            for n in PROMPTS
        },
        "batch_step": {n: statistics.median(ours.ask("batch", rows=n, length=PROMPT, steps=STEPS)) for n in BATCHES},
    }


def summary(
    texts: dict[str, list[float]], weight_bytes: int, vector: float, matrix: float, rest: list[dict[str, Any]]
) -> dict[str, Any]:
    """Medians and their ratios; what was not measured is null."""

    def over_rounds(name: str) -> dict[int, float]:
        return {n: float(f"{statistics.median(each[name][n] for each in rest):.4g}") for n in rest[0][name]}

    rate = {side: round(NEW / statistics.median(seconds), 2) for side, seconds in texts.items()}
    floor = weight_bytes / vector * 1e3
    products = statistics.median(each["products"] for each in rest)
    steps, batch = over_rounds("steps"), over_rounds("batch_step")
    prompts, training = over_rounds("prompt_rate"), over_rounds("training_rate")
    return {
        "tokens_per_second": rate["tinygpt"],
        "peer_tokens_per_second": rate.get("transformers"),
        "times_the_peer": ratio(rate["tinygpt"], rate.get("transformers")),
        "vector_gb_per_second": round(vector / 1e9, 2),
        "floor_ms": round(floor, 2),
        "share_of_floor": ratio(floor, 1e3 / rate["tinygpt"]),
        "products_ms": round(products, 2),
        "share_of_products": ratio(products, 1e3 / rate["tinygpt"]),
        "ms_at_position": steps,
        "share_of_floor_at_position": {n: ratio(floor, steps[n]) for n in POSITIONS},
        "matrix_gflops": round(matrix / 1e9, 1),
        "prompt_gflops": prompts,
        "training_forward_gflops": training,
        "prompt_over_training_forward": {n: ratio(prompts[n], training[n]) for n in PROMPTS},
        "batch_tokens_per_second": {n: round(n / batch[n] * 1e3, 2) for n in BATCHES},
        "batch_over_one": {n: ratio(n * batch[1], batch[n]) for n in BATCHES[1:]},
    }


def show(result: dict[str, Any]) -> None:
    """Tables for people."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    print(f"{result['cpu']}, {result['threads']} threads, kernel {result['blas_kernel']}; {versions}")
    print(f"GPT-2 small, float32, prompt {PROMPT}, {NEW} new tokens: {result['tokens_per_second']} tokens/s")
    if result["peer_tokens_per_second"] is not None:
        print(f"transformers {result['peer_tokens_per_second']} tokens/s, ours/theirs {result['times_the_peer']}")
    print(f"weights read at {result['vector_gb_per_second']} GB/s take {result['floor_ms']} ms a token: "
          f"{result['share_of_floor']} of that floor, prompt included")  # fmt: skip
    print(f"a token's products alone take {result['products_ms']} ms, {result['share_of_products']} of its time\n")
    print_table([
        ("position", *POSITIONS),
        ("ms a token", *result["ms_at_position"].values()),
        ("floor/ms", *result["share_of_floor_at_position"].values()),
    ])  # fmt: skip
    print(f"\nbest product of matrices {result['matrix_gflops']} GFLOP/s")
    print_table([
        ("prompt", *PROMPTS),
        ("GFLOP/s", *result["prompt_gflops"].values()),
        ("training forward, GFLOP/s", *result["training_forward_gflops"].values()),
        ("prompt/training", *result["prompt_over_training_forward"].values()),
    ])  # fmt: skip
    print()
    print_table([
        ("texts side by side", *BATCHES),
        ("tokens/s", *result["batch_tokens_per_second"].values()),
        ("over one", 1, *result["batch_over_one"].values()),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
