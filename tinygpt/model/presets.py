"""Published models of 2018 to 2021 as configurations of this project, with what is known about their training.

`find(name)` gives one of them, `rows()` all of them as plain data for a table. What a source does not say is None,
which `shown` writes as a dash. The numbers are in published.py.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from .published import PRESETS, Preset
from .size import flops_per_token, training_flops, training_memory


def find(name: str) -> Preset:
    """The preset of that name, in any case, with spaces or dashes. Raises BadInput with the list of known names."""
    wanted = name.strip().lower().replace(" ", "-")
    for preset in PRESETS:
        if preset.name == wanted:
            return preset
    raise BadInput(f"no model is called {name!r}; there are {', '.join(preset.name for preset in PRESETS)}")


def rows() -> list[dict[str, Any]]:
    """One dictionary for each model, all with the same keys, in the order of publication."""
    return [row(preset) for preset in PRESETS]


def row(preset: Preset) -> dict[str, Any]:
    """A preset as plain data: numbers, texts, tuples of them, and None.

    parameters: counted from our modules; the other figures are the published ones. flops_6nd: of the whole training, by
    the rule 6 N D; flops: counted exactly. Both are None if the number of tokens is not known, flops also for an
    encoder–decoder. training_bytes: weights, gradients and Adam's moments in float32.
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
    """A value as the text of a table's cell: None as a dash, whole numbers with commas."""
    if value is None:
        return "—"
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
