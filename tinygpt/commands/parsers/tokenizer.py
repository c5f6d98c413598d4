"""The command line of `tinygpt tokenizer` and its actions."""

from __future__ import annotations

import argparse
from typing import Any

from .base import AnyOrderParser


def add_tokenizer(commands: Any) -> None:
    whole = commands.add_parser("tokenizer", help="learn, use, look into and convert vocabularies")
    actions = whole.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=AnyOrderParser)
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
    p.add_argument(
        "--data", action="extend", nargs="+", required=True, metavar="PATH", help="files or directories of text"
    )
    p.add_argument("--vocab-size", type=int, required=True, help="tokens: 256 bytes, the merges, the special tokens")
    p.add_argument("--out", required=True, metavar="FILE", help="where the vocabulary is written")
    p.add_argument(
        "--special-token", action="extend", nargs="*", metavar="NAME", help="(default: <|endoftext|>; no NAME: none)"
    )
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
    p.add_argument("--encoding", help="of a file or of standard input (default: utf-8)")
    p.add_argument(
        "--allowed-special", action="append", default=[], metavar="NAME",
        help="a special token that is one where the text has it, or all; may be repeated",
    )  # fmt: skip


def _tokenizer_train(given: argparse.Namespace) -> None:
    from ..tokenizer import train_tokenizer_command

    train_tokenizer_command(
        given.data, given.vocab_size, given.out, given.special_token, given.min_frequency, given.pattern,
        given.encoding, given.overwrite,
    )  # fmt: skip


def _opened(given: argparse.Namespace) -> Any:
    from ..tokenizer import hints_given, open_tokenizer

    hints = hints_given(given.merges, given.name, given.pattern, given.special_token, given.cased)
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
    from ..tokenizer import allowed_names, read_text
    from ..tokenizer_inspect import inspect_command

    tokenizer = _opened(given)
    text = read_text(given.text, given.data, given.encoding)
    inspect_command(tokenizer, text, allowed_names(given.allowed_special), given.limit, given.json)


def _tokenizer_convert(given: argparse.Namespace) -> None:
    from ..tokenizer import convert_command

    convert_command(_opened(given), given.out, given.to, given.overwrite)
