"""English text that ships with every CPython, so that nothing has to be downloaded: Python's own documentation.

Sources: the language reference that `help()` shows (`pydoc_data.topics`), and the docstrings of the standard library,
read from its source files, which are never imported. Of 2.2 MB about 1.2 MB are prose and are kept.
"""

import ast
import os
import platform
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

from tinygpt.errors import BadInput
from tinygpt.text.corpus.documents import Corpus, Document
from tinygpt.text.corpus.prose import paragraphs

MIN_CHARACTERS = 200
"""A shorter document is a stray sentence without context."""

MIN_CORPUS_CHARACTERS = 200_000
"""With less text this is not a CPython with its sources, and there is too little to learn from."""

_SKIPPED_FOLDERS = {
    "__pycache__", "_bundled", "ensurepip", "idle_test", "lib-dynload", "pydoc_data", "site-packages", "test", "tests",
}  # fmt: skip
_TABLES = "encodings"
"""A folder of a hundred generated code pages, each with the same line of documentation."""


@cache
def embedded_english() -> Corpus:
    """One document per topic of the language reference, then one per module of the standard library, sorted by name.

    Each paragraph is one line; a blank line separates two, and repeated paragraphs are left out. The text depends on
    the version of Python, so the name includes the version; `fingerprint` identifies the text.

    Raises BadInput if this Python comes without these sources.
    """
    seen: set[str] = set()
    documents = []
    for name, pieces in _documentation():
        fresh = list(_unseen((line for piece in pieces for line in paragraphs(piece)), seen))
        text = "\n\n".join(fresh) + "\n"
        if len(text) >= MIN_CHARACTERS:
            documents.append(Document(name, text))
    if sum(len(document.text) for document in documents) < MIN_CORPUS_CHARACTERS:
        _refuse("its standard library comes without source files")
    return Corpus(f"English of CPython {platform.python_version()}", tuple(documents))


def docstrings(source: str | bytes) -> Iterator[str]:
    """The docstrings of a module, its classes and functions, in source order; none if it is not valid Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            waiting: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError):
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield text
        for field in ("orelse", "body"):
            waiting.extend(each for each in reversed(getattr(node, field, ())) if hasattr(each, "body"))


def _documentation() -> Iterator[tuple[str, Iterable[str]]]:
    """(name, pieces of documentation) of every topic and every module."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        _refuse("it has no pydoc_data")
    for name in sorted(topics):
        yield f"topic {name}", [topics[name]]
    yield from documented_modules()


def documented_modules() -> Iterator[tuple[str, Iterator[str]]]:
    """(name, docstrings) of every module of the standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in _modules(library):
        yield f"module {path.relative_to(library).as_posix()}", docstrings(path.read_bytes())


def _modules(library: Path) -> Iterator[Path]:
    """The library's source files without its tests, sorted."""
    for root, folders, files in os.walk(library):
        kept = (each for each in folders if each not in _SKIPPED_FOLDERS and each != _TABLES)
        folders[:] = sorted(each for each in kept if not each.startswith("config-"))
        yield from (Path(root, name) for name in sorted(files) if name.endswith(".py"))


def _unseen(lines: Iterable[str], seen: set[str]) -> Iterator[str]:
    """The lines that differ from all before them in more than case and punctuation."""
    for line in lines:
        letters = "".join(filter(str.isalpha, line)).lower()
        if letters not in seen:
            seen.add(letters)
            yield line


def _refuse(reason: str) -> NoReturn:
    raise BadInput(f"this Python cannot serve as the embedded corpus, as {reason}: give text of your own with --data")
