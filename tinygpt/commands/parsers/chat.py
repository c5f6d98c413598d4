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
        description="Talk with a trained model, line by line. Ctrl-C stops an answer; at the prompt it ends, as do "
        "Ctrl-D and /exit; /new begins another conversation.",
        argument_default=argparse.SUPPRESS,
    )
    p.set_defaults(run_command=_chat)
    p.add_argument("run", metavar="DIR", help="directory of a run, or a GPT-2 of Hugging Face")
    p.add_argument("--system", metavar="TEXT", help="what the model reads before the conversation")
    p.add_argument(
        "--template", choices=sorted(TEMPLATES), help="how a conversation is written as one text (transcript)"
    )
    add_choosing(p)
    add_device(p)


def _chat(given: argparse.Namespace) -> None:
    from ..chat import ChatOptions, chat_command
    from ..choosing import IDLE_WHERE_GREEDY

    chat_command(given.run, asked(ChatOptions, given, [IDLE_WHERE_GREEDY]))
