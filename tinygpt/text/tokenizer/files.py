"""Tokenizers as files: JSON that a person can read, one entry per line, written whole or not at all.

Bytes are written as the characters U+0000 to U+00FF of the same numbers (Latin-1), which loses nothing and keeps
English readable: {"id": 300, "left": " t", "right": "he", "count": 912} merges two tokens into b" the" with the id 300;
they were neighbours 912 times when the merge was learned.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from tinygpt.errors import BadInput
from tinygpt.files import replacing
from tinygpt.text.reading import refuse_device

FORMAT = "tinygpt-tokenizer-2"

READABLE = (FORMAT, "tinygpt-tokenizer-1")
"""The first format held only the two parts of a merge."""

SHOWN_END = 200
"""Characters shown of each end of a long message: a few lines of a terminal."""


def bytes_to_field(data: bytes) -> str:
    """Bytes as a JSON string, one character per byte."""
    return data.decode("latin-1")


def field_to_bytes(field: object, entry: str) -> bytes:
    """The inverse of `bytes_to_field`. Raises BadInput, naming the entry, for any other value."""
    try:
        return field.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        raise BadInput(f"{entry} must be a string of characters up to U+00FF, not {field!r}") from None


def write(path: str | PathLike[str], definition: dict[str, Any]) -> None:
    """Write the definition under a temporary name in the same directory, then put it in place."""
    fields = {"format": FORMAT, **definition}
    lines = [f"{json.dumps(name)}: {_lines(value)}" for name, value in fields.items()]
    data = ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")
    with replacing(path) as file:
        file.write(data)


def read_bytes(path: str | PathLike[str]) -> bytes:
    """The content of a file. Raises BadInput if it cannot be read."""
    refuse_device(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the tokenizer {path}: {error.strerror}") from None


def read_text(path: str | PathLike[str]) -> str:
    """The text of a file. Raises BadInput if it cannot be read or is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path} is not a tokenizer, or is damaged: no UTF-8 text ({error.reason} at byte {error.start})"
        ) from None


def read_object(path: str | PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file. Raises BadInput if there is none, or if two of its entries have one name."""
    text = read_text(path)
    try:
        with naming(path):
            value = json.loads(text, object_pairs_hook=_unique)
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not a tokenizer, or is damaged: no valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path} is not a tokenizer: it holds no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names: set[str] = set()
        repeated = next(name for name, _ in pairs if name in names or names.add(name))
        raise BadInput(f"the entry {repeated!r} stands there twice")
    return entries


def read(path: str | PathLike[str]) -> dict[str, Any]:
    """The definition in a file that `write` made. Raises BadInput that says how another file differs."""
    definition = read_object(path)
    if "format" not in definition:
        raise BadInput(f"{path} is not a tokenizer of tinygpt: it has no entry 'format'")
    if definition.pop("format") not in READABLE:
        raise BadInput(f"{path} is not a tokenizer this version can read: its entry 'format' is not {FORMAT!r}")
    if not isinstance(definition.get("type"), str):
        raise BadInput(f"{path} is damaged: its entry 'type' is missing or no string")
    return definition


@contextmanager
def naming(path: str | PathLike[str]) -> Iterator[None]:
    """Puts the file's name before the message of a BadInput; of a very long message only the ends are shown."""
    try:
        yield
    except BadInput as error:
        message = str(error)
        if len(message) > 2 * SHOWN_END:
            message = f"{message[:SHOWN_END]} … {message[-SHOWN_END:]}"
        raise BadInput(f"{path} is damaged: {message}") from None


def list_field(definition: dict[str, Any], name: str) -> list[Any]:
    """An entry that must be a list."""
    value = definition.get(name)
    if not isinstance(value, list):
        raise BadInput(f"entry {name!r} is missing or no list")
    return value


def string_field(definition: dict[str, Any], name: str) -> str:
    """An entry that must be a string."""
    value = definition.get(name)
    if not isinstance(value, str):
        raise BadInput(f"entry {name!r} is missing or no string")
    return value


def _lines(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    return "[\n " + ",\n ".join(map(json.dumps, value)) + "\n]"
