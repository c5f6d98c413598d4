"""Single kernels on the GPU: their errors beside PyTorch's, and their times beside what memory allows. See gpu.py.

python gpu_kernels_side.py cuda|cpu
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from harness import serve

from autograd import array_module, to_device, to_numpy
from autograd.kernels import reference, room
from autograd.kernels.deposit import Deposit

ROWS, WIDTH, CLASSES, LENGTH = 2048, 768, 8192, 512
TIMED = 8  # times as many rows, and texts, where a GPU is timed: fewer would show what it takes to start a kernel


def inputs(times: int = 1) -> dict[str, tuple[list[np.ndarray], dict]]:
    """What each kernel is given: float64 numbers that float32 holds exactly, so that all compute the same thing."""
    draw, rows = np.random.default_rng(0), times * ROWS

    def normal(*shape: int) -> np.ndarray:
        return draw.standard_normal(shape).astype(np.float32).astype(np.float64)

    heads = (2 * times, 12, LENGTH, WIDTH // 12)
    return {
        "gelu": ([normal(rows, WIDTH)], {}),
        "softmax": ([normal(rows, CLASSES)], {}),
        "cross_entropy": ([normal(rows, CLASSES), draw.integers(CLASSES, size=rows)], {}),
        "layer_norm": ([normal(rows, WIDTH), normal(WIDTH), normal(WIDTH)], {}),
        "linear": ([normal(rows, WIDTH), normal(WIDTH, WIDTH), normal(WIDTH)], {}),
        "embedding": ([draw.integers(CLASSES, size=rows), normal(CLASSES, WIDTH)], {}),
        "attention": (
            [normal(*heads), normal(*heads), normal(*heads)], {"causal": True, "needs": (True, True, True, False)}
        ),
    }  # fmt: skip


def run(kernels, name: str, arguments: list, options: dict, dy) -> list:
    """The result, of which dy is the gradient, and every gradient."""
    y, saved = getattr(kernels, name)(*arguments, **options)
    gradients = getattr(kernels, f"{name}_backward")(dy, saved)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    return [y, *(g.array() if isinstance(g, Deposit) else g for g in gradients if g is not None)]


def torch_run(name: str, arguments: list, dy: np.ndarray, device: str) -> list[np.ndarray]:
    """The same by PyTorch in float32."""
    import torch
    from torch.nn import functional as F

    formulas: dict[str, Callable] = {
        "gelu": lambda x: F.gelu(x, approximate="tanh"),
        "softmax": lambda x: x.softmax(-1),
        "cross_entropy": lambda x, t: F.cross_entropy(x, t, reduction="none"),
        "layer_norm": lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b),
        "linear": lambda x, w, b: x @ w + b,
        "embedding": lambda ids, table: F.embedding(ids, table),
        "attention": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    }
    tensors = [torch.from_numpy(a if a.dtype.kind == "i" else a.astype(np.float32)).to(device) for a in arguments]
    leaves = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    y = formulas[name](*tensors)
    y.backward(torch.from_numpy(dy.astype(np.float32)).to(device))
    return [y.detach().cpu().numpy(), *(leaf.grad.cpu().numpy() for leaf in leaves)]


def error(found: list, exact: list) -> float:
    """The largest difference from float64 over results and gradients, relative to each one's largest number."""
    return max(
        float(np.abs(f.astype(np.float64) - e).max() / np.abs(e).max()) for f, e in zip(found, exact, strict=True)
    )


def parity(device: str, with_torch: bool) -> dict[str, dict[str, float]]:
    """kernel → the errors in float32, ours and PyTorch's."""
    ledger = {}
    for name, (arguments, options) in inputs().items():
        result = getattr(reference, name)(*arguments, **options)[0]
        dy = np.random.default_rng(1).standard_normal(result.shape).astype(np.float32).astype(np.float64)
        exact = run(reference, name, arguments, options, dy)
        narrow = [to_device(a if a.dtype.kind == "i" else a.astype(np.float32), device) for a in arguments]
        ours = run(room(narrow[-1]), name, narrow, options, to_device(dy.astype(np.float32), device))
        line = {"ours": error([to_numpy(x) for x in ours], exact)}
        if with_torch:
            line["torch"] = error(torch_run(name, arguments, dy, device), exact)
        ledger[name] = line
    return ledger


def kernels(device: str, repeats: int) -> dict[str, dict[str, float]]:
    """kernel → forward and backward in ms, and the floor: its arrays read and written once, at a copy's pace."""
    import time

    def timed(work: Callable[[], object]) -> float:
        work()
        wait(device)
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        wait(device)
        return (time.perf_counter() - start) / repeats * 1e3

    large = to_device(np.zeros(2**26 if device != "cpu" else 2**20, np.float32), device)
    pace = 2 * large.nbytes / timed(large.copy)
    table = {}
    for name, (arguments, options) in inputs(TIMED if device != "cpu" else 1).items():
        narrow = [to_device(a if a.dtype.kind == "i" else a.astype(np.float32), device) for a in arguments]
        chosen = room(narrow[-1])
        y, _ = getattr(chosen, name)(*narrow, **options)
        given = name, narrow, options, array_module(y).ones_like(y)
        moved = 2 * sum(x.nbytes for x in [*narrow, *run(chosen, *given)])  # by the forward, and again by the backward
        ms = timed(lambda given=given, chosen=chosen: run(chosen, *given))
        table[name] = {"ms": ms, "floor_ms": moved / pace}
    return table


def wait(device: str) -> None:
    if device != "cpu":
        import cupy

        cupy.cuda.Device().synchronize()


if __name__ == "__main__":
    serve(
        {
            "parity": lambda with_torch: parity(sys.argv[1], with_torch),
            "kernels": lambda repeats: kernels(sys.argv[1], repeats),
        }
    )
