"""The command `tinygpt`. Reads the command line, and turns what is wrong into one sentence and exit status 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn

from .commands.options import TrainOptions, flag
from .errors import BadInput

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character shows "?" instead of an error
    try:
        options = parser().parse_args(arguments)
        options.run_command(options)
    except BadInput as error:
        print(f"tinygpt: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"tinygpt: not enough memory for a model or a batch of this size: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tinygpt: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stderr.close()
        return 0
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """Every command and option of `tinygpt`."""
    whole = _Parser(prog="tinygpt", description="A large language model from first principles, in pure NumPy.")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_generate(commands)
    _add_eval(commands)
    return whole


def _add_train(commands: Any) -> None:
    p = commands.add_parser(
        "train",
        help="train a GPT on text; with no options, on the English that ships with Python",
        description="Train a GPT. With no options: about two minutes on the English that ships with Python.",
        argument_default=argparse.SUPPRESS,  # options that were not given stay out: a resumed run keeps its own
    )
    p.set_defaults(run_command=_train, resume=False, overwrite=False)
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    p.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    kinds = {"int": int, "float": float, "float | None": float, "str": str}
    for option in fields(TrainOptions):
        name, choices = flag(option.name), option.metadata["choices"]
        text = f"{option.metadata['help']} (default: {option.default})" if option.default else option.metadata["help"]
        if option.type == "bool":
            p.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
        elif option.type in kinds:
            p.add_argument(name, type=kinds[option.type], choices=choices, help=text)
        else:
            p.add_argument(name, nargs="+", metavar="PATH", help=text)


def _train(given: argparse.Namespace) -> None:
    from .commands.train import train_command

    options = {option.name: getattr(given, option.name) for option in fields(TrainOptions) if option.name in given}
    if "data" in options:
        options["data"] = tuple(options["data"])
    train_command(options, given.resume, given.overwrite)


def _add_generate(commands: Any) -> None:
    p = commands.add_parser("generate", help="let a trained model go on with a text")
    p.set_defaults(run_command=_generate)
    p.add_argument("run", metavar="RUN", help="directory of a run")
    p.add_argument("--prompt", default="", help="the text to go on with (default: begin a new one)")
    p.add_argument("--max-new-tokens", type=int, default=200)
    p.add_argument("--temperature", type=float, default=0.8, help="below 1 plays safe, above 1 takes risks")
    p.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    p.add_argument("--top-p", type=float, default=1.0, help="draw from the likeliest tokens that make up p")
    p.add_argument("--seed", type=int, default=1337, help="the same seed writes the same text")
    p.add_argument("--num-samples", type=int, default=1)


def _generate(given: argparse.Namespace) -> None:
    from .commands.generate import generate_command

    generate_command(
        given.run, given.prompt, given.max_new_tokens, given.temperature, given.top_k, given.top_p, given.seed,
        given.num_samples,
    )  # fmt: skip


def _add_eval(commands: Any) -> None:
    p = commands.add_parser("eval", help="score a text with a trained model")
    p.set_defaults(run_command=_eval)
    p.add_argument("run", metavar="RUN", help="directory of a run")
    p.add_argument("--data", nargs="+", required=True, metavar="PATH", help="files or directories of text")
    p.add_argument("--encoding", default="utf-8")
    p.add_argument("--stride", type=int, help="tokens from window to window (default: the context; less is slower)")
    p.add_argument("--json", action="store_true", help="print the JSON line only")


def _eval(given: argparse.Namespace) -> None:
    from .commands.evaluate import eval_command

    eval_command(given.run, given.data, given.encoding, given.stride, given.json)
