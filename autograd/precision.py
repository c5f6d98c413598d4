"""Numbers of 16 bits, which take half the memory of float32, and which a GPU multiplies many times as fast.

    float32     8 bits of exponent, 23 of fraction
    tf32        float32 in memory, of which a product reads 10 bits of fraction; sums are float32
    bfloat16    8 bits of exponent, 7 of fraction: as far as float32 reaches, a third of its digits
    float16     5 bits of exponent, 10 of fraction: from 6e-8 to 65,504, so that losses need a scale (tinygpt/train)

They are for keeping and multiplying, not for adding up: statistics, exponentials and sums are float32, and so are
losses and the gradients of parameters whose optimizer wants them so. `use("composed")` is the exception: it rounds
after every operation. Where types meet, a kernel's result has the type of its first operand and an operation's that of
the wider one, and a Python number takes the type of the tensor it meets.

bfloat16 is a type of the package ml_dtypes, for NumPy and CuPy alike; NumPy itself does not count it among the numbers.
"""

from __future__ import annotations

import os
from typing import Any

import numpy


def float_type(name: Any) -> numpy.dtype:
    """The type of that name. Raises RuntimeError for bfloat16 where ml_dtypes is missing, with the remedy."""
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
    """Whether these are floating-point numbers of 16 bits."""
    return dtype.itemsize == 2 and is_floating(dtype)


def wide(x: Any) -> Any:
    """An array of 16-bit floating-point numbers as float32; anything else as it is."""
    return x.astype("float32") if is_half(x.dtype) else x


def use_tf32() -> None:
    """Lets products of float32 matrices on a GPU read 10 bits of fraction, as CuPy does where this variable is set.

    For whoever starts a process, before its first product.
    """
    os.environ["CUPY_TF32"] = "1"
