"""Which GPUs are here, what reaches them, and what is wrong where none can be used."""

from __future__ import annotations

import ctypes
import importlib
import sys
import warnings
from contextlib import suppress
from types import ModuleType
from typing import Any

OLDEST, NEWEST = 12, 13  # the versions of CUDA that CuPy has wheels for
Version = tuple[int, int]


def require_cupy(device: str) -> ModuleType:
    """CuPy, if it reaches the GPU that `device` ("cuda" or "cuda:1") names.

    Raises ValueError for a name of no device, and RuntimeError where CuPy, a driver that fits it or the GPU is missing,
    with the remedy.
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
    """One product of matrices and one sum there. Raises RuntimeError, with the remedy, where CuPy cannot compute them.

    A GPU is found through the driver alone, but CuPy computes with libraries of CUDA's (cuBLAS, a compiler and its
    headers), which its plain wheel has not.
    """
    try:
        x = cupy.ones((2, 2))
        x @ x + x
    except MemoryError:
        raise
    except Exception as error:  # an import, a compiler's log or CUDA's own: CuPy has a class for each
        reason = str(error).strip().partition("\n")[0]
        raise RuntimeError(
            f"device {device}: CuPy finds the GPU and cannot compute on it ({reason}): "
            f"pip install {wheel(driver_version())}, which brings what it needs of CUDA, or use the cpu"
        ) from error


def wheel(driver: Version | None) -> str:
    """The package of CuPy that fits a driver (the newest where it is not known), and the types that it lacks."""
    major = NEWEST if driver is None else min(max(driver[0], OLDEST), NEWEST)
    return f"'cupy-cuda{major}x[ctk]>=14' ml_dtypes"


def driver_problem(driver: Version | None, made_for: int) -> str:
    """Why a CuPy made for CUDA `made_for` reaches nothing through this driver, and the remedy."""
    if driver is None:
        return "there is no NVIDIA driver: install one (nvidia-smi shows it)"
    known = f"the driver serves CUDA {driver[0]}.{driver[1]}"
    if driver[0] < OLDEST:
        return f"{known}, which is too old: install a newer driver"
    if driver[0] < made_for:
        return f"{known}, and this CuPy is made for CUDA {made_for}: pip install {wheel(driver)} in its place"
    return f"{known}, and shows no GPU: is one hidden by CUDA_VISIBLE_DEVICES?"


def driver_version() -> Version | None:
    """The newest CUDA that the NVIDIA driver serves, asked of the driver itself; None where there is none."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        version = ctypes.c_int()
        if driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
            return None
    except (OSError, AttributeError):
        return None
    return version.value // 1000, version.value % 1000 // 10


def gpu_info() -> dict[str, Any]:
    """driver: the CUDA it serves, or None. cupy, runtime, nccl: their versions, or None. gpus: each with its memory.

    problem: why no GPU can be used, and the remedy; None where one can.
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
        warnings.simplefilter("ignore")  # about libraries that are only needed by some of its functions
        import cupy
    return cupy


def _nccl() -> str | None:
    """As a single number holds it: 22907 is 2.29.7. CuPy has its binding in a module that `import cupy` leaves out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the library is missing
        try:
            nccl = importlib.import_module("cupy.cuda.nccl")
        except ImportError:
            return None
    if not nccl.available:
        return None
    number = nccl.get_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
