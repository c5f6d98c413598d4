"""The models of 2018 to 2021 as configurations of ours, with what is known of how each was trained.

`find(name)` is one of them, `rows()` all of them as plain data for a table. Where the source does not say, there is
None, which `shown` writes as a dash. The numbers stand in published.py.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from .published import PRESETS, Preset
from .size import flops_per_token, training_flops, training_memory


def find(name: str) -> Preset:
    """The preset of that name, in any case and with spaces or dashes. Raises BadInput, listing the names there are."""
    wanted = name.strip().lower().replace(" ", "-")
    for preset in PRESETS:
        if preset.name == wanted:
            return preset
    raise BadInput(f"no model is called {name!r}; there are {', '.join(preset.name for preset in PRESETS)}")


def rows() -> list[dict[str, Any]]:
    """One dictionary a model, all with the same names, in the order of publication: numbers, texts and None."""
    return [row(preset) for preset in PRESETS]


def row(preset: Preset) -> dict[str, Any]:
    """A preset as plain data. parameters are counted from our modules, the others are as published.

    flops_6nd and flops: of the whole training, by 6 N D and counted exactly; None where the tokens are not known, and
    the exact count for one stack of blocks only. training_bytes: weights, gradients and Adam's moments in float32.
    """
    model, training = preset.outline(), preset.training
    c = model.config
    known = training.tokens is not None
    return {
        "name": preset.name,
        "kind": preset.kind,
        "parameters": model.n_params,
        "published": preset.published,
        "released": preset.released,
        "n_layer": c.n_layer,
        "n_head": c.n_head,
        "n_embd": c.n_embd,
        "block_size": c.block_size,
        "vocab_size": c.vocab_size,
        "positions": preset.positions,
        "tokens": training.tokens,
        "batch": training.batch,
        "learning_rate": training.learning_rate,
        "betas": training.betas,
        "clip": training.clip,
        "warmup": training.warmup,
        "precision": training.precision,
        "hardware": training.hardware,
        "petaflop_days": training.petaflop_days,
        "flops_6nd": training_flops(model.n_params, training.tokens) if known else None,
        "flops": flops_per_token(model, c.block_size) * training.tokens if known and preset.kind != "seq2seq" else None,
        "training_bytes": training_memory(model, 1, c.block_size).state,
        "source": preset.source,
        "training_source": training.source,
        "note": preset.note,
    }


def shown(value: Any) -> str:
    """One value of a row in a table's cell: None as a dash, whole numbers with commas."""
    if value is None:
        return "—"
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
