"""The command lines of `tinygpt score` and `tinygpt eval`: how likely a model finds a text."""

from __future__ import annotations

import argparse
from typing import Any

from .base import add_device


def add_score(commands: Any) -> None:
    p = commands.add_parser("score", help="how likely a trained model finds each token of a text")
    p.set_defaults(run_command=_score)
    p.add_argument("run", metavar="RUN", help="directory of a run")
    p.add_argument("text", nargs="?", metavar="TEXT", help="(default, or -: standard input)")
    p.add_argument("--data", metavar="FILE", help="a file of text")
    p.add_argument("--encoding", help="of a file or of standard input (default: utf-8)")
    p.add_argument("--stride", type=int, help="tokens from window to window (default: the context; less is slower)")
    p.add_argument("--json", action="store_true", help="print JSON only")
    add_device(p)


def _score(given: argparse.Namespace) -> None:
    from ..score import score_command
    from ..tokenizer import read_text

    text = read_text(given.text, given.data, given.encoding)
    score_command(given.run, text, given.stride, given.json, given.device, given.dtype)


def add_eval(commands: Any) -> None:
    p = commands.add_parser("eval", help="score a text with a trained model")
    p.set_defaults(run_command=_eval)
    p.add_argument("run", metavar="DIR", help="directory of a run, or a GPT-2 of Hugging Face")
    p.add_argument(
        "--data", action="extend", nargs="+", required=True, metavar="PATH", help="files or directories of text"
    )
    p.add_argument("--encoding", default="utf-8")
    p.add_argument("--stride", type=int, help="tokens from window to window (default: the context; less is slower)")
    p.add_argument("--json", action="store_true", help="print the JSON line only")
    add_device(p)


def _eval(given: argparse.Namespace) -> None:
    from ..evaluate import eval_command

    eval_command(given.run, given.data, given.encoding, given.stride, given.json, given.device, given.dtype)
