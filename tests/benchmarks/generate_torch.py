"""The side of transformers in the generation benchmark: a process that generate.py starts and asks.

    python generate_torch.py DIRECTORY

A GPT-2 small with random weights, saved to DIRECTORY for others to read.
"""

from __future__ import annotations

import sys
import time

import numpy
import torch
import transformers
from harness import peak_memory_mb, serve
from transformers import GPT2Config, GPT2LMHeadModel


def main() -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    model.save_pretrained(sys.argv[1])
    model.generation_config.eos_token_id = None  # the text must not end early
    model.generation_config.pad_token_id = 0

    def logits(prompt: list[int], file: str) -> None:
        with torch.inference_mode():
            numpy.save(file, model(torch.tensor([prompt])).logits[0].numpy())

    def text(prompt: list[int], count: int) -> dict[str, object]:
        """A greedy text, and the seconds it took."""
        ids = torch.tensor([prompt])
        start = time.perf_counter()
        with torch.inference_mode():
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, use_cache=True
            )
        return {"tokens": whole[0, len(prompt) :].tolist(), "seconds": time.perf_counter() - start}

    serve({
        "facts": lambda: {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}},
        "use_threads": lambda threads: torch.set_num_threads(threads),
        "logits": logits,
        "text": text,
        "peak_memory": peak_memory_mb,
    })


if __name__ == "__main__":
    main()
