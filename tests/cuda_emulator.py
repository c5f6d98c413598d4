"""The room of CUDA kernels run on the processor: its sources compiled as C++ (cuda_emulator.h), cuBLAS played by NumPy.

Arrays are NumPy's, or those of tests/standin, which follow CuPy's rules. This shows what the sources and the Python
around them compute, and that a kernel is handed what its signature asks for. It does not show what a GPU's own
arithmetic and CuPy do.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from autograd.kernels.on_cupy import launch, products

HEADER = Path(__file__).with_name("cuda_emulator.h")
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(launch.HERE.glob("*.cu"))}
KERNELS = [name for text in SOURCES.values() for name in re.findall(r"^KERNEL (\w+)\(", text, re.M)]
COMPILER = shutil.which("g++") or shutil.which("clang++")
STRIDED = {"attention_weights", "attention_gradient"}  # which are told how mask and bias lie in memory
FLAGS = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w"]


class Given(ctypes.Structure):
    _fields_ = [("word", ctypes.c_int64), ("item", ctypes.c_int)]


def compiled(dtype: str, folder: Path) -> ctypes.CDLL:
    """A library with every kernel for arrays of one type, and `run`, which calls one by its name."""
    common = (launch.HERE / "common.cuh").read_text(encoding="utf-8")
    choose = "".join(
        f'    if (!strcmp(name, "{k}")) return emulator::run({k}, blocks, threads, backwards, given, count);\n'
        for k in KERNELS
    )
    bodies = [f'#line 1 "{name}.cu"\n' + text.replace(launch.INCLUDE, "\n") for name, text in SOURCES.items()]
    where = "const char *name, long long blocks, int threads, int backwards"
    run = f'extern "C" int run({where}, const emulator::Given *given, int count)\n{{\n{choose}    return -3;\n}}\n'
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"kernels_{dtype}.cpp"
    file.write_text("\n".join([HEADER.read_text(encoding="utf-8"), common, *bodies, run]), encoding="utf-8")
    library = file.with_suffix(".so")
    if library.exists():
        return ctypes.CDLL(str(library))
    unfinished = file.with_suffix(f".{os.getpid()}")  # nobody else finds a library that is half written
    command = [COMPILER, *FLAGS, f"-DELEMENT={dtype}", "-o", str(unfinished), str(file)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    os.replace(unfinished, library)
    return ctypes.CDLL(str(library))


class Emulator:
    """Takes the GPU's place in launch.py and products.py; `backwards` turns the order of threads and blocks around."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.libraries, self.backwards, self.ran = folder, {}, False, set()

    def function(self, name: str, kernel: str, dtype: str) -> launch.Launch:
        if dtype not in self.libraries:
            self.libraries[dtype] = compiled(dtype, self.folder)

        def run(grid: tuple[int], block: tuple[int], arguments: tuple) -> None:
            self.ran.add(kernel)
            given = (Given * len(arguments))(*(_given(each, kernel in STRIDED) for each in arguments))
            library = self.libraries[dtype]
            status = library.run(
                kernel.encode(), ctypes.c_longlong(grid[0]), block[0], int(self.backwards), given, len(arguments)
            )
            if status:
                raise AssertionError(f"{kernel}: {_REASONS.get(status, f'argument {status} is of another type')}")

        return run

    def install(self, monkeypatch) -> None:
        monkeypatch.setattr(launch, "_function", self.function)
        monkeypatch.setattr(products, "_cublas", lambda: (gemm, 0))
        monkeypatch.setattr(products, "_address", lambda x: in_memory(x).ctypes.data)


_REASONS = {-1: "its threads part ways at a barrier", -2: "another number of arguments", -3: "there is no such kernel"}


def in_memory(x: object) -> object:
    """The NumPy array inside an array of the stand-in; anything else itself."""
    return getattr(x, "_x", x)


def _given(argument: object, strided: bool) -> Given:
    argument = in_memory(argument)
    if isinstance(argument, np.ndarray):
        assert argument.size == 0 or argument.flags.c_contiguous or strided, "a kernel sees an address"
        return Given(argument.ctypes.data, argument.itemsize)
    if isinstance(argument, np.float64):
        return Given(int(argument.view(np.int64)), -1)
    assert isinstance(argument, np.int64), f"{argument!r} is neither array nor number of 64 bits"
    return Given(int(argument), 0)


def gemm(
    handle, turn_a, turn_b, m, n, k, alpha, a, type_a, lda, step_a, b, type_b, ldb, step_b,
    beta, c, type_c, ldc, step_c, batch, compute, algorithm,
):  # fmt: skip
    """cublasGemmStridedBatchedEx as its manual defines it: C ← α op(A) op(B) + β C, all counted down columns."""
    is_double = compute == products.COMPUTE_FLOAT64
    real, c_type = (np.float64, ctypes.c_double) if is_double else (np.float32, ctypes.c_float)
    alpha, beta = (real(c_type.from_address(address).value) for address in (alpha, beta))
    left = _columns(a, type_a, lda, step_a, (k, m) if turn_a else (m, k), batch)
    right = _columns(b, type_b, ldb, step_b, (n, k) if turn_b else (k, n), batch)
    out = _columns(c, type_c, ldc, step_c, (m, n), batch)
    left, right = (x.swapaxes(1, 2) if turned else x for x, turned in ((left, turn_a), (right, turn_b)))
    total = alpha * (left.astype(real) @ right.astype(real))
    out[...] = total + beta * out.astype(real) if beta else total


def _columns(address, data_type, step, batch_step, shape, batch):
    """An array (batch, rows, columns) on memory in which columns lie `step` elements apart."""
    rows, columns = shape
    assert step >= max(1, rows), "a leading dimension below the number of rows, which cuBLAS refuses"
    name = next(name for name, number in products.DATA_TYPE.items() if number == data_type)
    dtype = np.dtype(getattr(np, name)) if name != "bfloat16" else np.dtype(__import__("ml_dtypes").bfloat16)
    size = (batch - 1) * batch_step + (columns - 1) * step + rows
    memory = np.frombuffer((ctypes.c_char * (size * dtype.itemsize)).from_address(address), dtype=dtype)
    strides = tuple(n * dtype.itemsize for n in (batch_step, 1, step))
    return np.lib.stride_tricks.as_strided(memory, (batch, rows, columns), strides, writeable=True)
