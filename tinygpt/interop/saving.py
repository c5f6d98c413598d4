"""Writes a model of ours as a directory that `transformers` can open."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograd import to_numpy

from .. import safetensors
from ..errors import BadInput
from ..model.gpt import GPT
from ..text.tokenizer import BaseTokenizer, Tokenizer
from . import gpt2
from .directories import SETTINGS, WEIGHTS


def save_gpt2(model: GPT, tokenizer: BaseTokenizer | None, directory: str | os.PathLike[str]) -> None:
    """Writes config.json, model.safetensors and, with a tokenizer, tokenizer.json: all of it, or no directory at all.

    A model without biases gets biases of zero, which change nothing. Raises BadInput for a directory that is not empty
    or cannot be written, a model of a form that GPT-2 does not have, and a tokenizer that is no byte-pair encoding.
    """
    if not isinstance(model, GPT):
        raise BadInput(f"a {type(model).__name__} is no GPT, and cannot be written as GPT-2")
    if tokenizer is not None and not isinstance(tokenizer, Tokenizer):
        raise BadInput(
            f"GPT-2's tokenizer is a byte-pair encoding, and this is a {type(tokenizer).__name__}: pass None to write "
            "the model alone"
        )
    settings = gpt2.write_config(model.config)
    if tokenizer is not None and tokenizer.end_of_text is not None:
        settings |= {"bos_token_id": tokenizer.end_of_text, "eos_token_id": tokenizer.end_of_text}
    state = {name: to_numpy(array) for name, array in model.state_dict().items()}
    with _new_directory(Path(directory)) as new:
        (new / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        safetensors.save(new / WEIGHTS, gpt2.stored_weights(state, model.config), {"format": "pt"})
        if tokenizer is not None:
            _save_tokenizer(tokenizer, new, model.config.block_size)


def _save_tokenizer(tokenizer: Tokenizer, directory: Path, longest: int) -> None:
    tokenizer.to_huggingface(directory / "tokenizer.json")
    end = tokenizer.decode([tokenizer.end_of_text]) if tokenizer.end_of_text is not None else None
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest}
    about |= {f"{role}_token": end for role in ("bos", "eos", "unk")} if end else {}
    (directory / "tokenizer_config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _new_directory(target: Path) -> Iterator[Path]:
    """A directory to write into, which becomes `target` when the block ends without an error."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{target} is there already: choose another directory, or remove it")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if target.exists():
            target.rmdir()  # it is empty, but not every system lets a directory replace another
        temporary.replace(target)
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
