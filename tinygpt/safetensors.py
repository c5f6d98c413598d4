"""Reading and writing arrays in the safetensors format.

The file begins with the length of a JSON header, eight bytes, little-endian. For each array the header gives its type,
its shape, and the offsets of its first byte and of the byte after its last, counted from the end of the header. Under
"__metadata__" it holds a dictionary of strings. The arrays follow, little-endian, in C order. Nothing in such a file is
ever executed.
Format: https://huggingface.co/docs/safetensors, section "Format".
"""

from __future__ import annotations

import json
import math
import os
import reprlib
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadInput
from .files import replacing

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
BFLOAT16 = np.dtype("V2")  # the upper half of a float32: NumPy has no such type, so these are raw bytes
LARGEST_HEADER = 100_000_000  # bytes; the limit in the format's own library
MOST_AXES = 64  # of an array of NumPy
LARGEST_NUMBER = 2**63 - 1  # of a NumPy shape; larger ones, of thousands of digits, would take minutes to multiply


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes all arrays, or leaves `path` as it was.

    Raises BadInput if the file cannot be written, or if an array has a type that the format does not have.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        dtype = NAMES.get(array.dtype.newbyteorder("<"))
        if dtype is None:
            raise BadInput(f"{name!r} has the type {array.dtype}, which the file cannot hold: convert it first")
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays begin at a multiple of eight bytes
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for array in arrays.values():
            in_order = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            file.write(in_order.reshape(-1).view(np.uint8).data)


def load(path: str | os.PathLike[str], bfloat16: bool = False) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Returns (arrays, metadata). The arrays are read-only views of the mapped file, read from disk when they are used.

    bfloat16: whether to return arrays of that type, as BFLOAT16, to a caller that can convert them; otherwise they are
    refused. Raises BadInput, before anything is allocated, for a file that is truncated, damaged or in another format.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or not 2 <= length <= min(size - 8, LARGEST_HEADER):
                raise BadInput(f"{path} is not a safetensors file, or is cut off: its header does not fit in it")
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=partial(_each_name_once, path))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except BadInput:
        raise
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or a number of thousands of digits
        raise BadInput(f"{path} is not a safetensors file: its header is not JSON") from None
    if not isinstance(header, dict):
        raise BadInput(f"{path} is not a safetensors file: its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise BadInput(f"{path}: __metadata__ must hold strings")
    types = {**DTYPES, "BF16": BFLOAT16} if bfloat16 else DTYPES
    entries = [_Entry(path, name, fields, size - 8 - length, types) for name, fields in header.items()]
    _check_cover(path, entries, size - 8 - length)
    empty = size == 8 + length  # an empty range cannot be mapped
    data = np.empty(0, np.uint8) if empty else np.asarray(np.memmap(path, np.uint8, mode="r", offset=8 + length))
    return {entry.name: entry.array(data) for entry in entries}, metadata


def _each_name_once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of which json.loads alone would keep the last of two entries with one name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise BadInput(f"{path}: its header has {twice!r} twice: which is meant?")
    return found


class _Entry:
    """The header's entry for one array, checked."""

    def __init__(self, path: Path, name: str, fields: Any, available: int, types: Mapping[str, Any]) -> None:
        self.path, self.name = path, name
        try:
            dtype, shape, (start, stop) = fields["dtype"], fields["shape"], fields["data_offsets"]
        except (TypeError, KeyError, ValueError):
            raise BadInput(f"{path}: the entry {name!r} needs dtype, shape and two data_offsets") from None
        if not isinstance(dtype, str) or dtype not in types:
            raise BadInput(f"{path}: {name!r} has the type {dtype!r}, which is none of {', '.join(types)}")
        if not isinstance(shape, list) or len(shape) > MOST_AXES:
            raise BadInput(f"{path}: the shape of {name!r} must be a list of at most {MOST_AXES} numbers")
        if not all(type(n) is int and 0 <= n <= LARGEST_NUMBER for n in (*shape, start, stop)):
            said = f"{reprlib.repr(shape)} and {reprlib.repr([start, stop])}"
            raise BadInput(f"{path}: shape and offsets of {name!r} must be whole numbers below 2**63, and are {said}")
        self.dtype, self.shape, self.start, self.stop = np.dtype(types[dtype]), tuple(shape), start, stop
        if stop > available:
            raise BadInput(f"{path}: {name!r} ends at byte {stop}, and the file has {available}: it is cut off")
        if stop - start != math.prod(shape) * self.dtype.itemsize:
            raise BadInput(f"{path}: {name!r} has {stop - start} bytes, which shape {shape} of {dtype} does not fill")

    def array(self, data: np.ndarray) -> np.ndarray:
        """The array, as a view of the file's data."""
        try:
            return data[self.start : self.stop].view(self.dtype).reshape(self.shape)
        except ValueError:  # an empty array with axes whose product is too large
            raise BadInput(f"{self.path}: {self.name!r} has the shape {self.shape}, which no array can have") from None


def _check_cover(path: Path, entries: list[_Entry], available: int) -> None:
    end = 0
    for entry in sorted(entries, key=lambda e: (e.start, e.stop)):
        if entry.start != end:
            raise BadInput(f"{path}: {entry.name!r} begins at byte {entry.start}, where {end} was expected")
        end = entry.stop
    if end != available:
        raise BadInput(f"{path}: {available - end} bytes at the end belong to no array")
