"""Everything that a run needs to continue as if it had never stopped, in one file.

    model.<name>      each parameter, in float32 even if it computes in 16 bits
    adam.m, adam.v    the optimizer's moments, flat, in the optimizer's order
    adam.scale        the loss scale (float16 only), with its counts of good steps, adam.good and adam.counted
    metadata          step, configuration of model and run (JSON), the tokenizer (JSON), what computed it
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autograd import Key, blas_info, to_numpy, wide

from .. import safetensors
from ..errors import BadInput
from ..model.config import TransformerConfig
from ..model.kinds import CONFIGS, build, kind_of
from ..model.module import Module
from ..text.tokenizer import BaseTokenizer, tokenizer_from_definition
from .adam import AdamW

FORMAT = "tinygpt-checkpoint-1"


@dataclass
class Checkpoint:
    """A loaded checkpoint. `arrays` are read-only views of the file; their values are read when they are used."""

    step: int
    model_config: TransformerConfig
    run: dict[str, Any]
    tokenizer: BaseTokenizer
    computed_by: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def model(self, device: str = "cpu") -> Any:
        """A model with these parameters. Raises BadInput if they do not fit the configuration."""
        model = build(self.model_config, Key(0))
        model.load_state_dict(self._part("model."))
        return model.to(device)

    def restore(self, optimizer: AdamW) -> None:
        """Restores the state of an optimizer that was made for the parameters of `model()`, not rounded before.

        Raises BadInput for the moments of another model.
        """
        try:
            optimizer.load_state(self._part("adam."), self.step)
        except BadInput as error:
            raise BadInput(f"the checkpoint cannot be gone on from: {error}") from None

    def _part(self, prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}


def save_checkpoint(
    path: str | os.PathLike[str],
    step: int,
    model: Module,
    optimizer: AdamW,
    run: dict[str, Any],
    tokenizer: BaseTokenizer,
) -> None:
    """Writes the state after `step` finished steps, atomically. Raises BadInput if the file cannot be written."""
    values = {name: wide(optimizer.value_of(p)) for name, p in model.named_parameters().items()}
    arrays = {f"model.{name}": to_numpy(value) for name, value in values.items()}
    arrays |= {f"adam.{name}": to_numpy(value) for name, value in optimizer.state().items()}
    metadata = {
        "format": FORMAT,
        "step": str(step),
        "kind": kind_of(model.config),
        "model": json.dumps(asdict(model.config)),
        "run": json.dumps(run),
        "tokenizer": json.dumps(tokenizer.definition()),
        "computed_by": json.dumps(blas_info()),
    }
    safetensors.save(path, arrays, metadata)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Reads what `save_checkpoint` wrote. Raises BadInput for a file that is missing, damaged or of another kind."""
    arrays, metadata = safetensors.load(path)
    if metadata.get("format") != FORMAT:
        raise BadInput(f"{path} is a safetensors file but no checkpoint of tinygpt (no format {FORMAT!r} in it)")
    try:
        fields = {name: json.loads(metadata[name]) for name in ("step", "model", "run", "tokenizer", "computed_by")}
        kind = metadata.get("kind", "gpt")
        if kind not in CONFIGS:
            raise BadInput(f"a model of kind {kind!r}; this version knows {', '.join(CONFIGS)}")
        checkpoint = Checkpoint(
            step=int(fields["step"]),
            model_config=CONFIGS[kind](**fields["model"]),
            run=dict(fields["run"]),
            tokenizer=tokenizer_from_definition(dict(fields["tokenizer"])),
            computed_by=dict(fields["computed_by"]),
            arrays=arrays,
        )
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{path} is a damaged checkpoint: its metadata does not read ({error!r})") from None
    if checkpoint.tokenizer.vocab_size > checkpoint.model_config.vocab_size:
        raise BadInput(
            f"{path}: the tokenizer has {checkpoint.tokenizer.vocab_size} tokens, and the model knows "
            f"{checkpoint.model_config.vocab_size}: they do not belong together"
        )
    return checkpoint
