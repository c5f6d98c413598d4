"""Everything a run needs to go on as if it had never stopped, in one file.

    model.<name>      each parameter
    adam.m, adam.v    the optimizer's moments, flat, in the optimizer's order
    metadata          step, configuration of model and run (JSON), the tokenizer (JSON), what computed it
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autograd import Key, blas_info, device_of, to_device, to_numpy

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
    """A checkpoint in memory. `arrays` are windows on the file until they are copied into a model."""

    step: int
    model_config: TransformerConfig
    run: dict[str, Any]
    tokenizer: BaseTokenizer
    computed_by: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def model(self, device: str = "cpu") -> Any:
        """A model with these parameters. Raises BadInput where they do not fit the configuration."""
        model = build(self.model_config, Key(0))
        prefix = "model."
        state = {name[len(prefix) :]: a for name, a in self.arrays.items() if name.startswith(prefix)}
        model.load_state_dict(state)
        return model.to(device)

    def restore(self, optimizer: AdamW) -> None:
        """Brings the optimizer's moments and step count back; its parameters must be those of `model()`."""
        for name, buffer in (("adam.m", optimizer.m), ("adam.v", optimizer.v)):
            if name not in self.arrays or self.arrays[name].shape != buffer.shape:
                raise BadInput(f"the checkpoint holds no {name} that fits the model: training cannot go on from it")
            buffer[...] = to_device(self.arrays[name], device_of(buffer))
        optimizer.steps = self.step


def save_checkpoint(
    path: str | os.PathLike[str],
    step: int,
    model: Module,
    optimizer: AdamW,
    run: dict[str, Any],
    tokenizer: BaseTokenizer,
) -> None:
    """Writes the state after `step` finished steps, whole or not at all. Raises BadInput where the disk refuses."""
    arrays = {f"model.{name}": to_numpy(p) for name, p in model.state_dict().items()}
    arrays |= {"adam.m": to_numpy(optimizer.m), "adam.v": to_numpy(optimizer.v)}
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
