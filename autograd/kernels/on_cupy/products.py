"""Matrix products by cuBLAS: transposed operands and slices need no copy; sums are float32, and float64 for float64.

CuPy's own `@` makes operands of more than two axes contiguous, turns float16 into float32 and refuses bfloat16. So its
binding of gemmStridedBatchedEx is called instead, for all products alike.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ...device import Array, array_module

# from the header cublas_api.h: cudaDataType and cublasComputeType_t
DATA_TYPE = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
COMPUTE_FLOAT32, COMPUTE_FLOAT64, COMPUTE_TF32 = 68, 70, 77
DEFAULT_ALGORITHM = -1


def product(left: Array, right: Array, out: Array, alpha: float = 1.0, beta: float = 0.0) -> None:
    """out ← alpha · left @ right + beta · out, for (N, M, K), (N, K, P) and (N, M, P), or all without the N.

    Operands may be transposed or cut out of something larger; of `out` the last axis must be contiguous. Its type may
    be wider than theirs (float32 for 16-bit operands). CUPY_TF32=1 lets float32 operands be rounded to 10 bits.
    """
    if out.ndim == 2:
        left, right, out = left[None], right[None], out[None]
    if out.size == 0:
        return
    if left.shape[-1] == 0:  # an empty sum; new memory may hold NaN, and 0 · NaN is NaN
        out[...] = beta * out if beta else 0
        return
    n, m, p = out.shape
    (right, right_turned, right_step), (left, left_turned, left_step) = _matrix(right), _matrix(left)
    _, out_turned, out_step = _matrix(out)
    if out_turned or out_step < p:
        raise ValueError(f"product: the result {out.shape} has strides {out.strides}: its rows must be contiguous")
    compute = _compute_type(left)
    factors = np.array([alpha, beta], dtype="float64" if compute == COMPUTE_FLOAT64 else "float32")
    address = factors.ctypes.data
    gemm, handle = _cublas()
    # cuBLAS stores matrices by columns: to it these arrays are their transposes, so it computes outᵀ = rightᵀ leftᵀ
    gemm(
        handle, int(right_turned), int(left_turned), p, m, left.shape[-1],
        address, _address(right), DATA_TYPE[right.dtype.name], right_step, _batch_step(right),
        _address(left), DATA_TYPE[left.dtype.name], left_step, _batch_step(left),
        address + factors.itemsize, _address(out), DATA_TYPE[out.dtype.name], out_step, _batch_step(out),
        n, compute, DEFAULT_ALGORITHM,
    )  # fmt: skip


def _matrix(x: Array) -> tuple[Array, bool, int]:
    """(x or a copy, whether its columns are contiguous rather than its rows, the step from one of these to the next)"""
    rows, columns = x.shape[-2:]
    row_step, column_step = (stride // x.itemsize for stride in x.strides[-2:])
    if (column_step == 1 or columns == 1) and (row_step >= columns or rows == 1):
        return x, False, row_step if rows > 1 else columns
    if (row_step == 1 or rows == 1) and (column_step >= rows or columns == 1):
        return x, True, column_step if columns > 1 else rows
    return array_module(x).ascontiguousarray(x), False, columns


def _batch_step(x: Array) -> int:
    return x.strides[0] // x.itemsize


def _compute_type(x: Array) -> int:
    if x.dtype.name == "float64":
        return COMPUTE_FLOAT64
    allowed = x.dtype.name == "float32" and os.environ.get("CUPY_TF32") == "1"
    return COMPUTE_TF32 if allowed else COMPUTE_FLOAT32


def _cublas() -> tuple[Any, int]:
    """cuBLAS's gemmStridedBatchedEx and this device's handle."""
    from cupy.cuda.device import get_cublas_handle
    from cupy_backends.cuda.libs import cublas

    return cublas.gemmStridedBatchedEx, get_cublas_handle()


def _address(x: Array) -> int:
    return x.data.ptr
