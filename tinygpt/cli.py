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


class _AnyOrderParser(_Parser):
    """Lets options stand between words of which the last may be left out, which argparse takes for left out then."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._inside or self._subparsers is not None:  # a word that names a command or an action stands first
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def parser() -> argparse.ArgumentParser:
    """Every command and option of `tinygpt`."""
    whole = _Parser(prog="tinygpt", description="A large language model from first principles, in pure NumPy.")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_AnyOrderParser)
    _add_train(commands)
    _add_generate(commands)
    _add_fill(commands)
    _add_translate(commands)
    _add_score(commands)
    _add_eval(commands)
    _add_models(commands)
    _add_tokenizer(commands)
    _add_fetch(commands)
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
    p.add_argument("run", metavar="DIR", help="directory of a run, or a GPT-2 of Hugging Face")
    p.add_argument("--prompt", default="", help="the text to go on with (default: begin a new one)")
    p.add_argument("--max-new-tokens", type=int, default=200)
    p.add_argument("--temperature", type=float, default=0.8, help="below 1 plays safe, above 1 takes risks")
    p.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    p.add_argument("--top-p", type=float, default=1.0, help="draw from the likeliest tokens that make up p")
    p.add_argument("--min-p", type=float, metavar="P", help="draw from tokens at least P times as likely as the best")
    p.add_argument(
        "--repetition-penalty", type=float, default=1.0, metavar="THETA",
        help="above 1, tokens that are written already become less likely",
    )  # fmt: skip
    p.add_argument("--no-repeat-ngram", type=int, metavar="N", help="no N tokens in a row come twice")
    p.add_argument("--ban", nargs="+", default=[], metavar="WORD", help="words that are not written")
    p.add_argument("--min-new-tokens", type=int, default=0, metavar="N", help="the text does not end before N tokens")
    p.add_argument("--stop", nargs="+", default=[], metavar="STRING", help="the text ends before any of these")
    p.add_argument("--greedy", action="store_true", help="take the likeliest token in place of drawing one")
    p.add_argument("--logprobs", action="store_true", help="list each new token with its log-probability afterwards")
    p.add_argument("--seed", type=int, default=1337, help="the same seed writes the same text")
    p.add_argument("--num-samples", type=int, default=1)
    _add_beam(p, None, "search with N beginnings for the likeliest text, in place of drawing")


def _generate(given: argparse.Namespace) -> None:
    from .commands.generate import GenerateOptions, generate_command

    generate_command(
        given.run, GenerateOptions(**{each.name: getattr(given, each.name) for each in fields(GenerateOptions)})
    )


def _add_score(commands: Any) -> None:
    p = commands.add_parser("score", help="how likely a trained model finds each token of a text")
    p.set_defaults(run_command=_score)
    p.add_argument("run", metavar="RUN", help="directory of a run")
    p.add_argument("text", nargs="?", metavar="TEXT", help="(default, or -: standard input)")
    p.add_argument("--data", metavar="FILE", help="a file of text")
    p.add_argument("--encoding", default="utf-8")
    p.add_argument("--stride", type=int, help="tokens from window to window (default: the context; less is slower)")
    p.add_argument("--json", action="store_true", help="print JSON only")


def _score(given: argparse.Namespace) -> None:
    from .commands.score import score_command
    from .commands.tokenizer import read_text

    score_command(given.run, read_text(given.text, given.data, given.encoding), given.stride, given.json)


def _add_fill(commands: Any) -> None:
    p = commands.add_parser("fill", help="let a trained encoder guess the hidden places of a text")
    p.set_defaults(run_command=_fill)
    p.add_argument("run", metavar="RUN", help="directory of a run with --task mlm")
    p.add_argument("text", metavar="TEXT", help="a text with [MASK] in it")
    p.add_argument("--top-k", type=int, default=5, help="candidates for each place")
    p.add_argument("--json", action="store_true", help="print JSON")


def _fill(given: argparse.Namespace) -> None:
    from .commands.fill import fill_command

    fill_command(given.run, given.text, given.top_k, given.json)


def _add_translate(commands: Any) -> None:
    for name, whole, help_ in (
        ("translate", False, "let a trained encoder–decoder translate a text, line by line"),
        ("summarize", True, "let a trained encoder–decoder make one text of a whole one"),
    ):
        p = commands.add_parser(name, help=help_)
        p.set_defaults(run_command=_translate, whole=whole)
        p.add_argument("run", metavar="RUN", help="directory of a run with --task seq2seq")
        p.add_argument("text", metavar="TEXT", nargs="?", help="default: standard input")
        _add_beam(p, 4, "beginnings that are gone on with (default: 4; 1: greedy)")
        p.add_argument("--max-new-tokens", type=int, help="default: what the context holds")


def _translate(given: argparse.Namespace) -> None:
    from .commands.beams import BeamOptions
    from .commands.translate import translate_command

    beams = BeamOptions(given.beam, given.length_penalty, given.best)
    translate_command(given.run, given.text, beams, given.max_new_tokens, given.whole)


def _add_beam(p: argparse.ArgumentParser, width: int | None, text: str) -> None:
    p.add_argument("--beam", type=int, default=width, metavar="N", help=text)
    p.add_argument("--length-penalty", type=float, default=0.6, metavar="A", help="more favours longer texts (0.6)")
    p.add_argument("--best", type=int, default=1, metavar="N", help="show the N best of the beam with their scores")


def _add_eval(commands: Any) -> None:
    p = commands.add_parser("eval", help="score a text with a trained model")
    p.set_defaults(run_command=_eval)
    p.add_argument("run", metavar="DIR", help="directory of a run, or a GPT-2 of Hugging Face")
    p.add_argument("--data", nargs="+", required=True, metavar="PATH", help="files or directories of text")
    p.add_argument("--encoding", default="utf-8")
    p.add_argument("--stride", type=int, help="tokens from window to window (default: the context; less is slower)")
    p.add_argument("--json", action="store_true", help="print the JSON line only")


def _eval(given: argparse.Namespace) -> None:
    from .commands.evaluate import eval_command

    eval_command(given.run, given.data, given.encoding, given.stride, given.json)


def _add_tokenizer(commands: Any) -> None:
    whole = commands.add_parser("tokenizer", help="learn, use, look into and convert vocabularies")
    actions = whole.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=_AnyOrderParser)
    _add_tokenizer_train(actions)
    p = _tokenizer_action(actions, "encode", _tokenizer_encode, "the ids of a text, printed or as an array")
    _add_text(p)
    p.add_argument("--out", metavar="FILE", help="write an array, .npy or .bin, in place of printing")
    p.add_argument("--overwrite", action="store_true", help="replace --out")
    p = _tokenizer_action(actions, "decode", _tokenizer_decode, "the text of ids")
    p.add_argument("ids", nargs="*", metavar="ID", help="(default: standard input)")
    p.add_argument("--data", metavar="FILE", help="ids in words, or an array, .npy or .bin")
    p = _tokenizer_action(actions, "inspect", _tokenizer_inspect, "how a text becomes tokens, merge by merge")
    _add_text(p)
    p.add_argument("--limit", type=int, default=60, help="tokens and pieces shown, 0 for all (default: %(default)s)")
    p.add_argument("--json", action="store_true", help="print JSON only")
    p = _tokenizer_action(actions, "convert", _tokenizer_convert, "write a vocabulary in another format")
    p.add_argument("out", metavar="OUT", help="the file, or for gpt2 the directory of two")
    p.add_argument("--to", choices=("tinygpt", "gpt2", "tiktoken", "huggingface"), required=True)
    p.add_argument("--overwrite", action="store_true", help="replace OUT")


def _add_tokenizer_train(actions: Any) -> None:
    p = actions.add_parser("train", help="learn a byte-pair encoding from files")
    p.set_defaults(run_command=_tokenizer_train)
    default = "(default: %(default)s)"
    p.add_argument("--data", nargs="+", required=True, metavar="PATH", help="files or directories of text")
    p.add_argument("--vocab-size", type=int, required=True, help="tokens: 256 bytes, the merges, the special tokens")
    p.add_argument("--out", required=True, metavar="FILE", help="where the vocabulary is written")
    p.add_argument("--special-token", nargs="*", default=["<|endoftext|>"], metavar="NAME", help=default)
    p.add_argument("--min-frequency", type=int, default=2, help=f"how often a pair must occur {default}")
    p.add_argument("--pattern", default="gpt2", metavar="NAME_OR_REGEX", help=f"how texts are cut {default}")
    p.add_argument("--encoding", default="utf-8")
    p.add_argument("--overwrite", action="store_true", help="replace --out")


def _tokenizer_action(actions: Any, name: str, run_command: Any, help: str) -> argparse.ArgumentParser:
    """An action on a vocabulary, with what some formats do not say in their files."""
    p = actions.add_parser(name, help=help)
    p.set_defaults(run_command=run_command)
    p.add_argument("tokenizer", metavar="TOKENIZER", help="a vocabulary in any format, or a run's directory")
    p.add_argument("--merges", metavar="FILE", help="GPT-2: the merges, if not beside the vocabulary")
    p.add_argument("--name", help="tiktoken: the encoding, if the file is not called so")
    p.add_argument("--pattern", metavar="NAME_OR_REGEX", help="tiktoken: how texts are cut")
    p.add_argument(
        "--special-token", action="append", default=[], metavar="NAME[=ID]",
        help="GPT-2: one of the special tokens; tiktoken: with its id; may be repeated",
    )  # fmt: skip
    p.add_argument("--cased", action="store_true", help="WordPiece: words are not lowered")
    return p


def _add_text(p: argparse.ArgumentParser) -> None:
    p.add_argument("text", nargs="?", metavar="TEXT", help="(default, or -: standard input)")
    p.add_argument("--data", metavar="FILE", help="a file of text")
    p.add_argument("--encoding", default="utf-8")
    p.add_argument(
        "--allowed-special", action="append", default=[], metavar="NAME",
        help="a special token that is one where the text has it, or all; may be repeated",
    )  # fmt: skip


def _tokenizer_train(given: argparse.Namespace) -> None:
    from .commands.tokenizer import train_tokenizer_command

    train_tokenizer_command(
        given.data, given.vocab_size, given.out, given.special_token, given.min_frequency, given.pattern,
        given.encoding, given.overwrite,
    )  # fmt: skip


def _opened(given: argparse.Namespace) -> Any:
    from .commands.tokenizer import hints_given, open_tokenizer

    hints = hints_given(given.merges, given.name, given.pattern, given.special_token, given.cased)
    return open_tokenizer(given.tokenizer, hints)


def _tokenizer_encode(given: argparse.Namespace) -> None:
    from .commands.tokenizer import encode_command

    encode_command(
        _opened(given), given.text, given.data, given.encoding, given.allowed_special, given.out, given.overwrite
    )


def _tokenizer_decode(given: argparse.Namespace) -> None:
    from .commands.tokenizer import decode_command

    decode_command(_opened(given), given.ids, given.data)


def _tokenizer_inspect(given: argparse.Namespace) -> None:
    from .commands.tokenizer import allowed_names, read_text
    from .commands.tokenizer_inspect import inspect_command

    tokenizer = _opened(given)
    text = read_text(given.text, given.data, given.encoding)
    inspect_command(tokenizer, text, allowed_names(given.allowed_special), given.limit, given.json)


def _tokenizer_convert(given: argparse.Namespace) -> None:
    from .commands.tokenizer import convert_command

    convert_command(_opened(given), given.out, given.to, given.overwrite)


def _add_models(commands: Any) -> None:
    p = commands.add_parser("models", help="the published models of 2018 to 2021: sizes, and how they were trained")
    p.set_defaults(run_command=_models)
    p.add_argument("name", metavar="NAME", nargs="?", help="one of them, with all that is known")
    p.add_argument("--json", action="store_true", help="print JSON")


def _models(given: argparse.Namespace) -> None:
    from .commands.models import models_command

    models_command(given.name, given.json)


def _add_fetch(commands: Any) -> None:
    p = commands.add_parser("fetch", help="download a GPT-2 from Hugging Face")
    p.set_defaults(run_command=_fetch)
    p.add_argument("name", metavar="NAME", help="gpt2, gpt2-medium, gpt2-large, gpt2-xl, or OWNER/NAME")
    p.add_argument("--out", metavar="DIR", help="where to (default: models/ and the name)")


def _fetch(given: argparse.Namespace) -> None:
    from .commands.fetch import fetch_command

    fetch_command(given.name, given.out)
