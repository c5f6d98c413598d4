"""Our side of the GPU benchmark: a process that gpu.py starts and asks.

python gpu_tinygpt_side.py CONFIGURATION float32|tf32|bfloat16 cuda|cpu
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time

import numpy
from configurations import BETAS, GPU_CONFIGURATIONS, GRAD_CLIP, LEARNING_RATE, WEIGHT_DECAY, tokens_of
from harness import milliseconds, peak_memory_mb, serve

from autograd import Key, to_device, use_tf32
from autograd.kernels import cpu
from tinygpt.generate.decoding import generate
from tinygpt.model.gpt import GPT, GPTConfig
from tinygpt.text.batches import Batch
from tinygpt.train.adam import AdamW
from tinygpt.train.losses import causal_lm_loss


class Side:
    """A model and its optimizer on one device, made anew for each batch size that is tried."""

    def __init__(self, name: str, dtype: str, device: str) -> None:
        self.config, self.dtype, self.device, self.steps_done = GPU_CONFIGURATIONS[name], dtype, device, 0

    def facts(self) -> dict[str, object]:
        versions, gpu = {"numpy": numpy.__version__}, "none"
        if self.device != "cpu":
            import cupy

            to_device(numpy.zeros(1), self.device)  # raises, with the remedy, where there is no GPU
            versions["cupy"] = cupy.__version__
            gpu = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
            gpu += f", driver API {cupy.cuda.runtime.driverGetVersion()}"
        return {"versions": versions, "gpu": gpu}

    def prepare(self, batch_size: int, weights: str | None = None) -> float:
        """Makes the model, writes its weights where asked and not there yet, takes one step; gives that step's loss."""
        self.config = dataclasses.replace(self.config, batch_size=batch_size)
        self.model = GPT(GPTConfig(**self.config.model_arguments()), Key(0))
        if weights and not os.path.exists(weights):
            numpy.savez(weights, **self.model.state_dict())
        self.model.to(self.device)
        self.optimizer = AdamW(
            self.model.parameters(), *BETAS, weight_decay=WEIGHT_DECAY, grad_clip=GRAD_CLIP, dtype=self.dtype
        )
        self.steps_done = 0
        return self.step()

    def step(self) -> float:
        """One training step; reading the loss waits for the device, and nothing before it does."""
        total, count = causal_lm_loss(self.model, Batch(*tokens_of(self.config, self.steps_done)))
        loss = total / count
        loss.backward()
        self.optimizer.step(LEARNING_RATE)
        self.steps_done += 1
        return float(loss.data)

    def measure(self) -> list[float]:
        return milliseconds(self.step, self.config.steps_per_round)

    def curve(self, steps: int) -> list[float]:
        """The losses of a training run from the start."""
        return [self.prepare(self.config.batch_size), *(self.step() for _ in range(steps - 1))]

    def generate(self, tokens: int) -> float:
        """Tokens a second, one text, the likeliest each time, with a cache."""
        start = time.perf_counter()
        written = sum(1 for _ in generate(self.model, [0], tokens))
        return written / (time.perf_counter() - start)

    def peak_memory(self) -> float:
        """MiB that the device's pool has taken from it (on the processor: the process's own peak)."""
        if self.device == "cpu":
            return peak_memory_mb()
        import cupy

        return round(cupy.get_default_memory_pool().total_bytes() / 2**20, 1)


def main() -> None:
    cpu.configure()
    name, precision, device = sys.argv[1:]
    if precision == "tf32":
        use_tf32()
    side = Side(name, "float32" if precision == "tf32" else precision, device)
    asked = (side.facts, side.prepare, side.measure, side.curve, side.generate, side.peak_memory)
    serve({handler.__name__: handler for handler in asked})


if __name__ == "__main__":
    main()
