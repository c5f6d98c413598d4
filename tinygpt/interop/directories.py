"""A directory as Hugging Face's libraries write it: settings, weights in one file or several, a vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .. import safetensors
from ..errors import BadInput
from ..text.tokenizer import BaseTokenizer
from ..text.tokenizer.reading import read_tokenizer

SETTINGS = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
VOCABULARIES = ("tokenizer.json", "vocab.json")  # either is enough; the second needs its merges
MERGES = "merges.txt"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def is_foreign(directory: Path) -> bool:
    """Whether Hugging Face's libraries wrote the directory: it has weights under their names, or a model_type."""
    if any((directory / name).exists() for name in (WEIGHTS, INDEX)) or _pickles(directory):
        return True
    try:
        return (directory / SETTINGS).exists() and "model_type" in read_settings(directory)
    except BadInput:
        return False


def read_settings(directory: Path) -> dict[str, Any]:
    """config.json."""
    return read_object(directory / SETTINGS)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises BadInput where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{path} is damaged: it is no JSON") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path} is damaged: it holds no JSON object")
    return value


def read_weights(directory: Path) -> dict[str, np.ndarray]:
    """The stored arrays, read-only and mapped from their file or files.

    Raises BadInput for a directory without weights or with pickles only, and for an index that names no file, a file
    outside the directory, or other weights than the files hold.
    """
    if (directory / WEIGHTS).exists():
        return safetensors.load(directory / WEIGHTS, bfloat16=True)[0]
    if (directory / INDEX).exists():
        return _read_parts(directory)
    if pickles := _pickles(directory):
        refuse_pickle(pickles[0])
    raise BadInput(f"{directory} has no {WEIGHTS}, which holds the weights: copy or download it there")


def _read_parts(directory: Path) -> dict[str, np.ndarray]:
    index = directory / INDEX
    place = read_object(index).get("weight_map")
    if not isinstance(place, dict) or not place or not all(_is_plain(name) for name in place.values()):
        raise BadInput(f"{index} is damaged: its weight_map must give each weight a file in the same directory")
    parts = {name: safetensors.load(directory / name, bfloat16=True)[0] for name in sorted(set(place.values()))}
    for weight, name in place.items():
        if weight not in parts[name]:
            raise BadInput(f"{index} says that {weight} is in {name}, where it is not")
    for name, part in parts.items():
        for weight in part:
            if place.get(weight) != name:
                raise BadInput(f"{directory / name} holds {weight}, which {INDEX} does not say")
    return {weight: parts[name][weight] for weight, name in place.items()}


def _is_plain(name: Any) -> bool:
    return isinstance(name, str) and name.endswith(".safetensors") and not set(name) & set("/\\\0:")


def _pickles(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in PICKLES and "model" in path.name)
    except OSError:
        return []


def refuse_pickle(path: Path) -> None:
    """Raises BadInput that says how to convert the file to one that can be read safely."""
    raise BadInput(
        f"{path} is a pickle, which can run any program when it is opened, and is never read here: where you trust it, "
        'convert it once, with transformers installed, by python -c "from transformers import AutoModelForCausalLM; '
        f"AutoModelForCausalLM.from_pretrained('{path.parent}').save_pretrained('{path.parent}-safe')\""
    )


def read_vocabulary(directory: Path) -> BaseTokenizer | None:
    """The tokenizer, or None where the directory has none."""
    if not any((directory / name).exists() for name in VOCABULARIES):
        return None
    return read_tokenizer(directory)[0]
