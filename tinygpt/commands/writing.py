"""Text from a model, shown while it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autograd import Key

from ..errors import BadInput
from ..generate import Batch, GeneratedToken, Rule, TextStream, chain, generate_batch, temperature, top_k
from ..text.tokenizer import BaseTokenizer
from .opening import known_tokens

COOL, FEW = 0.6, 50  # of samples: a small model writes better at a temperature below 1, without its unlikeliest tokens
AT_ONCE = 16  # texts written together: more would take longer in proportion, and each needs keys and values of its own


def write_sample(model: Any, tokenizer: BaseTokenizer, max_new_tokens: int, seed: int) -> None:
    """Prints a new text, as it comes, and a newline."""
    rule = chain(*known_tokens(model, tokenizer), temperature(COOL), top_k(min(FEW, model.config.vocab_size)))
    for _ in write_samples(model, tokenizer, "", max_new_tokens, Key(seed), rule):
        pass


def write_samples(
    model: Any,
    tokenizer: BaseTokenizer,
    prompt: str,
    max_new_tokens: int,
    key: Key | None,
    rule: Rule,
    stop: Sequence[str] = (),
    count: int = 1,
) -> Iterator[list[GeneratedToken]]:
    """Prints `count` continuations of the prompt; yields the new tokens of each after it is printed.

    Number n is drawn with key.fold("sample", n), or written greedily without a key. Several are written together,
    AT_ONCE at a time; the first is shown as it comes. An empty prompt begins a new document. A text ends before the
    first of the strings `stop`. Raises BadInput, before anything is printed, for a prompt that cannot be read.
    """
    ids = prompt_ids(tokenizer, prompt)
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        keys = None if key is None else [key.fold("sample", number) for number in numbers]
        batch = generate_batch(model, [ids] * len(numbers), max_new_tokens, rule, keys, tokenizer.ends)
        texts = [ShownText(tokenizer, heading(number, count) + prompt, stop) for number in numbers]
        yield from _show_one_after_another(batch, texts)


def heading(number: int, count: int) -> str:
    """The line above one of several samples; nothing for a single one."""
    return f"{chr(10) if number else ''}sample {number + 1}\n" if count > 1 else ""


def _show_one_after_another(batch: Batch, texts: Sequence[ShownText]) -> Iterator[list[GeneratedToken]]:
    with texts[0]:
        for row, written in batch:
            texts[row].add(written)
            if texts[row].stream.stopped:
                batch.end(row)
    yield texts[0].written
    for text in texts[1:]:
        with text:
            pass  # it is complete, and only waits to be shown
        yield text.written


class ShownText:
    """A text that is being written, and the part of it that waits to be shown; inside `with` nothing waits."""

    def __init__(self, tokenizer: BaseTokenizer, beginning: str, stop: Sequence[str]) -> None:
        self.stream, self.waiting, self.shown = TextStream(tokenizer, stop), beginning, False
        self.written: list[GeneratedToken] = []
        self._last = ""

    def __enter__(self) -> ShownText:
        self.shown = True
        self._print("")
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Shows the rest. Where an error ends the text, ends its line only, so that a sentence about it begins one."""
        if error is None:
            self._print(self.stream.finish() + "\n")
        elif issubclass(error, BadInput) and self._last not in ("", "\n"):
            print(flush=True)

    def add(self, written: GeneratedToken) -> None:
        self.written.append(written)
        self._print(self.stream.push(written.token))

    def _print(self, piece: str) -> None:
        self.waiting += piece
        if self.shown:
            print(self.waiting, end="", flush=True)
            self._last = self.waiting[-1:] or self._last
            self.waiting = ""


def prompt_ids(tokenizer: BaseTokenizer, prompt: str) -> list[int]:
    """The tokens of a prompt; special tokens written in it are ordinary text. An empty one begins a document."""
    return tokenizer.encode(prompt) or _beginning(tokenizer)


def _beginning(tokenizer: BaseTokenizer) -> list[int]:
    """What stands before a document: the end-of-text token, else the end of a line, else token 0."""
    if tokenizer.end_of_text is not None:
        return [tokenizer.end_of_text]
    try:
        return tokenizer.encode("\n")
    except BadInput:
        return [0]
