"""PyTorch's side of the training-step benchmark: a process that train_step.py starts and asks.

    python torch_side.py CONFIGURATION eager|tuned|compiled THREADS
"""

from __future__ import annotations

import itertools
import sys

import numpy
import torch
from configurations import CONFIGURATIONS, tokens_of
from harness import milliseconds, peak_memory_mb, serve
from peers.torch_gpt import GPT, OneDNNLinear, gradients_as_ours, load_ours, make_optimizer, train_step
from torch.nn import functional as F


def main() -> None:
    config, variant, threads = CONFIGURATIONS[sys.argv[1]], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    model = GPT(config, OneDNNLinear.apply if variant == "tuned" else F.linear)
    loss = torch.compile(model) if variant == "compiled" else model
    optimizer = make_optimizer(model)
    numbers = itertools.count(1)

    def check(weights: str, gradients: str) -> float:
        """The loss on batch 0 from the weights in one file; its gradients go into another."""
        with numpy.load(weights) as arrays:
            load_ours(model, arrays)
        value = loss(*map(torch.from_numpy, tokens_of(config, 0)))
        value.backward()
        numpy.savez(gradients, **gradients_as_ours(model))
        optimizer.zero_grad(set_to_none=True)
        return value.item()

    def steps() -> list[float]:
        """The times of one round of steps, after one that fills the caches again."""
        count = 1 + config.steps_per_round
        batches = [tuple(map(torch.from_numpy, tokens_of(config, n))) for n in itertools.islice(numbers, count)]
        waiting = iter(batches)
        return milliseconds(lambda: train_step(loss, model, optimizer, *next(waiting)), count)[1:]

    serve({
        "facts": lambda: {"versions": {"torch": torch.__version__}},
        "check": check,
        "measure": steps,
        "peak_memory": peak_memory_mb,
    })


if __name__ == "__main__":
    main()
