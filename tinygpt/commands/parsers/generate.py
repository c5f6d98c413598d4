"""The command line of `tinygpt generate`."""

from __future__ import annotations

import argparse
from typing import Any

from .base import add_beam, add_device, asked
from .choosing import add_choosing


def add_generate(commands: Any) -> None:
    p = commands.add_parser(
        "generate", help="let a trained model go on with a text", argument_default=argparse.SUPPRESS
    )
    p.set_defaults(run_command=_generate)
    p.add_argument("run", metavar="DIR", help="directory of a run, or a GPT-2 of Hugging Face")
    p.add_argument("--prompt", help="the text to go on with (default: begin a new one)")
    add_choosing(p)
    p.add_argument(
        "--min-new-tokens", type=int, metavar="N", help="the end of text does not come before N tokens (a --stop may)"
    )
    p.add_argument("--logprobs", action="store_true", help="list each new token with its log-probability afterwards")
    p.add_argument("--num-samples", type=int, help="texts, written together")
    add_beam(p, "search with N beginnings for the likeliest text, in place of drawing")
    p.add_argument("--draft", metavar="DIR", help="a smaller model with the same tokenizer, which guesses ahead")
    p.add_argument("--ahead", type=int, metavar="N", help="tokens that --draft guesses at a time (default: 4)")
    add_device(p)


def _generate(given: argparse.Namespace) -> None:
    from ..generate import IDLE, GenerateOptions, generate_command

    generate_command(given.run, asked(GenerateOptions, given, IDLE))
