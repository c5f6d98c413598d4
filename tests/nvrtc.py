"""NVIDIA's compiler for CUDA sources, which needs neither a GPU nor a driver (pip install nvidia-cuda-nvrtc)."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path


class CompileError(ValueError):
    """The compiler's log."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """The wheel's library, or None where it is not installed."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else []
    found = sorted(path for folder in folders for path in Path(folder).glob("**/libnvrtc.so.*"))
    return ctypes.CDLL(str(found[-1])) if found else None


def compile_source(text: str, name: str, options: tuple[str, ...]) -> bytes:
    """The machine code for one architecture (--gpu-architecture=sm_90), or, for a virtual one (compute_90), PTX.

    Raises CompileError with the log, whose lines begin with the file's name and line.
    """
    program = ctypes.c_void_p()
    _check(library().nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None))
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if library().nvrtcCompileProgram(program, len(options), given):
            raise CompileError(_read(program, "ProgramLog").decode())
        return _read(program, "CUBIN" if any("=sm_" in option for option in options) else "PTX")
    finally:
        library().nvrtcDestroyProgram(ctypes.byref(program))


def _read(program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(getattr(library(), f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"NVRTC returned {status}")
