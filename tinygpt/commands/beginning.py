"""What a run begins from: fresh weights, or a model that has been trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import BadInput
from ..interop import Pretrained, load
from ..model.kinds import kind_of
from ..text.tokenizer import CharTokenizer
from .options import TrainOptions
from .tasks import TASKS, task_of
from .tasks.task import shape

FORM = (*(name for name in shape(TrainOptions()) if name != "dropout"), "tokenizer", "vocab_size")
"""The options that an existing model decides."""


def beginning(given: dict[str, Any]) -> tuple[TrainOptions, Pretrained | None]:
    """The options of a new run, and the model that it begins from, if --init-from names one.

    Options of form and tokenizer that were not given are those of the model. Raises BadInput for values out of range,
    for options that contradict the model, and for a model of another kind than the task needs.
    """
    if "init_from" not in given:
        return TrainOptions.asked(given), None
    early = TrainOptions(**{name: value for name, value in given.items() if name not in FORM})
    begun = load(early.init_from, dropout=early.dropout)
    _require_kind(begun, early)
    options, config = TrainOptions.asked(given, _form(begun, early)), begun.model.config
    if options.block_size > config.block_size:
        begun.model.config = replace(config, block_size=options.block_size)
    return options, begun


def _require_kind(begun: Pretrained, options: TrainOptions) -> None:
    found = kind_of(begun.model.config)
    if found != task_of(options).kind:
        right = " or ".join(name for name, task in TASKS.items() if task.kind == found)
        raise BadInput(f"--task {options.task} cannot begin from {options.init_from}, which is for --task {right}")


def _form(begun: Pretrained, options: TrainOptions) -> dict[str, Any]:
    if begun.tokenizer is None:
        raise BadInput(f"{options.init_from} has no tokenizer: put tokenizer.json there, or vocab.json and merges.txt")
    config = begun.model.config
    own = {name: getattr(config, name) for name in FORM if hasattr(config, name)}
    kind = "char" if isinstance(begun.tokenizer, CharTokenizer) else "bpe"
    return own | {"tokenizer": kind, "vocab_size": begun.tokenizer.vocab_size}
