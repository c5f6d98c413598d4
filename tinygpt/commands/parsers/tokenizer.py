"""The command line of `tinygpt tokenizer` and its actions."""

from __future__ import annotations

import argparse
from typing import Any

from .base import AnyOrderParser

PATTERN = "regular expression that cuts texts into pieces, or its name: gpt2, cl100k_base, o200k_base"


def add_tokenizer(commands: Any) -> None:
    whole = commands.add_parser(
        "tokenizer", help="train, use, inspect and convert tokenizers",
        description="Train, use, inspect and convert tokenizers. tinygpt tokenizer ACTION --help describes an action.",
    )  # fmt: skip
    actions = whole.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=AnyOrderParser)
    _add_tokenizer_train(actions)
    p = _tokenizer_action(actions, "encode", _tokenizer_encode, "turn a text into token ids, printed or in a file")
    _add_text(p)
    p.add_argument("--out", metavar="FILE", help="write the ids to a .npy or .bin file (default: print them)")
    p.add_argument("--overwrite", action="store_true", help="replace the file of --out if it exists")
    p = _tokenizer_action(actions, "decode", _tokenizer_decode, "turn token ids into text")
    p.add_argument("ids", nargs="*", metavar="ID", help="the ids (default, or -: standard input)")
    p.add_argument("--data", metavar="FILE", help="file of the ids: numbers as text, .npy or .bin (default: ID)")
    p = _tokenizer_action(actions, "inspect", _tokenizer_inspect, "show how a text becomes tokens, merge by merge")
    _add_text(p)
    p.add_argument("--limit", type=int, default=60, metavar="N", help="show N tokens and pieces; 0: all (default: 60)")
    p.add_argument("--json", action="store_true", help="print JSON only")
    p = _tokenizer_action(actions, "convert", _tokenizer_convert, "write a tokenizer in another format")
    p.add_argument("out", metavar="OUT", help="the file to write, or for gpt2 the directory for its two files")
    p.add_argument(
        "--to", choices=("tinygpt", "gpt2", "tiktoken", "huggingface"), required=True, help="format to write; required"
    )
    p.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def _add_tokenizer_train(actions: Any) -> None:
    p = actions.add_parser(
        "train", help="learn a byte-pair encoding from files",
        description="Learn a byte-pair encoding from files of text, and write it to a file.",
    )  # fmt: skip
    p.set_defaults(run_command=_tokenizer_train)
    p.add_argument(
        "--data", action="extend", nargs="+", required=True, metavar="PATH",
        help="files or directories of text; required",
    )  # fmt: skip
    p.add_argument(
        "--vocab-size", type=int, required=True, metavar="N",
        help="number of tokens: 256 bytes, the merges and the special tokens; required",
    )  # fmt: skip
    p.add_argument("--out", required=True, metavar="FILE", help="file to write the tokenizer to; required")
    p.add_argument(
        "--special-token", action="extend", nargs="*", metavar="NAME", dest="special_tokens",
        help="special tokens; no NAME: none (default: <|endoftext|>)",
    )  # fmt: skip
    p.add_argument(
        "--min-frequency", type=int, default=2, metavar="N",
        help="merge only pairs that occur at least N times (default: 2)",
    )  # fmt: skip
    p.add_argument("--pattern", default="gpt2", metavar="NAME_OR_REGEX", help=f"{PATTERN} (default: gpt2)")
    p.add_argument("--encoding", default="utf-8", metavar="NAME", help="encoding of the files (default: utf-8)")
    p.add_argument("--overwrite", action="store_true", help="replace the file of --out if it exists")


def _tokenizer_action(actions: Any, name: str, run_command: Any, help: str) -> argparse.ArgumentParser:
    """An action on a tokenizer, with options for what the files of some formats do not say."""
    p = actions.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    p.set_defaults(run_command=run_command)
    p.add_argument("tokenizer", metavar="TOKENIZER", help="file or directory of a tokenizer in any format, or of a run")
    p.add_argument(
        "--merges", metavar="FILE", help="for GPT-2's format: file of the merges (default: beside the vocabulary)"
    )
    p.add_argument(
        "--name", help="for tiktoken's format: name of the encoding, as cl100k_base (default: the file's name)"
    )
    p.add_argument(
        "--pattern", metavar="NAME_OR_REGEX",
        help=f"for tiktoken's format: {PATTERN} (default: that of the encoding)",
    )  # fmt: skip
    p.add_argument(
        "--special-token", action="append", default=[], metavar="NAME[=ID]", dest="special_tokens",
        help="for GPT-2's format, and with its id for tiktoken's: a special token; may be repeated (default: "
        "<|endoftext|>, or those of the encoding)",
    )  # fmt: skip
    p.add_argument("--cased", action="store_true", help="for BERT's vocab.txt: do not lowercase words")
    return p


def _add_text(p: argparse.ArgumentParser) -> None:
    p.add_argument("text", nargs="?", metavar="TEXT", help="the text (default, or -: standard input)")
    p.add_argument("--data", metavar="FILE", help="file with the text (default: TEXT)")
    p.add_argument("--encoding", metavar="NAME", help="encoding of the file or of standard input (default: utf-8)")
    p.add_argument(
        "--allowed-special", action="append", default=[], metavar="NAME",
        help="read this special token (or all) as one where the text spells it; may be repeated (default: none)",
    )  # fmt: skip


def _tokenizer_train(given: argparse.Namespace) -> None:
    from ..tokenizer import train_tokenizer_command

    train_tokenizer_command(
        given.data, given.vocab_size, given.out, given.special_tokens, given.min_frequency, given.pattern,
        given.encoding, given.overwrite,
    )  # fmt: skip


def _opened(given: argparse.Namespace) -> Any:
    from ..tokenizer import hints_given, open_tokenizer

    hints = hints_given(given.merges, given.name, given.pattern, given.special_tokens, given.cased)
    return open_tokenizer(given.tokenizer, hints)


def _tokenizer_encode(given: argparse.Namespace) -> None:
    from ..tokenizer import encode_command

    encode_command(
        _opened(given), given.text, given.data, given.encoding, given.allowed_special, given.out, given.overwrite
    )


def _tokenizer_decode(given: argparse.Namespace) -> None:
    from ..tokenizer import decode_command

    decode_command(_opened(given), given.ids, given.data)


def _tokenizer_inspect(given: argparse.Namespace) -> None:
    from ..given_text import read_text
    from ..tokenizer import allowed_names
    from ..tokenizer_inspect import inspect_command

    tokenizer = _opened(given)
    text = read_text(given.text, given.data, given.encoding)
    inspect_command(tokenizer, text, allowed_names(given.allowed_special), given.limit, given.json)


def _tokenizer_convert(given: argparse.Namespace) -> None:
    from ..tokenizer import convert_command

    convert_command(_opened(given), given.out, given.to, given.overwrite)
