"""Our side of the training-step benchmark: a process that train_step.py starts and asks.

    python tinygpt_side.py CONFIGURATION
"""

from __future__ import annotations

import itertools
import sys

import numpy
from configurations import BETAS, CONFIGURATIONS, GRAD_CLIP, LEARNING_RATE, WEIGHT_DECAY, tokens_of
from harness import milliseconds, peak_memory_mb, serve

from autograd import Key
from autograd.kernels import cpu
from tinygpt.model.gpt import GPT, GPTConfig
from tinygpt.text.batches import Batch
from tinygpt.train.adam import AdamW
from tinygpt.train.loop import train
from tinygpt.train.losses import causal_lm_loss


def main() -> None:
    cpu.configure()
    config = CONFIGURATIONS[sys.argv[1]]
    model = GPT(GPTConfig(**config.model_arguments()), Key(0))
    optimizer = AdamW(model.parameters(), *BETAS, weight_decay=WEIGHT_DECAY, grad_clip=GRAD_CLIP)
    waiting: dict[int, Batch] = {}
    numbers = itertools.count(1)
    training = train(
        model, causal_lm_loss, waiting.pop, optimizer, max_iters=sys.maxsize, learning_rate=LEARNING_RATE, start=1
    )

    def facts() -> dict[str, object]:
        sizes = {name: parameter.data.size for name, parameter in model.named_parameters().items()}
        return {
            "parameters": sum(sizes.values()) - sizes["wpe.weight"],
            "versions": {"numpy": numpy.__version__},
        }

    def check(weights: str, gradients: str) -> float:
        """Writes the initial weights, and the gradients of the mean loss on batch 0; gives the loss."""
        numpy.savez(weights, **model.state_dict())
        total, count = causal_lm_loss(model, Batch(*tokens_of(config, 0)))
        loss = total / count
        loss.backward()
        numpy.savez(gradients, **{name: parameter.grad for name, parameter in model.named_parameters().items()})
        optimizer.zero_grad()
        return loss.item()

    def steps() -> list[float]:
        """The times of one round of steps of the public loop, after one that fills the caches again."""
        count = 1 + config.steps_per_round
        for number in itertools.islice(numbers, count):
            waiting[number] = Batch(*tokens_of(config, number))
        return milliseconds(lambda: next(training), count)[1:]

    serve({"facts": facts, "check": check, "measure": steps, "peak_memory": peak_memory_mb})


if __name__ == "__main__":
    main()
