"""The command lines of `tinygpt models` and `fetch`, what others have published, and of `tinygpt doctor`."""

from __future__ import annotations

import argparse
from typing import Any


def add_models(commands: Any) -> None:
    p = commands.add_parser("models", help="the published models of 2018 to 2021: sizes, and how they were trained")
    p.set_defaults(run_command=_models)
    p.add_argument("name", metavar="NAME", nargs="?", help="one of them, with all that is known")
    p.add_argument("--json", action="store_true", help="print JSON")


def _models(given: argparse.Namespace) -> None:
    from ..models import models_command

    models_command(given.name, given.json)


def add_fetch(commands: Any) -> None:
    p = commands.add_parser("fetch", help="download a GPT-2 from Hugging Face")
    p.set_defaults(run_command=_fetch)
    p.add_argument("name", metavar="NAME", help="gpt2, gpt2-medium, gpt2-large, gpt2-xl, or OWNER/NAME")
    p.add_argument("--out", metavar="DIR", help="where to (default: models/ and the name)")


def _fetch(given: argparse.Namespace) -> None:
    from ..fetch import fetch_command

    fetch_command(given.name, given.out)


def add_doctor(commands: Any) -> None:
    p = commands.add_parser("doctor", help="what is installed, and what would mend it")
    p.set_defaults(run_command=_doctor)


def _doctor(given: argparse.Namespace) -> None:
    from ..doctor import doctor_command

    doctor_command()
