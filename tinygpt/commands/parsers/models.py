"""The command lines of `tinygpt models` and `fetch`, what others have published, and of `tinygpt doctor`."""

from __future__ import annotations

import argparse
from typing import Any


def add_models(commands: Any) -> None:
    p = commands.add_parser(
        "models", help="list published models of 2018 to 2021: sizes, and how they were trained",
        description="List the published models of 2018 to 2021: how they were trained, and their sizes as our own "
        "modules count them.",
    )  # fmt: skip
    p.set_defaults(run_command=_models)
    p.add_argument("name", metavar="NAME", nargs="?", help="show all that is known of one (default: a table of all)")
    p.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _models(given: argparse.Namespace) -> None:
    from ..models import models_command

    models_command(given.name, given.json)


def add_fetch(commands: Any) -> None:
    p = commands.add_parser(
        "fetch", help="download a GPT-2 from Hugging Face",
        description="Download settings, weights and tokenizer of a GPT-2 from Hugging Face. Called again, it resumes.",
    )  # fmt: skip
    p.set_defaults(run_command=_fetch)
    p.add_argument("name", metavar="NAME", help="gpt2, gpt2-medium, gpt2-large, gpt2-xl, or OWNER/NAME")
    p.add_argument("--out", metavar="DIR", help="directory to download into (default: models/NAME)")


def _fetch(given: argparse.Namespace) -> None:
    from ..fetch import fetch_command

    fetch_command(given.name, given.out)


def add_doctor(commands: Any) -> None:
    p = commands.add_parser(
        "doctor", help="show what is installed, and how to install what is missing",
        description="Show what is installed here, which GPUs there are, and the commands that install what is missing.",
    )  # fmt: skip
    p.set_defaults(run_command=_doctor)


def _doctor(given: argparse.Namespace) -> None:
    from ..doctor import doctor_command

    doctor_command()
