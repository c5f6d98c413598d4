"""Opens a trained model of the kind that a command needs, from a run or from Hugging Face."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import configure, float_type, use_device, use_tf32

from ..errors import BadInput
from ..generate import Rule, lay_out
from ..interop import load
from ..model.kinds import kind_of
from ..text.tokenizer import BaseTokenizer

USES = {
    "gpt": "tinygpt generate and tinygpt eval continue texts and score them",
    "bert": "tinygpt fill predicts masked tokens",
    "seq2seq": "tinygpt translate and tinygpt summarize turn one text into another",
}


def choose_device(device: str, dtype: str = "float32") -> None:
    """Computes on this device in this precision from now on. Raises BadInput, with a remedy, where that cannot be."""
    configure()
    try:
        use_device(device)
    except ValueError as error:
        raise BadInput(f"--device {device}: {error}") from None
    except RuntimeError as error:
        raise BadInput(f"--device {device}: {error} (tinygpt doctor says more)") from None
    if device == "cpu" and dtype != "float32":
        raise BadInput(
            f"--dtype {dtype} is for a GPU: a processor computes in float32 and would only lose time and digits; "
            "choose --device cuda, or --dtype float32"
        )
    try:
        float_type(stored_type(dtype))
    except RuntimeError as error:
        raise BadInput(f"--dtype {dtype}: {error}") from None
    if dtype == "tf32":
        use_tf32()


def stored_type(dtype: str) -> str:
    """What an array's type is called for a --dtype: tf32 is float32 until it is multiplied."""
    return "float32" if dtype == "tf32" else dtype


def open_model(
    directory: str, kind: str, device: str = "cpu", dtype: str = "float32"
) -> tuple[Any, BaseTokenizer]:
    """The model, on `device` and in the precision `dtype`, and the tokenizer in a run's directory or Hugging Face's.

    Raises BadInput where either is missing, and where the model is of another kind, with what that one is for.
    """
    choose_device(device, dtype)
    opened = load(directory, dropout=0.0)
    if opened.tokenizer is None:
        raise BadInput(f"{directory} has no tokenizer: put tokenizer.json there, or vocab.json and merges.txt")
    found = kind_of(opened.model.config)
    if found != kind:
        raise BadInput(f"{directory} holds a model of another kind ({found}): {USES[found]}")
    return lay_out(opened.model.to(device, stored_type(dtype))), opened.tokenizer


def known_tokens(model: Any, tokenizer: BaseTokenizer) -> list[Rule]:
    """A rule that excludes ids without a token, if there are any: embedding tables are sometimes padded."""
    known = tokenizer.vocab_size
    if known == model.config.vocab_size:
        return []
    return [lambda logits, _: np.where(np.arange(logits.size) < known, logits, -np.inf)]
