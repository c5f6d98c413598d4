"""How every command line is read: an error is one sentence, and options may stand anywhere."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from ...errors import BadInput
from ...forms import PRECISIONS
from ..flags import Idle, refuse_idle

T = TypeVar("T")
PATHS = ("DIR", "FILE", "OUT", "PATH", "RUN", "TOKENIZER")  # metavars of files and directories

NEGATIVE_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|-inf$", re.IGNORECASE)
"""argparse alone takes -1e9, a number with an exponent, for a flag, and says that its option has no number."""


class Help(argparse.HelpFormatter):
    """Leaves room for the names of commands, which argparse indents without counting that in."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += 2 * self._indent_increment


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the list of all options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, formatter_class=Help, **settings)
        self._negative_number_matcher = NEGATIVE_NUMBER

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")


class AnyOrderParser(Parser):
    """Lets options stand between words of which the last is optional; argparse alone would take it for missing."""

    _inside = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        self._flags: dict[str, str] = {}
        self._taking_all: set[str] = set()
        self._typed: list[str] = []
        super().__init__(*args, **settings)
        self.set_defaults(flags=self._flags)  # an error sentence names the flag that was typed

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        action = super().add_argument(*names, **settings)
        if action.option_strings:
            self._flags[action.dest] = action.option_strings[0]
            self._taking_all |= {*action.option_strings} if action.nargs in ("+", "*") else set()
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._inside or self._subparsers is not None:  # the name of a command or an action comes first
            return super().parse_known_args(args, namespace)
        self._inside, self._typed = True, list(args or ())
        try:
            found, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False
        if unknown:
            meant = self._alike(unknown[0])
            self.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; is {meant} meant?" if meant else ""))
        for action in self._actions:
            value = getattr(found, action.dest, None)
            for word in value if isinstance(value, list) else [value]:
                if isinstance(word, str):
                    self._require_readable(word, action)
        return found, unknown

    def _require_readable(self, word: str, action: argparse.Action) -> None:
        """Refuses an empty path, which would mean the current directory, and a text that Python could not decode."""
        name = action.option_strings[0] if action.option_strings else action.metavar
        if action.metavar in PATHS:
            if not word:
                self.error(f"{name} is empty: name a file or a directory")
        elif any("\ud800" <= character <= "\udfff" for character in word):
            encoding = sys.getfilesystemencoding()
            remedy = "type it so" if encoding == "utf-8" else "set LANG to a locale of utf-8, such as C.UTF-8"
            raise BadInput(
                f"{name} {word[:40]!a} is not {encoding}, in which the command line is read: {remedy}, or give the "
                "text in a file"
            )

    def _alike(self, word: str) -> str | None:
        """The flag that was perhaps meant; a text without a flag is often a prompt."""
        if not word.startswith("-"):
            return self._flags.get("prompt")
        return next(iter(get_close_matches(word.replace("_", "-"), self._flags.values(), 1)), None)

    def error(self, message: str) -> NoReturn:
        takers = [name for name in self._typed if name in self._taking_all]
        if takers and "required" in message:
            message += f"; {takers[-1]} takes all words behind it, so put them before it"
        super().error(message)


def add_device(p: argparse.ArgumentParser) -> None:
    """The device that computes, and the precision of its numbers."""
    p.add_argument(
        "--device", default="cpu", help="where to compute: cpu, cuda, or one of several GPUs as cuda:1 (default: cpu)"
    )
    p.add_argument(
        "--dtype", choices=PRECISIONS, default="float32",
        help="precision on a GPU; 16 bits take half the memory (default: float32)",
    )  # fmt: skip


def add_beam(p: argparse.ArgumentParser, text: str) -> None:
    """The options that BeamOptions holds; text: the help of --beam."""
    p.add_argument("--beam", type=int, metavar="N", help=text)
    p.add_argument(
        "--length-penalty", type=float, metavar="A",
        help="how much the beam favours longer texts; 0: not at all (default: 0.6)",
    )  # fmt: skip
    p.add_argument(
        "--best", type=int, metavar="N", help="show the N best texts of the beam, with their scores (default: 1)"
    )


def asked(kind: type[T], given: argparse.Namespace, idle: Iterable[Idle]) -> T:
    """The options that were given, as a dataclass, in which the others have their defaults.

    Raises BadInput for one that has no effect. The parser's argument_default is argparse.SUPPRESS, so that options that
    were not given are absent.
    """
    named = {each.name: getattr(given, each.name) for each in fields(kind) if each.name in given}
    options = kind(**named)
    refuse_idle(named, options, idle)
    return options
