"""`tinygpt tokenizer`: vocabularies learned, used and converted. What `inspect` shows is in tokenizer_inspect.py."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

import numpy as np

from ..errors import BadInput
from ..text.corpus import text_files
from ..text.reading import read_chunks
from ..text.tokenizer import END_OF_TEXT, BaseTokenizer, Tokenizer, WordPiece, load_tokenizer
from ..text.tokenizer.pieces import CL100K_PATTERN, O200K_PATTERN
from ..text.tokenizer.pretokens import GPT2_PATTERN, text_to_bytes
from ..text.tokenizer.reading import Hints, read_tokenizer
from ..train.run import Run
from .given_text import UTF8, note_repeats, read_text, require_text
from .ids import ids_of_words, read_ids, suffix_of_array, write_ids

PATTERNS = {
    "gpt2": GPT2_PATTERN,
    "r50k_base": GPT2_PATTERN,
    "p50k_base": GPT2_PATTERN,
    "cl100k_base": CL100K_PATTERN,
    "o200k_base": O200K_PATTERN,
}


def train_tokenizer_command(
    data: list[str],
    vocab_size: int,
    out: str,
    special_tokens: list[str] | None,
    min_frequency: int,
    pattern: str,
    encoding: str,
    overwrite: bool,
) -> None:
    """Learns merges from files and writes them. Raises BadInput before the work begins if the file cannot be written.

    special_tokens: None for <|endoftext|> alone.
    """
    special_tokens = [END_OF_TEXT] if special_tokens is None else special_tokens
    require_room(Path(out), overwrite)
    files = text_files(data)
    note_repeats(data)
    for file in files:
        require_text(file)
    tokenizer = Tokenizer.train_from_files(
        files, vocab_size, special_tokens,
        encoding=encoding, min_frequency=min_frequency, pattern=pattern_named(pattern), progress=True,
    )  # fmt: skip
    tokenizer.save(out)
    again = (file for file in files if file.is_file())  # a pipe can be read only once
    sample = next((chunk for file in again for chunk in read_chunks(file, encoding) if chunk), "")
    n_bytes = len(text_to_bytes(sample))
    print(f"learned     {len(tokenizer.merges):,} merges of pairs of tokens")
    print(f"vocabulary  {tokenizer.vocab_size:,} tokens: 256 bytes, the merges, {len(special_tokens)} special")
    if sample:
        print(f"            {n_bytes / len(tokenizer.encode(sample)):.2f} bytes a token ", end="")
        print(f"(measured on the first {n_bytes:,} bytes of the data)")
    print(f"written     {out}")
    if tokenizer.vocab_size < vocab_size:
        print(
            f"note: stopped at {tokenizer.vocab_size:,} of {vocab_size:,} tokens, because no pair of tokens is left "
            f"that occurs {min_frequency:,} times: more text, or a smaller --min-frequency, has more to learn",
            file=sys.stderr,
        )


def encode_command(
    tokenizer: BaseTokenizer, text: str | None, data: str | None, encoding: str | None, allowed: list[str],
    out: str | None,
    overwrite: bool,
) -> None:  # fmt: skip
    """Prints the ids of a text, or writes them as an array."""
    if out is None and overwrite:
        raise BadInput("--overwrite would change nothing: the ids are printed; leave that out, or name a file by --out")
    if out is not None:
        suffix_of_array(out)
        require_room(Path(out), overwrite)
    ids = _encode(tokenizer, text, data, encoding, allowed)
    if out is None:
        print(*ids.tolist())
    else:
        write_ids(out, ids)
        print(f"{len(ids):,} ids of {ids.dtype.itemsize} bytes ({ids.dtype}) written to {out}")


def _encode(
    tokenizer: BaseTokenizer, text: str | None, data: str | None, encoding: str | None, allowed: list[str]
) -> np.ndarray:
    names = allowed_names(allowed)
    if text is None and data not in (None, "-"):
        require_text(Path(data))
        return tokenizer.encode_file(data, names, encoding=encoding or UTF8, progress=True)
    return tokenizer.encode_array(read_text(text, data, encoding), names)


def decode_command(tokenizer: BaseTokenizer, ids: list[str], data: str | None) -> None:
    """Writes the bytes of the ids to standard output as they come, and nothing else."""
    if ids and ids != ["-"] and data is not None:
        raise BadInput("ids on the command line and --data are two sources: give one")
    if len(ids) == 1 and os.path.isfile(ids[0]):
        raise BadInput(f"{ids[0]} is a file and no token id: read it by --data {quote(ids[0])}")
    if data is None and ids and ids != ["-"]:
        parts: Iterable[list[int]] = [ids_of_words(" ".join(ids), "the command line")]
    else:
        parts = read_ids(data, tokenizer.dtype)
    begun = False
    for part in filter(None, parts):
        if begun:  # WordPiece decodes only the first token of a text differently
            sys.stdout.buffer.write(b"".join(map(tokenizer.token_bytes, part)))
        else:
            sys.stdout.buffer.write(tokenizer.decode_bytes(part))
        begun = True
        sys.stdout.buffer.flush()


def convert_command(tokenizer: BaseTokenizer, out: str, kind: str, overwrite: bool) -> None:
    """Writes a vocabulary in another format; for GPT-2's two files `out` is their directory."""
    path = Path(out)
    if kind == "gpt2":
        for each in (path / "encoder.json", path / "vocab.bpe"):
            require_room(each, overwrite, makes_directory=True)
    else:
        require_room(path, overwrite)
    if kind != "tinygpt" and not isinstance(tokenizer, Tokenizer):
        what = "a WordPiece vocabulary" if isinstance(tokenizer, WordPiece) else "a vocabulary of characters"
        raise BadInput(f"{what} has no merges, which the format {kind} is made of: convert it --to tinygpt")
    if kind == "tinygpt":
        tokenizer.save(path)
    elif kind == "huggingface":
        tokenizer.to_huggingface(path)
    elif kind == "tiktoken":
        tokenizer.to_tiktoken(path)
        _say_what_ranks_leave_out(tokenizer)
    else:
        _write_gpt2(tokenizer, path)
    print(f"{tokenizer.vocab_size:,} tokens written to {out}")


