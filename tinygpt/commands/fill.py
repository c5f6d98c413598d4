"""`tinygpt fill`: an encoder predicts the masked tokens of a text."""

from __future__ import annotations

import json

from ..errors import BadInput
from ..generate import fill
from .opening import open_model


def fill_command(run: str, text: str, k: int, as_json: bool, device: str = "cpu", dtype: str = "float32") -> None:
    """Prints the k likeliest tokens of each mask, with their probabilities."""
    if k < 1:
        raise BadInput(f"--top-k must be at least 1, not {k}")
    model, tokenizer = open_model(run, "bert", device, dtype)
    if k > len(tokenizer.ordinary_ids):
        raise BadInput(f"--top-k must be at most the {len(tokenizer.ordinary_ids)} ordinary tokens, not {k}")
    places = fill(model, tokenizer, text, k)
    if as_json:
        print(json.dumps([[each._asdict() for each in candidates] for candidates in places]))
        return
    for number, candidates in enumerate(places, 1):
        if len(places) > 1:
            print(f"{chr(10) if number > 1 else ''}mask {number}")
        for each in candidates:
            print(f"{each.probability:>7.1%}  {each.text!r}")
