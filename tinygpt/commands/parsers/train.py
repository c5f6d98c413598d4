"""The command line of `tinygpt train`: one option for each field of TrainOptions."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from ..flags import flag
from ..options import TrainOptions

METAVARS = {int: "N", float: "X", str: "NAME"}
SWITCH = {True: "on", False: "off"}


def add_train(commands: Any) -> None:
    p = commands.add_parser(
        "train",
        help="train a model on text; with no options, a GPT on the English that ships with Python",
        usage="%(prog)s [options]",
        description="Train a model on text. With no options it is a GPT on the English that ships with Python, in "
        "about two minutes. Ctrl-C stops a run, and --resume continues it.",
        argument_default=argparse.SUPPRESS,  # options that were not given stay out: a resumed run keeps its own
    )
    p.set_defaults(run_command=_train, resume=False, overwrite=False)
    p.add_argument("--resume", action="store_true", help="continue the run in --out")
    p.add_argument("--overwrite", action="store_true", help="replace the run in --out if there is one")
    kinds = {"int": int, "float": float, "str": str}
    for option in fields(TrainOptions):
        name, choices, text = flag(option.name), option.metadata["choices"], option.metadata["help"]
        if option.default not in (None, ()):  # else the text says what it is
            text += f" (default: {SWITCH[option.default] if option.type == 'bool' else option.default})"
        kind = kinds.get(option.type.removesuffix(" | None"))
        if option.type == "bool":
            p.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
        elif kind is not None:
            shown = None if choices else option.metadata["metavar"] or METAVARS[kind]
            p.add_argument(name, type=kind, choices=choices, metavar=shown, help=text)
        else:
            p.add_argument(name, action="extend", nargs="+", metavar="PATH", help=text)


def _train(given: argparse.Namespace) -> None:
    from ..train import train_command

    options = {option.name: getattr(given, option.name) for option in fields(TrainOptions) if option.name in given}
    if "data" in options:
        options["data"] = tuple(options["data"])
    train_command(options, given.resume, given.overwrite)
