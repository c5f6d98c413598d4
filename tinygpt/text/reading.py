"""Reading text files, in chunks where a file may be larger than memory; the errors for files that are not text."""

import codecs
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from tinygpt.errors import BadInput

CHUNK = 1 << 20
"""Bytes read at a time."""

BEGINNING = 8_000
"""Bytes at the beginning of a file among which a zero byte betrays that it is no text; git looks at as many."""


def read_chunks(path: str | os.PathLike[str], encoding: str = "utf-8", progress: bool = False) -> Iterator[str]:
    """A file's text in chunks, unchanged; the file may be larger than memory.

    Raises BadInput, naming the file, if it cannot be read or is not valid in the encoding.
    """
    check_encoding(encoding)
    refuse_device(path)
    decode = codecs.getincrementaldecoder(encoding)().decode
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            with tqdm(
                total=size, unit="B", unit_scale=True, disable=not progress, desc=Path(path).name, leave=False, delay=1
            ) as bar:
                before = 0
                while data := file.read(CHUNK):
                    yield _decoded(decode, data, False, path, encoding, before)
                    before += len(data)
                    bar.update(len(data))
                yield _decoded(decode, b"", True, path, encoding, before)
    except OSError as error:
        refuse(error)


def _decoded(
    decode: Callable[[bytes, bool], str], data: bytes, is_last: bool, path: object, encoding: str, before: int
) -> str:
    try:
        return decode(data, is_last)
    except UnicodeDecodeError as error:
        place = before + len(data) - len(error.object) + error.start
        raise not_encoded(path, encoding, place, error) from None


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file, or of a pipe that ends. Raises BadInput, naming it, if it cannot be read."""
    refuse_device(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        refuse(error)
    except MemoryError:
        raise BadInput(f"{path} is larger than the memory that is left: divide it into files, and name some") from None


def refuse_device(path: str | os.PathLike[str]) -> None:
    """Raises BadInput for a device, which may have no end, as /dev/zero has none."""
    with suppress(OSError):  # whoever opens the file says what is wrong
        mode = os.stat(path).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise BadInput(f"{path} is a device: name a file")


def not_encoded(path: object, encoding: str, place: int, error: UnicodeDecodeError) -> BadInput:
    """The error to raise if the byte at `place` of a file is not valid in the encoding."""
    bad = f"byte {place} is 0x{error.object[error.start]:02x} ({error.reason})"
    return BadInput(f"{path} is not {encoding}: {bad}; {_remedy(error.object[:BEGINNING], encoding)}")


def _remedy(beginning: bytes, encoding: str) -> str:
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and "16" not in encoding:
        return "it begins with the mark of utf-16: name that encoding, encoding='utf-16'"
    if b"\0" in beginning:
        return "it has zero bytes, so it is probably no text: name a file of text"
    return "name its encoding, for instance encoding='latin-1'"


def refuse(error: OSError) -> NoReturn:
    """Raise BadInput for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        remedy = "standard input is /dev/stdin" if os.fspath(error.filename) == "-" else "check the path"
        raise BadInput(f"{error.filename} does not exist: {remedy}") from None
    raise BadInput(f"{error.filename} cannot be read: {error.strerror}") from None


def check_encoding(encoding: str) -> None:
    """Raises BadInput unless a codec of this name turns bytes into text (some, such as hex, give bytes)."""
    try:
        codecs.lookup(encoding)
        bytes(4).decode(encoding)
    except (LookupError, UnicodeError, ValueError):
        raise BadInput(f"{encoding!r} is not a text encoding: try utf-8, latin-1, cp1252 or utf-16") from None
