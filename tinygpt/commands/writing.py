"""Text from a model, shown while it is written."""

from __future__ import annotations

from typing import Any

from autograd import Key

from ..errors import BadInput
from ..generate import Rule, chain, generate, temperature, top_k
from ..text.tokenizer import BaseTokenizer, StreamDecoder

COOL = 0.6  # a small model spells better below its own temperature


def write_sample(
    model: Any,
    tokenizer: BaseTokenizer,
    prompt: str,
    max_new_tokens: int,
    seed: int,
    rule: Rule | None = None,
    number: int = 0,
) -> None:
    """Prints the prompt and what the model makes of it, token by token, and a newline.

    An empty prompt begins a document. Raises BadInput, before anything is printed, for a prompt that cannot be read.
    """
    rule = rule or chain(temperature(COOL), top_k(50))
    stop = () if tokenizer.end_of_text is None else (tokenizer.end_of_text,)
    ids = tokenizer.encode(prompt) or _beginning(tokenizer)
    decoder = StreamDecoder(tokenizer)
    tokens = generate(model, ids, max_new_tokens, rule, Key(seed).fold("sample", number), stop)
    print(prompt, end="", flush=True)
    for token in tokens:
        print(decoder.push(token), end="", flush=True)
    print(decoder.finish(), flush=True)


def _beginning(tokenizer: BaseTokenizer) -> list[int]:
    """What stands before a document: the end of another, or of a line, or whatever a vocabulary without both has."""
    if tokenizer.end_of_text is not None:
        return [tokenizer.end_of_text]
    try:
        return tokenizer.encode("\n")
    except BadInput:
        return [0]
