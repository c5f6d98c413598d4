"""Text files and directories of them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tinygpt.errors import BadInput
from tinygpt.text.corpus.documents import Corpus, Document
from tinygpt.text.reading import check_encoding, not_encoded, read_bytes, refuse

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex")
"""The suffixes of the files read inside a directory; a file that is named itself is read whatever its suffix."""


def read_files(paths: Iterable[str | os.PathLike[str]], encoding: str = "utf-8") -> Corpus:
    r"""One document per file, in the order given; directories recursively, sorted, without hidden files.

    Inside directories only files with TEXT_SUFFIXES are read, and empty ones are skipped. A byte-order mark is dropped,
    and the line ends \r\n and \r become \n.

    Raises BadInput, naming the file, if a path is missing, unreadable, empty, or not valid in the encoding (with the
    first bad byte), if a directory has nothing to read, and for an unknown encoding.
    """
    check_encoding(encoding)
    named = [Path(path) for path in _several(paths)]
    documents: dict[Path, Document] = {}
    for path in named:
        for file in text_files([path]):
            text = _read(file, encoding)
            if text.strip():
                documents.setdefault(file.resolve(), Document(str(file), text))
            elif file == path:
                raise BadInput(f"{path} is empty: give a file with text in it")
        if path.is_dir() and not any(path.resolve() in file.parents for file in documents):
            raise _nothing_in(path)
    different = len({path.resolve() for path in named})
    more = f" and {different - 1} more" if different > 1 else ""
    return Corpus(f"{named[0]}{more}", tuple(documents.values()))


def text_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files that `paths` name, and in directories those with TEXT_SUFFIXES, each once.

    Raises BadInput for a directory without such files, and if there is no path.
    """
    files: dict[Path, Path] = {}
    for path in map(Path, _several(paths)):
        found = list(_files_under(path)) if path.is_dir() else [path]
        if not found:
            raise _nothing_in(path)
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def _several(paths: Iterable[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not paths:
        raise BadInput("no file or directory was given to read")
    if not all(map(os.fspath, paths)):
        raise BadInput("the empty name is that of no file: name a file or a directory")
    return paths


def _nothing_in(directory: Path) -> BadInput:
    return BadInput(
        f"the directory {directory} has no text to read (files ending in {' '.join(TEXT_SUFFIXES)}): "
        "name the files themselves"
    )


def _files_under(directory: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(directory, onerror=refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(TEXT_SUFFIXES):
                yield Path(root, name)


def _read(path: Path, encoding: str) -> str:
    data = read_bytes(path)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_encoded(path, encoding, error.start, error) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
