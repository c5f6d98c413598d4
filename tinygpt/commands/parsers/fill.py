"""The command lines of the models that see a whole text: `tinygpt fill`, `translate` and `summarize`."""

from __future__ import annotations

import argparse
from typing import Any

from .base import add_beam, add_device, asked


def add_fill(commands: Any) -> None:
    p = commands.add_parser(
        "fill", help="predict the masked tokens of a text (an encoder, --task mlm)",
        description="For each [MASK] in a text, show the tokens that a trained encoder finds likeliest there.",
    )  # fmt: skip
    p.set_defaults(run_command=_fill)
    p.add_argument("run", metavar="RUN", help="directory of a run that was trained with --task mlm")
    p.add_argument("text", metavar="TEXT", help="a text with [MASK] in it (-: standard input)")
    p.add_argument("--top-k", type=int, default=5, metavar="K", help="show K candidates for each mask (default: 5)")
    p.add_argument("--json", action="store_true", help="print JSON instead of lines")
    add_device(p)


def _fill(given: argparse.Namespace) -> None:
    from ..fill import fill_command
    from ..given_text import read_standard_input

    text = given.text if given.text != "-" else read_standard_input().rstrip("\n")
    fill_command(given.run, text, given.top_k, given.json, given.device, given.dtype)


def add_translate(commands: Any) -> None:
    for name, whole, help_ in (
        ("translate", False, "translate a text, line by line"),
        ("summarize", True, "summarize a whole text"),
    ):
        p = commands.add_parser(
            name, help=f"{help_} (an encoder–decoder, --task seq2seq)", argument_default=argparse.SUPPRESS,
            description=f"{help_.capitalize()} with a trained encoder–decoder, by beam search. Translate takes each "
            "line as a source of its own, summarize the whole text as one.",
        )  # fmt: skip
        p.set_defaults(run_command=_translate, whole=whole, max_new_tokens=None)
        p.add_argument("run", metavar="RUN", help="directory of a run that was trained with --task seq2seq")
        p.add_argument("text", metavar="TEXT", nargs="?", default=None, help="the text (default, or -: standard input)")
        add_beam(p, "keep and extend the N likeliest beginnings; 1 is greedy search (default: 4)")
        p.add_argument(
            "--max-new-tokens", type=int, metavar="N", help="write at most N tokens (default: what the context holds)"
        )
        add_device(p)


def _translate(given: argparse.Namespace) -> None:
    from ..beams import IDLE_IN_A_BEAM_OF_ONE, BeamOptions
    from ..translate import translate_command

    beams = asked(BeamOptions, given, [IDLE_IN_A_BEAM_OF_ONE])
    translate_command(given.run, given.text, beams, given.max_new_tokens, given.whole, given.device, given.dtype)
