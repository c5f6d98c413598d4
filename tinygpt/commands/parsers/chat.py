"""The command line of `tinygpt chat`."""

from __future__ import annotations

import argparse
from typing import Any

from ...text.templates import TEMPLATES
from .base import add_device, asked
from .choosing import add_choosing


def add_chat(commands: Any) -> None:
    p = commands.add_parser(
        "chat",
        help="talk with a trained model",
        usage="%(prog)s DIR [options]",
        description="Talk with a trained model, line by line. Ctrl-C stops an answer; at the prompt it ends the "
        "program, as do Ctrl-D and /exit. /new begins another conversation.",
        argument_default=argparse.SUPPRESS,
    )
    p.set_defaults(run_command=_chat)
    p.add_argument("run", metavar="DIR", help="directory of a run, or of a GPT-2 from Hugging Face")
    p.add_argument("--system", metavar="TEXT", help="text that stands before the conversation (default: none)")
    p.add_argument(
        "--template", choices=sorted(TEMPLATES),
        help="the form in which the conversation is written as one text for the model (default: transcript)",
    )  # fmt: skip
    add_choosing(p)
    add_device(p)


def _chat(given: argparse.Namespace) -> None:
    from ..chat import ChatOptions, chat_command
    from ..choosing import IDLE_WHERE_GREEDY
    from ..given_text import require_open_input

    require_open_input()
    chat_command(given.run, asked(ChatOptions, given, [IDLE_WHERE_GREEDY]))
