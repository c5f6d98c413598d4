"""The command line of `tinygpt generate`."""

from __future__ import annotations

import argparse
from typing import Any

from .base import add_beam, add_device, asked
from .choosing import add_choosing


def add_generate(commands: Any) -> None:
    p = commands.add_parser(
        "generate", help="continue a text with a trained model", argument_default=argparse.SUPPRESS,
        usage="%(prog)s DIR [options]",
        description="Continue a text with a trained GPT: draw token after token, take the likeliest (--greedy), or "
        "search for the likeliest text (--beam).",
    )  # fmt: skip
    p.set_defaults(run_command=_generate)
    p.add_argument("run", metavar="DIR", help="directory of a run, or of a GPT-2 from Hugging Face")
    p.add_argument("--prompt", metavar="TEXT", help="the text to continue (default: begin a new one)")
    add_choosing(p)
    p.add_argument(
        "--min-new-tokens", type=int, metavar="N",
        help="write no end of text before N tokens; a --stop may still come (default: 0)",
    )  # fmt: skip
    p.add_argument("--logprobs", action="store_true", help="after each text, list its tokens with their log p")
    p.add_argument("--num-samples", type=int, metavar="N", help="write N texts side by side (default: 1)")
    add_beam(p, "beam search: keep and extend the N likeliest beginnings (default: draw instead)")
    p.add_argument(
        "--draft", metavar="DIR",
        help="speculative decoding: a smaller model with the same tokenizer that guesses ahead (default: none)",
    )  # fmt: skip
    p.add_argument("--ahead", type=int, metavar="N", help="how many tokens --draft guesses at a time (default: 4)")
    add_device(p)


def _generate(given: argparse.Namespace) -> None:
    from ..generate import IDLE, GenerateOptions, generate_command

    generate_command(given.run, asked(GenerateOptions, given, IDLE))
