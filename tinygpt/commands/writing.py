"""Text from a model, shown while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from autograd import Key

from ..errors import BadInput
from ..generate import Rule, Written, chain, generate_with_logprobs, stream_text, temperature, top_k
from ..text.tokenizer import BaseTokenizer

COOL, FEW = 0.6, 50  # a small model spells better below its own temperature, and without its unlikeliest tokens


def write_sample(
    model: Any,
    tokenizer: BaseTokenizer,
    prompt: str,
    max_new_tokens: int,
    seed: int,
    rule: Rule | None = None,
    number: int = 0,
    greedy: bool = False,
    stop: Sequence[str] = (),
) -> list[Written]:
    """Prints the prompt and what the model makes of it, as it comes, and a newline; returns the new tokens.

    An empty prompt begins a document. The text ends before the first of the strings `stop`. Raises BadInput, before
    anything is printed, for a prompt that cannot be read.
    """
    rule = rule or chain(temperature(COOL), top_k(min(FEW, model.config.vocab_size)))
    ends = () if tokenizer.end_of_text is None else (tokenizer.end_of_text,)
    key = None if greedy else Key(seed).fold("sample", number)
    written = generate_with_logprobs(model, prompt_ids(tokenizer, prompt), max_new_tokens, rule, key, ends)
    kept: list[Written] = []
    pieces = stream_text(_noted(written, kept), tokenizer, stop)
    print(prompt, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print(flush=True)
    return kept


def _noted(written: Iterable[Written], kept: list[Written]) -> Iterator[int]:
    """The tokens on their way, each remembered."""
    for each in written:
        kept.append(each)
        yield each.token


def prompt_ids(tokenizer: BaseTokenizer, prompt: str) -> list[int]:
    """The tokens that a text goes on from; special tokens written in it are ordinary text."""
    return tokenizer.encode(prompt) or _beginning(tokenizer)


def _beginning(tokenizer: BaseTokenizer) -> list[int]:
    """What stands before a document: the end of another, or of a line, or whatever a vocabulary without both has."""
    if tokenizer.end_of_text is not None:
        return [tokenizer.end_of_text]
    try:
        return tokenizer.encode("\n")
    except BadInput:
        return [0]
