"""tinygpt: a large language model from first principles, in pure NumPy."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from tinygpt.interop import load
    from tinygpt.text.tokenizer import Tokenizer, WordPiece

__all__ = ["Tokenizer", "WordPiece", "__version__", "load"]

_HOME = {
    "Tokenizer": "tinygpt.text.tokenizer",
    "WordPiece": "tinygpt.text.tokenizer",
    "load": "tinygpt.interop",
}
"""The module of each public name, imported when first used, so that `tinygpt --help` need not load NumPy."""


def _require_our_autograd() -> None:
    """Stops where `autograd` is another package of that name: if both were installed, their files may be mixed up.

    Looks without importing, because a mixture of both could fail in any way.
    """
    spec = find_spec("autograd")
    ours = (
        spec is not None
        and spec.origin is not None  # None: a directory without __init__.py, left when the other package was removed
        and "Part of tinygpt." in Path(spec.origin).read_text(encoding="utf-8", errors="replace")
    )
    if ours:
        return
    found = spec.submodule_search_locations if spec is not None else None
    message = (
        f"another package named autograd is installed here, or was{f' ({next(iter(found))})' if found else ''}: "
        "tinygpt needs its own; install tinygpt in a fresh environment (python -m venv .venv)"
    )
    if Path(sys.argv[0]).stem == "tinygpt" or sys.orig_argv[1:3] == ["-m", "tinygpt"]:
        print(f"tinygpt: {message}", file=sys.stderr)  # the command speaks in sentences, not in tracebacks
        sys.exit(2)
    raise ImportError(message)


_require_our_autograd()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
