"""`tinygpt models`: the published models of 2018 to 2021, counted by our own modules."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from ..model.presets import find, row, rows, shown
from ..model.published import PETAFLOP_DAY, Preset
from ..model.size import training_memory

COLUMNS = {
    "name": "model", "parameters": "parameters", "published": "published", "n_layer": "layers", "n_head": "heads",
    "n_embd": "width", "block_size": "context", "tokens": "tokens", "flops_6nd": "training FLOPs",
    "training_bytes": "GiB",
}  # fmt: skip
GIB = 1 << 30


def models_command(name: str | None, as_json: bool) -> None:
    """All models as a table, or one with everything that is known of it. Raises BadInput for an unknown name."""
    if as_json:
        print(json.dumps(rows() if name is None else row(find(name))))
    elif name is None:
        _table(rows())
    else:
        _one(find(name))


def _table(models: list[dict[str, Any]]) -> None:
    cells = [list(COLUMNS.values()), *([_short(column, each[column]) for column in COLUMNS] for each in models)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(COLUMNS))]
    for line in cells:
        first, *others = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths)))
        print("  ".join([first, *others]))
    print("\nParameters are counted from the modules here; training FLOPs are 6 for each parameter and each token.")
    print("GiB: weights, gradients and Adam's two moments in float32; activations come on top.")
    print("How one was trained, and why a count differs from the published one: tinygpt models NAME")


def _short(column: str, value: Any) -> str:
    if column == "training_bytes":
        return f"{value / GIB:,.1f}"
    return f"{value:.2e}" if column == "flops_6nd" and value is not None else shown(value)


def _one(preset: Preset) -> None:
    known, model = row(preset), preset.outline()
    for name, value in known.items():
        if name not in ("name", "flops", "flops_6nd", "training_bytes"):
            print(f"{name.replace('_', ' '):<17} {textwrap.fill(shown(value), 100, subsequent_indent=' ' * 18)}")
    if known["flops_6nd"] is not None:
        exact = "" if known["flops"] is None else f", or {known['flops']:.3g} with attention counted"
        days = known["flops_6nd"] / PETAFLOP_DAY
        print(f"{'training':<17} {known['flops_6nd']:.3g} operations{exact}: {days:,.2f} petaflop/s-days")
    memory = training_memory(model, 1, model.config.block_size)
    if preset.kind == "seq2seq":  # the formula of activations is for one stack
        needed = f"to train it {memory.state / GIB:,.1f} GiB in float32, activations not included"
    else:
        needed = (
            f"to train on one sequence in float32 {memory.total / GIB:,.1f} GiB "
            f"({memory.activations / GIB:,.1f} of them activations)"
        )
    print(f"{'memory':<17} {memory.weights / GIB:,.1f} GiB of weights; {needed}")
