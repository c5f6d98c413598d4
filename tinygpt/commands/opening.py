"""A trained model for a command that wants one kind of it: of a run, or from Hugging Face."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import use_device

from ..errors import BadInput
from ..generate import Rule
from ..interop import load
from ..model.kinds import kind_of
from ..text.tokenizer import BaseTokenizer

USES = {
    "gpt": "tinygpt generate and tinygpt eval go on with texts and score them",
    "bert": "tinygpt fill guesses hidden places",
    "seq2seq": "tinygpt translate and tinygpt summarize turn one text into another",
}


def choose_device(device: str) -> None:
    """Computes there from now on. Raises BadInput where this machine cannot, with the remedy."""
    try:
        use_device(device)
    except ValueError as error:
        raise BadInput(f"--device {device}: {error}") from None
    except RuntimeError as error:
        raise BadInput(f"--device {device}: {error} (tinygpt doctor looks closer)") from None


def open_model(directory: str, kind: str, device: str = "cpu") -> tuple[Any, BaseTokenizer]:
    """The model, on `device`, and the tokenizer in a run's directory or Hugging Face's.

    Raises BadInput where either is missing, and where the model is of another kind, with what that one is for.
    """
    choose_device(device)
    opened = load(directory, dropout=0.0)
    if opened.tokenizer is None:
        raise BadInput(f"{directory} has no tokenizer: put tokenizer.json there, or vocab.json and merges.txt")
    found = kind_of(opened.model.config)
    if found != kind:
        raise BadInput(f"{directory} holds a model of another kind ({found}): {USES[found]}")
    return opened.model.to(device), opened.tokenizer


def known_tokens(model: Any, tokenizer: BaseTokenizer) -> list[Rule]:
    """The rule that leaves out ids which are no tokens: tables of weights are at times rounded up to a larger size."""
    known = tokenizer.vocab_size
    if known == model.config.vocab_size:
        return []
    return [lambda logits, _: np.where(np.arange(logits.size) < known, logits, -np.inf)]
