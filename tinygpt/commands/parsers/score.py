"""The command lines of `tinygpt score` and `tinygpt eval`: how likely a model finds a text."""

from __future__ import annotations

import argparse
from typing import Any

from .base import add_device

STRIDE = (
    "distance in tokens from one window to the next: less gives each token more context and takes longer (default: the "
    "context, so that windows do not overlap)"
)


def add_score(commands: Any) -> None:
    p = commands.add_parser(
        "score", help="show how likely a trained model finds each token of a text",
        description="Show the log-probability that a trained GPT gives each token of a text, and the totals.",
    )  # fmt: skip
    p.set_defaults(run_command=_score)
    p.add_argument("run", metavar="DIR", help="directory of a run, or of a GPT-2 from Hugging Face")
    p.add_argument("text", nargs="?", metavar="TEXT", help="the text (default, or -: standard input)")
    p.add_argument("--data", metavar="FILE", help="file with the text (default: TEXT)")
    p.add_argument("--encoding", metavar="NAME", help="encoding of the file or of standard input (default: utf-8)")
    p.add_argument("--stride", type=int, metavar="N", help=STRIDE)
    p.add_argument("--json", action="store_true", help="print JSON only")
    add_device(p)


def _score(given: argparse.Namespace) -> None:
    from ..given_text import read_text
    from ..score import score_command

    text = read_text(given.text, given.data, given.encoding)
    score_command(given.run, text, given.stride, given.json, given.device, given.dtype)


def add_eval(commands: Any) -> None:
    p = commands.add_parser(
        "eval", help="loss, perplexity and bits per byte of a trained model on files",
        description="Measure loss, perplexity and bits per byte of a trained GPT on files of text. The last line that "
        "it prints is JSON.",
    )  # fmt: skip
    p.set_defaults(run_command=_eval)
    p.add_argument("run", metavar="DIR", help="directory of a run, or of a GPT-2 from Hugging Face")
    p.add_argument(
        "--data", action="extend", nargs="+", required=True, metavar="PATH",
        help="files or directories of text; required",
    )  # fmt: skip
    p.add_argument("--encoding", default="utf-8", metavar="NAME", help="encoding of the files (default: utf-8)")
    p.add_argument("--stride", type=int, metavar="N", help=STRIDE)
    p.add_argument("--json", action="store_true", help="print the JSON line only")
    add_device(p)


def _eval(given: argparse.Namespace) -> None:
    from ..evaluate import eval_command

    eval_command(given.run, given.data, given.encoding, given.stride, given.json, given.device, given.dtype)
