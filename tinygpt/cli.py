"""The command `tinygpt`. Reads the command line, and turns an error into one sentence and exit status 2."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from .commands.flags import with_flags
from .commands.parsers.base import AnyOrderParser, Parser
from .commands.parsers.chat import add_chat
from .commands.parsers.fill import add_fill, add_translate
from .commands.parsers.generate import add_generate
from .commands.parsers.models import add_doctor, add_fetch, add_models
from .commands.parsers.score import add_eval, add_score
from .commands.parsers.tokenizer import add_tokenizer
from .commands.parsers.train import add_train
from .errors import BadInput

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character shows "?" instead of an error
    flags: dict[str, str] = {}
    try:
        options = parser().parse_args(arguments)
        words = sys.argv[1:] if arguments is None else arguments
        flags = {name: flag for name, flag in options.flags.items() if name not in words}  # a run may be called top_k
        options.run_command(options)
        sys.stdout.flush()  # so that its errors are reported here, and not when Python exits
    except BadInput as error:
        print(f"tinygpt: {with_flags(str(error), flags)}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"tinygpt: not enough memory: lower the batch, the context or the model ({error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tinygpt: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        sys.stderr.close()
        return 0
    except OSError as error:  # files that a user names raise BadInput; what is left is mostly the output
        print(f"tinygpt: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        _discard_output()
        return 2
    return 0


def _discard_output() -> None:
    """Discards buffered output that cannot be written: Python would try again when it exits."""
    with contextlib.suppress(OSError, ValueError):  # an output that is not a file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """Every command and option of `tinygpt`."""
    whole = Parser(
        prog="tinygpt", description="A large language model from first principles, in pure NumPy.",
        epilog="tinygpt COMMAND --help describes a command. Begin with: tinygpt train",
    )
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=AnyOrderParser)
    add_train(commands)
    add_generate(commands)
    add_chat(commands)
    add_fill(commands)
    add_translate(commands)
    add_score(commands)
    add_eval(commands)
    add_models(commands)
    add_tokenizer(commands)
    add_fetch(commands)
    add_doctor(commands)
    return whole
