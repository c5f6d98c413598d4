"""The text that a command works on: typed, in a file, or on standard input."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..errors import BadInput
from ..text.corpus import Corpus, read_files
from ..text.reading import check_encoding, not_encoded, read_bytes

UTF8 = "utf-8"  # the encoding of texts, unless --encoding names another


def read_text(text: str | None, data: str | None, encoding: str | None) -> str:
    """The text on the command line, in the file `data`, or, where neither is given or text is "-", on standard input.

    encoding: None for utf-8. Nothing in the text is changed: no line end, no byte-order mark. Raises BadInput for bytes
    that are not in this encoding, and for an encoding of a text that was typed.
    """
    if data is not None and text is not None:
        raise BadInput("a text on the command line and --data are two sources: give one")
    if data is None and text not in (None, "-"):
        if encoding is not None:
            raise BadInput("--encoding would change nothing: a text on the command line has none; leave that out")
        if os.path.isfile(text):
            print(f"note: {text} is taken as a text, and is a file, too: --data reads the file", file=sys.stderr)
        return text
    encoding = encoding or UTF8
    check_encoding(encoding)
    content = standard_input().read() if data in (None, "-") else read_bytes(data)
    where = "standard input" if data in (None, "-") else data
    if data is not None and not content:
        raise BadInput(f"{where} is empty: give a text")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_encoded(where, encoding, error.start, error) from None


def read_standard_input() -> str:
    """The text on standard input, for a command without --encoding. Raises BadInput for bytes that are not utf-8."""
    try:
        return standard_input().read().decode(UTF8)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"standard input is not utf-8: {error.reason} at byte {error.start}; convert it first, "
            "for instance with iconv -t utf-8 -f latin-1"
        ) from None


def read_corpus(paths: Sequence[str], encoding: str) -> Corpus:
    """`read_files`, with a note where a path is named twice."""
    note_repeats(paths)
    return read_files(paths, encoding)


def note_repeats(paths: Sequence[str]) -> None:
    """Says which paths are named more than once, each of which is read once."""
    named = Counter(Path(path).resolve() for path in paths)
    if repeated := [str(path) for path, times in named.items() if times > 1]:
        print(f"note: {', '.join(repeated)}: named more than once, and read once", file=sys.stderr)


def require_text(file: Path) -> None:
    """Raises BadInput for a file that is empty."""
    if file.is_file() and not file.stat().st_size:
        raise BadInput(f"{file} is empty: give a file with text in it")


def standard_input() -> BinaryIO:
    """Standard input as bytes. Raises BadInput where it is closed."""
    require_open_input()
    return sys.stdin.buffer


def require_open_input() -> None:
    """Raises BadInput where standard input is closed (<&-)."""
    if sys.stdin is None:
        raise BadInput("standard input is closed, so nothing can be read from it: open it, or name a text or a file")
