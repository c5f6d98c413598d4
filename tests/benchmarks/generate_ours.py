"""Our side of the generation benchmark: a process that generate.py starts and asks.

    python generate_ours.py [DIRECTORY]

DIRECTORY holds the weights that a peer has saved; without one they are our own, as random.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy
from harness import milliseconds, peak_memory_mb, serve

import tinygpt
from autograd import Key, no_grad
from autograd.kernels import cpu
from tinygpt.generate import generate, generate_batch, lay_out
from tinygpt.model import GPT, GPTConfig

GPT2_SMALL = GPTConfig(50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
SQUARE = 8192  # of the matrix that a vector is multiplied with: 268 MB, far more than a cache holds
PRODUCT = 2048  # of the customary product of matrices
WARM = 2  # calls before those that count; of a batch the first of them reads the prompts
FORWARDS = 3


class Ours:
    """A GPT-2 small that only writes, and what it can be asked."""

    def __init__(self, directory: str | None) -> None:
        self.model = lay_out(GPT(GPT2_SMALL, Key(0)) if directory is None else tinygpt.load(directory).model)

    def facts(self) -> dict[str, object]:
        return {
            "threads": cpu.cores(),
            "blas": cpu.blas_info(),
            "weight_bytes": sum(each.nbytes for each in self.read_for_a_token()),
            "versions": {"numpy": numpy.__version__},
        }

    def read_for_a_token(self) -> list[numpy.ndarray]:
        """Every parameter but the positions, of which a token needs one."""
        return [each.data for name, each in self.model.named_parameters().items() if name != "wpe.weight"]

    def logits(self, prompt: list[int], file: str) -> None:
        with no_grad():
            numpy.save(file, self.model(numpy.array([prompt])).data[0])

    def text(self, prompt: list[int], count: int) -> dict[str, object]:
        """A greedy text, and the seconds it took."""
        start = time.perf_counter()
        tokens = list(generate(self.model, prompt, count))
        return {"tokens": tokens, "seconds": time.perf_counter() - start}

    def prompt_and_steps(self, prompt: list[int], steps: int) -> dict[str, object]:
        """Milliseconds until the first token is there, and of each of the following."""
        tokens = generate(self.model, prompt, 1 + steps)
        (first,) = milliseconds(lambda: next(tokens), 1)
        return {"prompt": first, "steps": milliseconds(lambda: next(tokens), steps)}

    def products(self, steps: int) -> list[float]:
        """Milliseconds of one token's matrix-vector products and nothing else, as often as `steps` says."""
        table = self.model.wte.weight.data
        matrices = [table.T if each is table else each for each in self.read_for_a_token() if each.ndim == 2]
        rows = {n: numpy.ones((1, n), numpy.float32) for n in {len(each) for each in matrices}}
        return milliseconds(lambda: [rows[len(each)] @ each for each in matrices], WARM + steps)[WARM:]

    def training_forward(self, length: int) -> list[float]:
        """Milliseconds of a training step's forward over one row: all logits, and what a backward needs is kept."""
        ids = numpy.arange(length)[None] % self.model.config.vocab_size
        return milliseconds(lambda: self.model(ids), WARM + FORWARDS)[WARM:]

    def batch(self, rows: int, length: int, steps: int) -> list[float]:
        """Milliseconds of each step of so many greedy texts side by side."""
        draw = numpy.random.default_rng(0).integers
        prompts = draw(self.model.config.vocab_size, size=(rows, length)).tolist()
        written = iter(generate_batch(self.model, prompts, WARM + steps))
        return milliseconds(lambda: [next(written) for _ in range(rows)], WARM + steps)[WARM:]

    def flops(self, length: int, logits: int) -> int:
        """Of a forward over `length` tokens with the logits of so many: the products with weights, and attention's two.

        Both halves of attention's square are counted, as in configurations.flops_per_token.
        """
        c = self.model.config
        blocks = sum(each.data.size for name, each in self.model.named_parameters().items() if name.startswith("h."))
        return 2 * (blocks * length + c.vocab_size * c.n_embd * logits) + 4 * c.n_layer * c.n_embd * length**2


def main() -> None:
    cpu.configure()
    ours = Ours(*(sys.argv[1:] or [None]))
    asked = ("facts", "logits", "text", "prompt_and_steps", "products", "training_forward", "batch", "flops")
    machine = {"vector_rate": vector_rate, "matrix_rate": matrix_rate, "peak_memory": peak_memory_mb}
    serve({**{name: getattr(ours, name) for name in asked}, **machine})


def fastest(work: Callable[[], object], count: int = 5) -> float:
    """Seconds of the fastest call."""
    return min(milliseconds(work, WARM + count)[WARM:]) / 1e3


def vector_rate() -> float:
    """Bytes a second of the fastest matrix-vector product: what a token costs at least is its weights over this."""
    matrix, vector = numpy.ones((SQUARE, SQUARE), numpy.float32), numpy.ones(SQUARE, numpy.float32)
    return matrix.nbytes / min(fastest(lambda: matrix @ vector), fastest(lambda: vector @ matrix))


def matrix_rate() -> float:
    """Multiplications and additions a second of the best product of matrices."""
    a = numpy.ones((PRODUCT, PRODUCT), numpy.float32)
    return 2 * PRODUCT**3 / fastest(lambda: a @ a)


if __name__ == "__main__":
    main()
