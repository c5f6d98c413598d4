"""How every command line is read: what is wrong is one sentence, and options stand anywhere."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from ...errors import BadInput
from ...forms import PRECISIONS


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")


class AnyOrderParser(Parser):
    """Lets options stand between words of which the last may be left out, which argparse takes for left out then."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._inside or self._subparsers is not None:  # a word that names a command or an action stands first
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def add_device(p: argparse.ArgumentParser) -> None:
    """On what a model is computed, and with which numbers."""
    p.add_argument("--device", default="cpu", help="cpu, cuda, or cuda:1 (default: cpu)")
    p.add_argument(
        "--dtype", choices=PRECISIONS, default="float32",
        help="what a GPU computes with: 16 bits take half the memory (default: float32)",
    )  # fmt: skip


def add_beam(p: argparse.ArgumentParser, width: int | None, text: str) -> None:
    p.add_argument("--beam", type=int, default=width, metavar="N", help=text)
    p.add_argument("--length-penalty", type=float, default=0.6, metavar="A", help="more favours longer texts (0.6)")
    p.add_argument("--best", type=int, default=1, metavar="N", help="show the N best of the beam with their scores")
