"""Which GPUs this machine has, which libraries can use them, and what is wrong where none can."""

from __future__ import annotations

import ctypes
import importlib
import sys
import warnings
from contextlib import suppress
from types import ModuleType
from typing import Any

OLDEST, NEWEST = 12, 13  # major versions of CUDA for which CuPy has wheels
Version = tuple[int, int]


def require_cupy(device: str) -> ModuleType:
    """CuPy, if it can use the GPU that `device` ("cuda" or "cuda:1") names.

    Raises ValueError for an unknown device, and RuntimeError, with the remedy, where CuPy, a driver that fits it or the
    GPU is missing.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda" or not (index == "" or index.isdigit()):
        raise ValueError(f"unknown device {device!r}: use cpu, cuda or cuda:0")
    try:
        cupy = _import_cupy()
    except ImportError as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported ({error})"
        raise RuntimeError(
            f"device {device} needs CuPy, which {reason}: pip install {wheel(driver_version())}, or use the cpu"
        ) from None
    if not cupy.cuda.is_available():
        problem = driver_problem(driver_version(), cupy.cuda.runtime.runtimeGetVersion() // 1000)
        raise RuntimeError(f"device {device} was asked for, but CuPy finds no GPU here: {problem}, or use the cpu")
    count = cupy.cuda.runtime.getDeviceCount()
    if int(index or 0) >= count:
        raise RuntimeError(f"device {device}: this machine has {count} GPU(s), of which the last is cuda:{count - 1}")
    return cupy


def try_out(cupy: ModuleType, device: str) -> None:
    """Computes one matrix product and one sum on the GPU. Raises RuntimeError, with the remedy, where CuPy cannot.

    CuPy finds a GPU through the driver alone, but computes with libraries of CUDA (cuBLAS, a compiler and its headers),
    which its plain wheel does not contain.
    """
    try:
        x = cupy.ones((2, 2))
        x @ x + x
    except MemoryError:
        raise
    except Exception as error:  # of an import, the compiler or CUDA: CuPy has a class for each
        reason = str(error).strip().partition("\n")[0]
        raise RuntimeError(
            f"device {device}: CuPy finds the GPU and cannot compute on it ({reason}): "
            f"pip install {wheel(driver_version())}, which brings what it needs of CUDA, or use the cpu"
        ) from error


def wheel(driver: Version | None) -> str:
    """What to install: the CuPy package that fits the driver (the newest if unknown), and ml_dtypes for bfloat16."""
    major = NEWEST if driver is None else min(max(driver[0], OLDEST), NEWEST)
    return f"'cupy-cuda{major}x[ctk]>=14' ml_dtypes"


def driver_problem(driver: Version | None, made_for: int) -> str:
    """Why a CuPy built for CUDA `made_for` finds no GPU through this driver, and the remedy."""
    if driver is None:
        return "there is no NVIDIA driver: install one (nvidia-smi shows it)"
    known = f"the driver serves CUDA {driver[0]}.{driver[1]}"
    if driver[0] < OLDEST:
        return f"{known}, which is too old: install a newer driver"
    if driver[0] < made_for:
        return f"{known}, and this CuPy is made for CUDA {made_for}: pip install {wheel(driver)} in its place"
    return f"{known}, and shows no GPU: is one hidden by CUDA_VISIBLE_DEVICES?"


def driver_version() -> Version | None:
    """The newest CUDA version that the NVIDIA driver supports, as the driver reports it; None without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        version = ctypes.c_int()
        if driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
            return None
    except (OSError, AttributeError):
        return None
    return version.value // 1000, version.value % 1000 // 10


def gpu_info() -> dict[str, Any]:
    """What is known about this machine's GPUs, by name:

    driver: the CUDA version it supports, or None. cupy, runtime, nccl: their versions, or None. gpus: a line for each,
    with its memory. problem: why no GPU can be used, and the remedy; None where one can.
    """
    info: dict[str, Any] = {"driver": driver_version(), "cupy": None, "runtime": None, "nccl": None, "gpus": []}
    with suppress(ImportError):
        cupy = _import_cupy()
        runtime = cupy.cuda.runtime.runtimeGetVersion()
        info |= {"cupy": cupy.__version__, "runtime": (runtime // 1000, runtime % 1000 // 10), "nccl": _nccl()}
    try:
        cupy = require_cupy("cuda")
    except RuntimeError as error:
        return info | {"problem": str(error)}
    info["problem"] = _problem_with(cupy)
    for i in range(cupy.cuda.runtime.getDeviceCount()):
        known = cupy.cuda.runtime.getDeviceProperties(i)
        gib, capability = known["totalGlobalMem"] / (1 << 30), f"{known['major']}.{known['minor']}"
        info["gpus"].append(f"{known['name'].decode()}, {gib:.0f} GiB, compute capability {capability}")
    return info


def _problem_with(cupy: ModuleType) -> str | None:
    try:
        try_out(cupy, "cuda")
    except (RuntimeError, MemoryError) as error:
        return str(error)
    return None


def _import_cupy() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about libraries that only some of its functions need
        import cupy
    return cupy


def _nccl() -> str | None:
    """NCCL's version, from its own number (22907 is 2.29.7). `import cupy` does not import the module that binds it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the NCCL library is missing
        try:
            nccl = importlib.import_module("cupy.cuda.nccl")
        except ImportError:
            return None
    if not nccl.available:
        return None
    number = nccl.get_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
