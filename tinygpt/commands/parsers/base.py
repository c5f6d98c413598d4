"""How every command line is read: what is wrong is one sentence, and options stand anywhere."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from ...errors import BadInput
from ...forms import PRECISIONS
from ..flags import Idle, refuse_idle

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")


class AnyOrderParser(Parser):
    """Lets options stand between words of which the last may be left out, which argparse takes for left out then."""

    _inside = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        self._flags: dict[str, str] = {}
        self._taking_all: set[str] = set()
        self._typed: list[str] = []
        super().__init__(*args, **settings)
        self.set_defaults(flags=self._flags)  # what is wrong with a value is said of the flag that was typed

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        action = super().add_argument(*names, **settings)
        if action.option_strings:
            self._flags[action.dest] = action.option_strings[0]
            self._taking_all |= {*action.option_strings} if action.nargs in ("+", "*") else set()
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._inside or self._subparsers is not None:  # a word that names a command or an action stands first
            return super().parse_known_args(args, namespace)
        self._inside, self._typed = True, list(args or ())
        try:
            found, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False
        if unknown:
            meant = self._alike(unknown[0])
            self.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; is {meant} meant?" if meant else ""))
        return found, unknown

    def _alike(self, word: str) -> str | None:
        """The flag that was perhaps meant; a text that is no option is often a prompt."""
        if not word.startswith("-"):
            return self._flags.get("prompt")
        return next(iter(get_close_matches(word.replace("_", "-"), self._flags.values(), 1)), None)

    def error(self, message: str) -> NoReturn:
        takers = [name for name in self._typed if name in self._taking_all]
        if takers and "required" in message:
            message += f"; {takers[-1]} takes all words behind it, so put them before it"
        super().error(message)


def add_device(p: argparse.ArgumentParser) -> None:
    """On what a model is computed, and with which numbers."""
    p.add_argument("--device", default="cpu", help="cpu, cuda, or cuda:1 (default: cpu)")
    p.add_argument(
        "--dtype", choices=PRECISIONS, default="float32",
        help="what a GPU computes with: 16 bits take half the memory (default: float32)",
    )  # fmt: skip


def add_beam(p: argparse.ArgumentParser, text: str) -> None:
    p.add_argument("--beam", type=int, metavar="N", help=text)
    p.add_argument("--length-penalty", type=float, metavar="A", help="more favours longer texts (0.6)")
    p.add_argument("--best", type=int, metavar="N", help="show the N best of the beam with their scores")


def asked(kind: type[T], given: argparse.Namespace, idle: Iterable[Idle]) -> T:
    """The options that were given, as a dataclass, in which the others have their defaults.

    Raises BadInput for one that changes nothing. Its parser has argparse.SUPPRESS as argument_default, so that what was
    not given is not there.
    """
    named = {each.name: getattr(given, each.name) for each in fields(kind) if each.name in given}
    options = kind(**named)
    refuse_idle(named, options, idle)
    return options
