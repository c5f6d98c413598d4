"""The model and the tokenizer of a finished run, for commands that want one kind of model."""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from ..model.kinds import kind_of
from ..text.tokenizer import BaseTokenizer
from ..train.run import Run

USES = {
    "gpt": "tinygpt generate and tinygpt eval go on with texts and score them",
    "bert": "tinygpt fill guesses hidden places",
    "seq2seq": "tinygpt translate and tinygpt summarize turn one text into another",
}


def open_model(run: str, kind: str) -> tuple[Any, BaseTokenizer]:
    """Raises BadInput where there is no run, and where its model is of another kind, with what that one is for."""
    checkpoint = Run.existing(run).load()
    found = kind_of(checkpoint.model_config)
    if found != kind:
        raise BadInput(f"{run} holds a model of another kind ({found}): {USES[found]}")
    return checkpoint.model(), checkpoint.tokenizer
