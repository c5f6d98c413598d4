"""The machine's side: how fast NumPy multiplies matrices here, the measure of what a step could reach.

    python matrix_side.py CONFIGURATION

In a process of its own, so that its matrices do not count as the memory of a training step.
"""

from __future__ import annotations

import sys

import numpy
from configurations import CONFIGURATIONS, Configuration
from harness import milliseconds, serve

from autograd.kernels import cpu

MILLISECONDS_PER_SHAPE = 60


def shapes(config: Configuration) -> list[tuple[int, int, int]]:
    """(rows, inner, columns) of the network's own products, forward and backward, and the customary 2048 cubed."""
    N, C, V = config.tokens, config.n_embd, config.vocab_size
    return [(N, C, 3 * C), (N, C, C), (N, C, 4 * C), (N, 4 * C, C), (C, N, 4 * C), (N, C, V), (2048, 2048, 2048)]


def gflops(rows: int, inner: int, columns: int) -> float:
    """2·rows·inner·columns over the time of the fastest of several float32 products."""
    a = numpy.ones((rows, inner), numpy.float32)
    b = numpy.ones((inner, columns), numpy.float32)
    out = numpy.empty((rows, columns), numpy.float32)

    def product() -> object:
        return numpy.matmul(a, b, out=out)

    fastest = min(milliseconds(product, 2))
    times = milliseconds(product, 1 + int(MILLISECONDS_PER_SHAPE / fastest))
    return 2 * rows * inner * columns / min(fastest, *times) / 1e6


def main() -> None:
    config = CONFIGURATIONS[sys.argv[1]]
    cpu.configure()
    serve({
        "facts": lambda: {"blas": cpu.blas_info(), "threads": cpu.cores()},
        "measure": lambda: [max(gflops(*shape) for shape in shapes(config))],
    })


if __name__ == "__main__":
    main()