def _write_gpt2(tokenizer: Tokenizer, directory: Path) -> None:
    made = not directory.exists()
    try:
        directory.mkdir(exist_ok=True)
        tokenizer.to_gpt2(directory / "encoder.json", directory / "vocab.bpe")
    except OSError as error:
        raise BadInput(f"cannot make the directory {directory}: {error.strerror}") from None
    except BadInput:
        if made:
            directory.rmdir()
        raise


def _say_what_ranks_leave_out(tokenizer: Tokenizer) -> None:
    names = [name for name, pattern in PATTERNS.items() if pattern == tokenizer.pattern]
    given = [f"--special-token {quote(f'{name}={number}')}" for name, number in tokenizer.special_tokens.items()]
    given += [f"--pattern {names[0] if names else quote(tokenizer.pattern)}"]
    print(
        f"note: a file of ranks says neither pattern nor special tokens; read it with {' '.join(given)}",
        file=sys.stderr,
    )


def open_tokenizer(path: str, hints: Hints) -> BaseTokenizer:
    """The tokenizer in a file or directory of any format, or of a run. Raises BadInput where there is none."""
    run = Run(path)
    if not run.checkpoint.exists():
        return read_tokenizer(path, hints)[0]
    if hints != Hints():
        raise BadInput(f"{path} is a run, whose tokenizer needs no further options")
    checkpoint = run.load()
    return load_tokenizer(run.tokenizer) if run.tokenizer.exists() else checkpoint.tokenizer


def hints_given(
    merges: str | None, name: str | None, pattern: str | None, special_tokens: list[str], cased: bool
) -> Hints:
    """What the command line says about a file; a special token is written NAME or NAME=ID."""
    special: dict[str, int | None] = {}
    for each in special_tokens:
        token, _, number = each.rpartition("=")
        if token and number.isdecimal():
            special[token] = int(number)
        else:
            special[each] = None
    return Hints(merges, name, None if pattern is None else pattern_named(pattern), special or None, cased)


def pattern_named(name_or_regex: str) -> str:
    """The pattern of that name, or the expression itself. A single word that is no name is refused as a slip."""
    if name_or_regex in PATTERNS:
        return PATTERNS[name_or_regex]
    if re.fullmatch(r"\w*", name_or_regex):
        raise BadInput(
            f"no pattern is called {name_or_regex!r}: choose {', '.join(PATTERNS)}, or give a regular expression"
        )
    return name_or_regex


def allowed_names(names: list[str]) -> list[str] | str:
    """The special tokens allowed in a text: those named, or "all"."""
    return "all" if "all" in names else names


def require_room(path: Path, overwrite: bool, makes_directory: bool = False) -> None:
    """Raises BadInput where a file could not be written, or would replace another without --overwrite."""
    if path.is_dir():
        raise BadInput(f"{path} is a directory: name a file")
    if path.exists() and not overwrite:
        raise BadInput(f"{path} exists: replace it with --overwrite, or choose another name")
    parent = path.parent.parent if makes_directory and not path.parent.exists() else path.parent
    if not parent.is_dir():
        raise BadInput(f"cannot write {path}: {parent} is not a directory")
    if not os.access(parent, os.W_OK):
        raise BadInput(f"cannot write {path}: nothing may be written in {parent}")
