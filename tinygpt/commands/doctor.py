"""`tinygpt doctor`: what is installed here, which GPUs there are, and the commands that install what is missing."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from autograd import advice, blas_info, gpu_info

EXTRAS = {
    "matplotlib": ("plot", "curves as PNG"),
    "sacrebleu": ("eval", "BLEU of translations"),
    "rouge-score": ("eval", "ROUGE of summaries"),
    "huggingface_hub": ("hf", "tinygpt fetch"),
}


def doctor_command() -> None:
    """Prints a line for each library and device that tinygpt can use, and how to install what is missing."""
    for name, found in [*_processor(), *_gpu(gpu_info()), *_packages()]:
        print(f"{name:<15} {found}")


def _processor() -> list[tuple[str, str]]:
    blas = blas_info()
    kernel = "" if blas["kernel"] is None else f": {blas['kernel']} kernels, {blas['threads']} threads"
    lines = [
        ("python", f"{platform.python_version()}, {sys.platform}, {platform.machine()}"),
        ("numpy", version("numpy")),
        ("matrix library", f"{blas['library']}{kernel}"),
    ]
    note = advice()
    return lines if note is None else [*lines, ("", note)]


def _gpu(info: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("nvidia driver", "none" if info["driver"] is None else f"for CUDA {_dotted(info['driver'])}"),
        ("cupy", "none" if info["cupy"] is None else f"{info['cupy']}, made for CUDA {_dotted(info['runtime'])}"),
        *((f"cuda:{i}", gpu) for i, gpu in enumerate(info["gpus"])),
    ]
    if info["problem"] is not None:
        return [*lines, ("gpu", info["problem"])]
    made_for = info["runtime"][0]
    nccl = info["nccl"] or f"none; nothing here uses several GPUs yet (pip install nvidia-nccl-cu{made_for})"
    half = _version("ml_dtypes") or "none, which --dtype bfloat16 needs: pip install ml_dtypes"
    return [*lines, ("nccl", nccl), ("ml_dtypes", half)]


def _packages() -> list[tuple[str, str]]:
    lines = [("mpi4py", _version("mpi4py") or "none; nothing here uses it yet (install an MPI, then mpi4py)")]
    for package, (extra, use) in EXTRAS.items():
        lines.append((package, _version(package) or f"none, for {use}: pip install -e '.[{extra}]'"))
    return lines


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))
