"""The whole command line of `tinygpt`."""

from __future__ import annotations

import argparse

from ...version import __version__
from .base import AnyOrderParser, Parser
from .chat import add_chat
from .fill import add_fill, add_translate
from .generate import add_generate
from .models import add_doctor, add_fetch, add_models
from .score import add_eval, add_score
from .tokenizer import add_tokenizer
from .train import add_train


def parser() -> argparse.ArgumentParser:
    """Every command and option of `tinygpt`."""
    whole = Parser(
        prog="tinygpt", description="A large language model from first principles, in pure NumPy.",
        epilog="tinygpt COMMAND --help describes a command. Begin with: tinygpt train",
    )
    whole.add_argument("--version", action="version", version=f"tinygpt {__version__}", help="show the version")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=AnyOrderParser)
    add_train(commands)
    add_generate(commands)
    add_chat(commands)
    add_fill(commands)
    add_translate(commands)
    add_score(commands)
    add_eval(commands)
    add_models(commands)
    add_tokenizer(commands)
    add_fetch(commands)
    add_doctor(commands)
    return whole
