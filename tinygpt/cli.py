"""The command `tinygpt`. Reads the command line, and turns an error into one sentence and exit status 2."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from .errors import BadInput

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    flags: dict[str, str] = {}
    try:
        from .commands.parsers.whole import parser  # here, so that Ctrl-C meanwhile is a sentence, too

        _prepare_streams()
        options = parser().parse_args(arguments)
        words = sys.argv[1:] if arguments is None else arguments
        flags = {name: flag for name, flag in options.flags.items() if name not in words}  # a run may be called top_k
        options.run_command(options)
        sys.stdout.flush()  # so that its errors are reported here, and not when Python exits
    except BadInput as error:
        from .commands.flags import with_flags

        return _stop(with_flags(str(error), flags))
    except MemoryError as error:
        asked = f" ({error})" if str(error) else ""
        return _stop(f"not enough memory{asked}: lower the batch, the context or the model, or give less text")
    except KeyboardInterrupt:
        return _stop("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        _discard(sys.stdout)
        _discard(sys.stderr)
    except OSError as error:  # files that a user names raise BadInput; what is left is mostly the output
        return _stop(f"{error.filename or 'standard output'}: {error.strerror or error}")
    return 0


def _prepare_streams() -> None:
    """Gives a closed output (>&-) to the null device, and shows "?" where a terminal lacks a character."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


def _stop(sentence: str, status: int = 2) -> int:
    """Says why the command ends, below what it has printed; returns the exit status."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _discard(sys.stdout)
    try:
        print(f"tinygpt: {sentence}", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)
    return status


def _discard(stream: TextIO) -> None:
    """Discards buffered output that cannot be written: Python would try again when it exits."""
    with contextlib.suppress(OSError, ValueError):  # an output that is not a file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
