"""Token ids in files: arrays of NumPy, bare little-endian numbers, or words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..files import replacing
from .given_text import standard_input

BLOCK = 1 << 16
"""Ids decoded at a time."""


def write_ids(path: str, ids: np.ndarray) -> None:
    """Writes a .npy file, or a .bin file of the bare numbers, little-endian; whole or not at all."""
    suffix = suffix_of_array(path)
    with replacing(path) as file:
        if suffix == ".npy":
            header = np.lib.format.header_data_from_array_1_0(ids)
            np.lib.format.write_array_header_1_0(file, header)  # np.save hides why a full disk refused what follows
        else:
            ids = ids.astype(ids.dtype.newbyteorder("<"), copy=False)
        file.write(np.ascontiguousarray(ids).data)


def suffix_of_array(path: str) -> str:
    """.npy or .bin. Raises BadInput for a file of another name."""
    suffix = Path(path).suffix
    if suffix not in (".npy", ".bin"):
        raise BadInput(f"{path} must end in .npy (an array of NumPy) or .bin (bare numbers)")
    return suffix


def read_ids(path: str | None, dtype: np.dtype) -> Iterator[list[int]]:
    """The ids in a file, a block at a time; from standard input where path is None.

    .npy and .bin are what `write_ids` writes, .bin in the `dtype` of the tokenizer; everything else is words. Raises
    BadInput that names the file, and the line where there are lines.
    """
    if path is None:
        yield from _of_lines(standard_input(), "standard input")
        return
    try:
        if Path(path).suffix == ".npy":
            yield from _blocks(_load(path))
        elif Path(path).suffix == ".bin":
            yield from _blocks(_bare(path, dtype))
        else:
            with Path(path).open("rb") as file:
                yield from _of_lines(file, path)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None


def ids_of_words(words: str, where: str) -> list[int]:
    """Numbers with spaces, commas or brackets between them, so that a printed list is understood, too."""
    ids = []
    for word in re.split(r"[\s,\[\]]+", words):
        if word and not re.fullmatch(r"-?[0-9]{1,18}", word):
            raise BadInput(f"{where}: {word[:40]!r} is not a token id")
        ids += [int(word)] if word else []
    return ids


def _of_lines(lines: Iterable[bytes], source: str) -> Iterator[list[int]]:
    for number, line in enumerate(lines, 1):
        yield ids_of_words(line.decode("utf-8", "replace"), f"{source}, line {number}")


def _load(path: str) -> np.ndarray:
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadInput(f"{path} is not an array of NumPy, or is damaged: {error}") from None
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise BadInput(f"{path} must be a row of whole numbers, and is of shape {ids.shape} and type {ids.dtype}")
    return ids


def _bare(path: str, dtype: np.dtype) -> np.ndarray:
    if size := Path(path).stat().st_size % dtype.itemsize:
        raise BadInput(f"{path} is damaged: {size} bytes are left over after ids of {dtype.itemsize} bytes")
    return np.fromfile(path, dtype.newbyteorder("<"))


def _blocks(ids: np.ndarray) -> Iterator[list[int]]:
    return (ids[start : start + BLOCK].tolist() for start in range(0, len(ids), BLOCK))
