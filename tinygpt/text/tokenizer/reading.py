"""Reads a vocabulary file of any supported format, which is recognised by the file's content."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import END_OF_TEXT, BaseTokenizer, Tokenizer, WordPiece, files, load_tokenizer
from tinygpt.text.tokenizer.formats.tiktoken import ENCODINGS
from tinygpt.text.tokenizer.wordpiece import UNKNOWN_WORD

ACCEPTED = (
    "a file that tinygpt saved; GPT-2's encoder.json with its vocab.bpe, or the directory of both; a tokenizer.json; "
    "a tiktoken file of ranks; a WordPiece vocab.txt; or a run's directory"
)

_GPT2_NAMES = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
_RANK = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?")


@dataclass(frozen=True)
class Hints:
    """What files of some formats do not say."""

    merges: str | None = None
    """GPT-2: where the merges are, if not beside the vocabulary under one of the usual names."""

    name: str | None = None
    """tiktoken: the encoding, which decides pattern and special tokens; a file named after one needs no hint."""

    pattern: str | None = None
    """tiktoken: the pattern, in place of the encoding's."""

    special_tokens: Mapping[str, int | None] | None = None
    """GPT-2: the names of the special tokens; tiktoken: names and ids, in place of the encoding's."""

    cased: bool = False
    """WordPiece: words are not lowercased."""


_UNDERSTOOD: dict[str, set[str]] = {
    "tinygpt": set(),
    "huggingface": set(),
    "gpt2": {"merges", "special_tokens"},
    "tiktoken": {"name", "pattern", "special_tokens"},
    "wordpiece": {"cased"},
}
"""The hints that each format can use."""


def read_tokenizer(path: str | PathLike[str], hints: Hints = Hints()) -> tuple[BaseTokenizer, str]:
    """(the tokenizer in a file or directory of any format, the format's name).

    Raises BadInput, naming the file: if no format is recognised (the message says what is accepted), for a hint that
    the format cannot use, and for whatever the format's own reader finds wrong.
    """
    path = _file_of(Path(path))
    kind = _kind(path, files.read_bytes(path))
    for name in ("merges", "name", "pattern", "special_tokens", "cased"):
        if getattr(hints, name) not in (None, False) and name not in _UNDERSTOOD[kind]:
            raise BadInput(f"{path} is of the format {kind}, which has no use for the argument {name}")
    if kind == "gpt2":
        return _read_gpt2(path, hints), kind
    if kind == "tiktoken":
        return _read_ranks(path, hints), kind
    if kind == "wordpiece":
        return WordPiece.load(path, lowercase=not hints.cased), kind
    return Tokenizer.from_huggingface(path) if kind == "huggingface" else load_tokenizer(path), kind


def _file_of(path: Path) -> Path:
    """The file to read first: the path itself, or the vocabulary's file in a directory."""
    if not path.is_dir():
        return path
    for name in ("tokenizer.json", *(vocabulary for vocabulary, _ in _GPT2_NAMES), "vocab.txt"):
        if (path / name).exists():
            return path / name
    raise BadInput(f"the directory {path} has no tokenizer in it: give {ACCEPTED}")


def _kind(path: Path, data: bytes) -> str:
    """The format of a file, by its content."""
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    if UNKNOWN_WORD.encode() in lines:
        return "wordpiece"
    if data.lstrip().startswith(b"{"):
        return _kind_of_object(path, data)
    if data.startswith(b"#version"):
        raise BadInput(f"{path} holds merges alone: give the file of the vocabulary, or the directory of both")
    if any(map(_RANK.fullmatch, lines[:2])):
        return "tiktoken"
    what = "empty" if not data.strip() else "not a tokenizer"
    raise BadInput(f"{path} is {what}: give {ACCEPTED}")


def _kind_of_object(path: Path, data: bytes) -> str:
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not a tokenizer, or is damaged: no valid JSON ({error})") from None
    if isinstance(entries.get("format"), str):
        return "tinygpt"
    if isinstance(entries.get("model"), dict):
        return "huggingface"
    if any(isinstance(number, int) for number in entries.values()):
        return "gpt2"
    raise BadInput(f"{path} is JSON, but not a tokenizer: give {ACCEPTED}")


def _read_gpt2(path: Path, hints: Hints) -> Tokenizer:
    beside = (path.with_name(merges) for _, merges in _GPT2_NAMES)
    merges = Path(hints.merges) if hints.merges else next((each for each in beside if each.exists()), None)
    if merges is None:
        raise BadInput(
            f"{path} is a vocabulary without its merges: put vocab.bpe beside it, or say where they are (merges=…)"
        )
    special = (END_OF_TEXT,) if hints.special_tokens is None else hints.special_tokens
    tokenizer = Tokenizer.from_gpt2(path, merges, special)
    for name, number in (hints.special_tokens or {}).items():
        found = tokenizer.special_tokens.get(name)
        if found is None or number not in (None, found):
            said = "has no such token" if found is None else f"gives it the id {found}, not {number}"
            raise BadInput(f"the special token {name!r}: {path} {said}")
    return tokenizer


def _read_ranks(path: Path, hints: Hints) -> Tokenizer:
    name = hints.name or (path.stem if path.stem in ENCODINGS else None)
    if name is None and hints.pattern is None:
        raise BadInput(
            f"{path} is a file of ranks, which says neither pattern nor special tokens: give its encoding's, name=…, "
            f"which is one of {', '.join(ENCODINGS)}, or a pattern=…"
        )
    special = {} if name is None and hints.special_tokens is None else hints.special_tokens
    for each, number in (special or {}).items():
        if number is None:
            raise BadInput(f"{path} is a file of ranks: the special token {each!r} needs its id, too ({each}=ID)")
    return Tokenizer.from_tiktoken(path, name or "r50k_base", pattern=hints.pattern, special_tokens=special)
