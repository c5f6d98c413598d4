"""The decoding loop: each token is predicted from all tokens before it, and then appended to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from autograd import Key

from ..errors import BadInput, require_whole
from .context import slides
from .reading import OneText, make_reader
from .sampling import Rule, greedy, require_predictions, sample


class GeneratedToken(NamedTuple):
    """A new token and its log-probability, in nats, under the model itself, before any rule."""

    token: int
    logprob: float


def generate(
    model: Any,
    prompt: Sequence[int],
    max_new_tokens: int,
    rule: Rule | None = None,
    key: Key | None = None,
    stop_tokens: Collection[int] = (),
    reader: OneText | None = None,
) -> Iterator[int]:
    """New tokens as they come, until max_new_tokens or one of stop_tokens (which is not yielded).

    With a key, token n is drawn under the rule with key.fold("token", n): the same key writes the same text. Without a
    key, the likeliest token is taken. context.py says what the model sees of a text longer than its context. reader: a
    OneText of this model. It keeps its cache between calls, so a prompt that begins like the last text is read only
    from where they differ. The weights must not have changed since.
    Raises BadInput for an empty prompt, ids outside the vocabulary, fractions, predictions that are not finite, and,
    where positions are absolute, a prompt longer than the context; with a reader, also for a text that may grow longer
    than the reader has room for.

    Formula: x_t ~ p(x_t | x_0 … x_{t−1})
    Paper: Bengio et al. 2003, "A neural probabilistic language model", section 1
    Example: examples/06_generation.py
    Test: tests/test_generate.py
    """
    written = generate_with_logprobs(model, prompt, max_new_tokens, rule, key, stop_tokens, reader)
    return (token for token, _ in written)


def generate_with_logprobs(
    model: Any,
    prompt: Sequence[int],
    max_new_tokens: int,
    rule: Rule | None = None,
    key: Key | None = None,
    stop_tokens: Collection[int] = (),
    reader: OneText | None = None,
) -> Iterator[GeneratedToken]:
    """The same tokens as `generate`, each with its log-probability. Raises BadInput as `generate` does."""
    batch = generate_batch(model, [prompt], max_new_tokens, rule, None if key is None else [key], stop_tokens, reader)
    return (written for _, written in batch)


def generate_batch(
    model: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    rule: Rule | None = None,
    keys: Sequence[Key] | None = None,
    stop_tokens: Collection[int] = (),
    reader: OneText | None = None,
) -> Batch:
    """Writes texts side by side: yields (number of a text, new token), the first token of each, then the second.

    Up to rounding, text i is the one that `generate` writes with prompt i and key i. Prompts may differ in length;
    equal prompts are read once. A text that has ended costs nothing more. reader: as in `generate`, for a single
    prompt. Raises BadInput as `generate` does, naming the prompt, and unless there is one key for each prompt.
    """
    if keys is not None and len(keys) != len(prompts):
        raise BadInput(f"there are {len(prompts)} prompts and {len(keys)} keys: give one key for each prompt")
    require_whole("max_new_tokens", max_new_tokens, 0)
    alike = len(set(map(tuple, prompts))) == 1
    for number, prompt in enumerate(prompts):
        check_prompt(model, prompt, "the prompt" if alike else f"prompt {number}")
    texts = [list(prompt) for prompt in prompts]
    if reader is not None:
        _check_reader(reader, model, texts, max_new_tokens)
    read = reader or make_reader(model, max(map(len, texts), default=0) + max_new_tokens)
    return Batch(read, texts, max_new_tokens, rule, keys, stop_tokens)


def _check_reader(reader: OneText, model: Any, texts: list[list[int]], max_new_tokens: int) -> None:
    if reader.model is not model:
        raise BadInput("the reader is another model's: make one with OneText(model)")
    if len(texts) != 1:
        raise BadInput(f"the reader is of one text, and there are {len(texts)} prompts: leave it out")
    longest = len(texts[0]) + max_new_tokens - 1  # the last token is written, but not read
    if longest > reader.context:
        raise BadInput(
            f"the reader has room for {reader.context} tokens, and the text may grow to {longest}: ask for fewer"
        )


class Batch(Iterator[tuple[int, GeneratedToken]]):
    """Texts that are being written at the same time. It can be gone through once; after a break it goes on."""

    def __init__(
        self,
        read: Any,
        texts: list[list[int]],
        max_new_tokens: int,
        rule: Rule | None,
        keys: Sequence[Key] | None,
        stop_tokens: Collection[int],
    ) -> None:
        self.read, self.texts, self.rule, self.keys, self.stop_tokens = read, texts, rule, keys, stop_tokens
        self.max_new_tokens, self.going_on = max_new_tokens, set(range(len(texts)))
        self._written = self._rounds()

    def end(self, number: int) -> None:
        """Ends this text: nothing more is written to it."""
        self.going_on.discard(number)

    def __next__(self) -> tuple[int, GeneratedToken]:
        return next(self._written)

    def _rounds(self) -> Iterator[tuple[int, GeneratedToken]]:
        rows = sorted(self.going_on)  # the text that each row of the reader holds
        for n in range(self.max_new_tokens):
            if not rows:
                return
            logits = self.read([self.texts[number] for number in rows])
            for number, each in zip(rows, logits):
                if number in self.going_on and (written := self._next(number, n, each)) is not None:
                    yield number, written
            stay = [row for row, number in enumerate(rows) if number in self.going_on]
            if 0 < len(stay) < len(rows):
                self.read.keep(stay)
            rows = [rows[row] for row in stay]

    def _next(self, number: int, n: int, logits: np.ndarray) -> GeneratedToken | None:
        """Chooses token n of a text and appends it; None where the text ends."""
        text = self.texts[number]
        require_predictions(logits)
        allowed = logits if self.rule is None else self.rule(logits, text)
        token = greedy(allowed) if self.keys is None else sample(allowed, self.keys[number].fold("token", n))
        if token in self.stop_tokens:
            self.end(number)
            return None
        text.append(token)
        return GeneratedToken(token, log_probability(logits, token))


def log_probability(logits: np.ndarray, token: int) -> float:
    """log softmax(logits)[token] in nats, for logits (V,) below +∞, without computing the other V − 1."""
    largest = logits.max()
    rest = logits - largest
    np.exp(rest, out=rest)
    return float(logits[token] - largest - np.log(rest.sum()))


def check_prompt(model: Any, prompt: Sequence[int], name: str) -> None:
    """Raises BadInput for a prompt that `generate` refuses."""
    config = model.config
    if not len(prompt):
        raise BadInput(f"{name} needs at least one token: begin with the end-of-text token, or with a newline")
    if len(prompt) > config.block_size and not slides(model):
        raise BadInput(f"{name} has {len(prompt)} tokens, and the context is {config.block_size}: shorten it")
    for token in prompt:
        if not isinstance(token, Integral):
            raise BadInput(f"{name} has {token!r} among its ids, which must be whole numbers")
    if not all(0 <= token < config.vocab_size for token in prompt):
        raise BadInput(f"{name} has ids outside 0 … {config.vocab_size - 1}: was it made by another tokenizer?")
