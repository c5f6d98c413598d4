"""The command line of `tinygpt train`: one option for each field of TrainOptions."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from ..flags import flag
from ..options import TrainOptions


def add_train(commands: Any) -> None:
    p = commands.add_parser(
        "train",
        help="train a GPT on text; with no options, on the English that ships with Python",
        description="Train a GPT. With no options: about two minutes on the English that ships with Python.",
        argument_default=argparse.SUPPRESS,  # options that were not given stay out: a resumed run keeps its own
    )
    p.set_defaults(run_command=_train, resume=False, overwrite=False)
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    p.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    kinds = {"int": int, "int | None": int, "float": float, "float | None": float, "str": str,
             "str | None": str}  # fmt: skip
    for option in fields(TrainOptions):
        name, choices = flag(option.name), option.metadata["choices"]
        text = f"{option.metadata['help']} (default: {option.default})" if option.default else option.metadata["help"]
        if option.type == "bool":
            p.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
        elif option.type in kinds:
            p.add_argument(name, type=kinds[option.type], choices=choices, help=text)
        else:
            p.add_argument(name, action="extend", nargs="+", metavar="PATH", help=text)


def _train(given: argparse.Namespace) -> None:
    from ..train import train_command

    options = {option.name: getattr(given, option.name) for option in fields(TrainOptions) if option.name in given}
    if "data" in options:
        options["data"] = tuple(options["data"])
    train_command(options, given.resume, given.overwrite)
