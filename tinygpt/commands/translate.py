"""`tinygpt translate` and `tinygpt summarize`: an encoder–decoder makes one text of another."""

from __future__ import annotations

import sys

from ..errors import BadInput
from ..generate import translations
from ..text.batches import pad
from .beams import BeamOptions, print_best
from .given_text import read_standard_input
from .opening import open_model


def translate_command(
    run: str,
    text: str | None,
    beams: BeamOptions,
    max_new_tokens: int | None,
    whole: bool,
    device: str = "cpu",
    dtype: str = "float32",
) -> None:
    """Prints the best that the model writes for each line of a text, or for the text as a whole if `whole`.

    Without a text it reads standard input. A blank line gives a blank line, so that output and input match line by
    line. Raises BadInput, before anything is printed, for a text without a word in it, and for one that the vocabulary
    cannot spell.
    """
    model, tokenizer = open_model(run, "seq2seq", device, dtype)
    size, end = model.config.block_size, tokenizer.end_of_text
    if end is None:
        raise BadInput(f"{run} has a vocabulary without <|endoftext|>, which begins and ends what is written")
    if max_new_tokens is not None and not 1 <= max_new_tokens < size:
        raise BadInput(f"--max-new-tokens must be from 1 to {size - 1}, one less than the model's context")
    text = read_standard_input() if text in (None, "-") else text
    sources = [text.strip()] if whole else [line.strip() for line in text.removesuffix("\n").split("\n")]
    if not any(sources):
        raise BadInput("there is no text: give one, or send it to standard input")
    for ids in tokenizer.encode_batch(sources):
        if not ids:
            print(flush=True)
            continue
        if len(ids) > size:
            print(f"note: of {len(ids)} tokens the first {size} are read, which is the context", file=sys.stderr)
        begun = translations(model, *pad([ids[:size]]), end, max_new_tokens or size - 1)
        print_best(beams, begun, [end], lambda tokens: tokenizer.decode(tokens).strip(), headed=whole)
