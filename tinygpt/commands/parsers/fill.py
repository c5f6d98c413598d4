"""The command lines of the models that see a whole text: `tinygpt fill`, `translate` and `summarize`."""

from __future__ import annotations

import argparse
from typing import Any

from .base import add_beam, add_device, asked


def add_fill(commands: Any) -> None:
    p = commands.add_parser("fill", help="let a trained encoder guess the hidden places of a text")
    p.set_defaults(run_command=_fill)
    p.add_argument("run", metavar="RUN", help="directory of a run with --task mlm")
    p.add_argument("text", metavar="TEXT", help="a text with [MASK] in it")
    p.add_argument("--top-k", type=int, default=5, help="candidates for each place")
    p.add_argument("--json", action="store_true", help="print JSON")
    add_device(p)


def _fill(given: argparse.Namespace) -> None:
    from ..fill import fill_command

    fill_command(given.run, given.text, given.top_k, given.json, given.device, given.dtype)


def add_translate(commands: Any) -> None:
    for name, whole, help_ in (
        ("translate", False, "let a trained encoder–decoder translate a text, line by line"),
        ("summarize", True, "let a trained encoder–decoder make one text of a whole one"),
    ):
        p = commands.add_parser(name, help=help_, argument_default=argparse.SUPPRESS)
        p.set_defaults(run_command=_translate, whole=whole, max_new_tokens=None)
        p.add_argument("run", metavar="RUN", help="directory of a run with --task seq2seq")
        p.add_argument("text", metavar="TEXT", nargs="?", default=None, help="default: standard input")
        add_beam(p, "beginnings that are gone on with (default: 4; 1: greedy)")
        p.add_argument("--max-new-tokens", type=int, help="default: what the context holds")
        add_device(p)


def _translate(given: argparse.Namespace) -> None:
    from ..beams import IDLE_IN_A_BEAM_OF_ONE, BeamOptions
    from ..translate import translate_command

    beams = asked(BeamOptions, given, [IDLE_IN_A_BEAM_OF_ONE])
    translate_command(given.run, given.text, beams, given.max_new_tokens, given.whole, given.device, given.dtype)
