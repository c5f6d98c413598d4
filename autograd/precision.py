"""16-bit floating point takes half the memory of float32, and a GPU multiplies it many times as fast.

    float32     8 bits of exponent, 23 of fraction
    tf32        float32 in memory; a matrix product reads 10 bits of its fraction and sums in float32
    bfloat16    8 bits of exponent, 7 of fraction: the range of float32 with a third of its digits
    float16     5 bits of exponent, 10 of fraction: from 6e-8 to 65,504, so that losses are scaled (tinygpt/train)

These types are for storing and multiplying, not for summing: statistics, exponentials and sums are float32, and so are
losses, and the gradients of parameters whose optimizer asks for it. `use("composed")` is the exception: it rounds after
every operation. Of operands with different types, a kernel's result has that of the first, and an elementary
operation's the wider one; a Python number takes the type of the tensor it is combined with.

bfloat16 comes from the package ml_dtypes, for NumPy and CuPy alike; NumPy does not class it as floating-point.
"""

from __future__ import annotations

import os
from typing import Any

import numpy


def float_type(name: Any) -> numpy.dtype:
    """The dtype of that name. Raises RuntimeError for bfloat16 where ml_dtypes is missing, with the remedy."""
    if name != "bfloat16":
        return numpy.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise RuntimeError("bfloat16 needs the package ml_dtypes: pip install ml_dtypes") from None
    return numpy.dtype(ml_dtypes.bfloat16)


def is_floating(dtype: numpy.dtype) -> bool:
    """Whether numbers of this type can have gradients."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def is_half(dtype: numpy.dtype) -> bool:
    """Whether this is a floating-point type of 16 bits."""
    return dtype.itemsize == 2 and is_floating(dtype)


def wide(x: Any) -> Any:
    """An array of 16-bit floating-point numbers as float32; anything else as it is."""
    return x.astype("float32") if is_half(x.dtype) else x


def use_tf32() -> None:
    """Makes float32 matrix products on a GPU use TF32, by setting CuPy's variable for it.

    For entry points, before the first product.
    """
    os.environ["CUPY_TF32"] = "1"
