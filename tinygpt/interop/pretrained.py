"""Loads a trained model: a run of ours, or a directory that Hugging Face's libraries wrote."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import BadInput
from ..safetensors import BFLOAT16
from ..text.tokenizer import BaseTokenizer
from ..train.run import Run
from . import directories, gpt2
from .weights import check_fit, filled_model

ARCHITECTURES: dict[str, ModuleType] = {"gpt2": gpt2}
"""Their model_type, and the module with the tables of its settings and weights: read_config, weights, own_weights."""


@dataclass(frozen=True)
class Pretrained:
    """A model ready for use, and what is known of it.

    tokenizer: None where the directory has none. settings: the record of a run (its options and corpus), or config.json
    as it stands. stored_as: the type of the weights in the file; in memory they are float32.
    """

    model: Any
    tokenizer: BaseTokenizer | None
    settings: dict[str, Any]
    stored_as: str


def load(path: str | os.PathLike[str], device: str = "cpu", dropout: float | None = None) -> Pretrained:
    """The model and tokenizer in the directory of a run, or in one that Hugging Face's libraries wrote.

    Of the latter it reads config.json, model.safetensors (or its parts and their index), and tokenizer.json or
    vocab.json with merges.txt; GPT-2 is the one architecture known so far. Weights go from the mapped file straight
    into the parameters, as float32: what was stored in 16 bits takes twice the file's size in memory. `dropout`
    replaces the rate with which the model was trained, for further training.

    Raises BadInput in one sentence for anything missing, damaged, contradictory or not supported, before memory is
    taken for it.
    """
    path = Path(path)
    if path.is_file() and path.suffix in directories.PICKLES:
        directories.refuse_pickle(path)
    if path.is_file() and path.suffix == ".safetensors":
        raise BadInput(f"{path} is one file of a model: give the directory that it stands in")
    if not is_run(path) and directories.is_foreign(path):
        return _load_foreign(path, device, dropout)
    if not path.exists() and str(path) in gpt2.SHORT_NAMES:
        raise BadInput(f"there is no directory {path}: tinygpt fetch {path} downloads that model into models/{path}")
    checkpoint = Run.existing(path).load()
    if dropout is not None:
        checkpoint.model_config = replace(checkpoint.model_config, dropout=dropout)
    return Pretrained(checkpoint.model(device), checkpoint.tokenizer, checkpoint.run, "float32")


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a directory is a run of ours that has been saved."""
    return Run(path).checkpoint.exists()


def _load_foreign(directory: Path, device: str, dropout: float | None) -> Pretrained:
    settings = directories.read_settings(directory)
    architecture = architecture_of(settings, directory / directories.SETTINGS)
    try:
        config = architecture.read_config(settings, dropout)
    except BadInput as error:
        raise BadInput(f"{directory / directories.SETTINGS}: {error}") from None
    stored = architecture.own_weights(directories.read_weights(directory), config, str(directory))
    check_fit(architecture.weights(config), stored, str(directory))
    tokenizer = directories.read_vocabulary(directory)
    if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
        raise BadInput(
            f"{directory}: the tokenizer has {tokenizer.vocab_size} tokens, and the model knows {config.vocab_size}: "
            "they do not belong together"
        )
    model = filled_model(config, architecture.weights(config), stored)
    return Pretrained(model.to(device), tokenizer, settings, _types_of(stored))


def architecture_of(settings: dict[str, Any], where: Path) -> ModuleType:
    """The tables for a config.json. Raises BadInput for an architecture that there are none for."""
    kind = settings.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise BadInput(f"{where}: model_type is {kind!r}, and this version reads {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[kind]


def _types_of(stored: dict[str, np.ndarray]) -> str:
    types = {"bfloat16" if array.dtype == BFLOAT16 else array.dtype.name for array in stored.values()}
    return " and ".join(sorted(types))
