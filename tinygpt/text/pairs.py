"""Pairs of a source text and its target text: a sentence and its translation, an article and its summary."""

import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tinygpt.errors import BadInput
from tinygpt.text.corpus.documents import draw
from tinygpt.text.reading import check_encoding, not_encoded, read_bytes, refuse


class Pair(NamedTuple):
    """Two texts. A source with several good targets appears in several pairs."""

    source: str
    target: str


def read_tsv(path: str | os.PathLike[str], encoding: str = "utf-8") -> list[Pair]:
    """One pair per line: source, tab, target. Further columns, such as Tatoeba's attributions, are ignored.

    Blank lines are skipped. In a .zip the one .txt or .tsv file whose name begins with a letter is read. Raises
    BadInput that names the file and, where a line is wrong, the line.
    """
    pairs = []
    for where, line in _lines(path, encoding):
        source, *others = (column.strip() for column in line.split("\t"))
        if not source or not others or not others[0]:
            raise BadInput(f"{where} is not a source, a tab and a target: {_shortened(line)}")
        pairs.append(Pair(source, others[0]))
    return _some(pairs, path)


def read_jsonl(
    path: str | os.PathLike[str], source: str = "source", target: str = "target", encoding: str = "utf-8"
) -> list[Pair]:
    """One JSON object per line, whose fields `source` and `target` hold the texts.

    If the source is a list of texts, they are joined by spaces (SciTLDR has sentences); if the target is a list, each
    of its texts gives a pair. Raises BadInput that names the file and, where a line is wrong, the line.
    """
    pairs = []
    for where, line in _lines(path, encoding):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{where} is not JSON ({error}): {_shortened(line)}") from None
        sources, targets = (_texts(record, name, where) for name in (source, target))
        pairs += [Pair(" ".join(sources), each) for each in targets]
    return _some(pairs, path)


def read_pairs(
    path: str | os.PathLike[str], source: str = "source", target: str = "target", encoding: str = "utf-8"
) -> list[Pair]:
    """`read_jsonl` for a .jsonl file, `read_tsv` for any other."""
    if Path(path).suffix == ".jsonl":
        return read_jsonl(path, source, target, encoding)
    return read_tsv(path, encoding)


def split_pairs(pairs: Iterable[Pair], validation: float = 0.1) -> tuple[list[Pair], list[Pair]]:
    """(train, validation): a hash of the source decides the side, so all pairs of one source are on the same side.

    Otherwise the model would be tested on sentences of which it has learned another translation. Raises BadInput for a
    share outside 0 to 1, and if there are too few pairs for both sides.
    """
    if not 0 < validation < 1:
        raise BadInput(f"the validation share must lie between 0 and 1, not {validation}")
    sides: tuple[list[Pair], list[Pair]] = [], []
    for pair in pairs:
        sides[draw(pair.source) < validation].append(pair)
    if not all(sides):
        raise BadInput(
            f"{len(sides[0]) + len(sides[1])} pairs are too few to hold out a share of {validation}: give more"
        )
    return sides


def by_source(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Each source with all of its targets: what to translate, and the references to compare with."""
    targets: dict[str, list[str]] = {}
    for pair in pairs:
        targets.setdefault(pair.source, []).append(pair.target)
    return targets


def _lines(path: str | os.PathLike[str], encoding: str) -> Iterator[tuple[str, str]]:
    """(where, line) for each line that is not blank; `where` is the file and the line number, for messages."""
    check_encoding(encoding)
    try:
        name, data = _unzipped(path) if Path(path).suffix == ".zip" else (str(path), read_bytes(path))
    except OSError as error:
        refuse(error)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise not_encoded(f"{name}, line {line},", encoding, error.start, error) from None
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.strip():
            yield f"{name}, line {number},", line.rstrip("\r")


def _unzipped(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name[0].isalpha() and name.endswith((".txt", ".tsv"))]
            if len(inside) != 1:
                raise BadInput(f"{path} has {len(inside)} files of text where one was to be: name the file itself")
            return f"{path}: {inside[0]}", archive.read(inside[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadInput(f"{path} is no zip archive that can be read ({error}): fetch it again") from None


def _texts(record: object, name: str, where: str) -> list[str]:
    """The text, or the texts, of one field."""
    if not isinstance(record, dict):
        raise BadInput(f"{where} is not a JSON object with fields")
    if name not in record:
        raise BadInput(f"{where} has no field {name!r}: it has {', '.join(map(repr, record)) or 'none'}")
    texts = record[name] if isinstance(record[name], list) else [record[name]]
    if not all(isinstance(text, str) for text in texts) or not any(text.strip() for text in texts):
        raise BadInput(f"{where} must have text, or several texts, in its field {name!r}")
    return [text.strip() for text in texts if text.strip()]


def _some(pairs: list[Pair], path: str | os.PathLike[str]) -> list[Pair]:
    if not pairs:
        raise BadInput(f"{path} has no pairs in it")
    return pairs


def _shortened(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
