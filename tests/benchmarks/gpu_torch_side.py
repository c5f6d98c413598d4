"""PyTorch's side of the GPU benchmark: a process that gpu.py starts and asks.

python gpu_torch_side.py CONFIGURATION float32|tf32|bfloat16 cuda|cpu eager|compiled
"""

from __future__ import annotations

import dataclasses
import sys
import time

import numpy
import torch
from configurations import GPU_CONFIGURATIONS, tokens_of
from harness import milliseconds, peak_memory_mb, serve
from peers.torch_gpt import GPT, load_ours, make_optimizer, train_step


class Side:
    def __init__(self, name: str, precision: str, device: str, variant: str) -> None:
        self.config, self.precision, self.device, self.variant = GPU_CONFIGURATIONS[name], precision, device, variant
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")

    def facts(self) -> dict[str, object]:
        return {"versions": {"torch": torch.__version__}}

    def prepare(self, batch_size: int, weights: str | None = None) -> float:
        self.config = dataclasses.replace(self.config, batch_size=batch_size)
        self.model = GPT(self.config).to(self.device)
        if weights:
            with numpy.load(weights) as arrays:
                load_ours(self.model, arrays)
        compiled = torch.compile(self.model) if self.variant == "compiled" else self.model
        self.loss = self._in_bfloat16(compiled) if self.precision == "bfloat16" else compiled
        self.optimizer, self.steps_done = make_optimizer(self.model), 0
        return self.step()

    def _in_bfloat16(self, model):
        def loss(*batch):
            with torch.autocast(self.device, dtype=torch.bfloat16):
                return model(*batch)

        return loss

    def step(self) -> float:
        batch = (torch.from_numpy(x).to(self.device) for x in tokens_of(self.config, self.steps_done))
        self.steps_done += 1
        return train_step(self.loss, self.model, self.optimizer, *batch)

    def measure(self) -> list[float]:
        return milliseconds(self.step, self.config.steps_per_round)

    def generate(self, tokens: int) -> float:
        """Tokens a second of transformers' GPT-2 of the same size (random weights), one text, with a cache."""
        from transformers import GPT2Config, GPT2LMHeadModel

        c = self.config
        sizes = {"n_layer": c.n_layer, "n_head": c.n_head, "n_embd": c.n_embd, "n_positions": c.block_size}
        model = GPT2LMHeadModel(GPT2Config(**sizes, vocab_size=c.vocab_size)).to(self.device).eval()
        start = time.perf_counter()
        prompt = torch.zeros((1, 1), dtype=torch.long, device=self.device)
        given = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        written = model.generate(prompt, attention_mask=torch.ones_like(prompt), **given).tolist()  # waits for the last
        return (len(written[0]) - 1) / (time.perf_counter() - start)

    def peak_memory(self) -> float:
        if self.device == "cpu":
            return peak_memory_mb()
        return round(torch.cuda.max_memory_reserved() / 2**20, 1)


def main() -> None:
    side = Side(*sys.argv[1:])
    asked = (side.facts, side.prepare, side.measure, side.generate, side.peak_memory)
    serve({handler.__name__: handler for handler in asked})


if __name__ == "__main__":
    main()
