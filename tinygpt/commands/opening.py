"""A trained model for a command that reads or writes text."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from ..generate import Rule
from ..interop import Pretrained, load


def open_model(directory: str) -> Pretrained:
    """The model and tokenizer in a run's directory or Hugging Face's. Raises BadInput where either is missing."""
    opened = load(directory, dropout=0.0)
    if opened.tokenizer is None:
        raise BadInput(f"{directory} has no tokenizer: put tokenizer.json there, or vocab.json and merges.txt")
    return opened


def known_tokens(opened: Pretrained) -> list[Rule]:
    """The rule that leaves out ids which are no tokens: tables of weights are at times rounded up to a larger size."""
    known = opened.tokenizer.vocab_size
    if known == opened.model.config.vocab_size:
        return []
    return [lambda logits, *_: np.where(np.arange(logits.size) < known, logits, -np.inf)]
