"""One token after another: each is predicted from all before it and becomes part of what the next is predicted from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd import Key, device_of, log_softmax, no_grad, to_device, to_numpy

from ..errors import BadInput
from ..model import GPT
from ..model.cache import Cache
from .sampling import Rule, greedy, sample


class Written(NamedTuple):
    """A new token, and the logarithm of the probability, in nats, that the model itself gave it, before any rule."""

    token: int
    logprob: float


def generate(
    model: Any,
    prompt: Sequence[int],
    max_new_tokens: int,
    rule: Rule | None = None,
    key: Key | None = None,
    stop_tokens: Collection[int] = (),
) -> Iterator[int]:
    """New tokens as they come, until max_new_tokens or one of stop_tokens (which is not yielded).

    With a key, token n is drawn by rule from key.fold("token", n): the same key writes the same text. Without one, the
    likeliest token is taken. Once the text outgrows the context the model sees its last block_size tokens.
    Raises BadInput for an empty prompt, one longer than the context, and ids the model does not know.

    Formula: x_t ~ p(x_t | x_0 … x_{t−1})
    Paper: Bengio et al. 2003, "A neural probabilistic language model", section 1
    Example: examples/06_generation.py
    Test: tests/test_generate.py
    """
    written = generate_with_logprobs(model, prompt, max_new_tokens, rule, key, stop_tokens)
    return (token for token, _ in written)


def generate_with_logprobs(
    model: Any,
    prompt: Sequence[int],
    max_new_tokens: int,
    rule: Rule | None = None,
    key: Key | None = None,
    stop_tokens: Collection[int] = (),
) -> Iterator[Written]:
    """The same tokens as `generate`, each with its log-probability. Raises BadInput as `generate` does."""
    tokens, config = list(prompt), model.config
    if not tokens:
        raise BadInput("a prompt needs at least one token: begin with the end-of-text token, or with a newline")
    if len(tokens) > config.block_size:
        raise BadInput(f"the prompt has {len(tokens)} tokens, and the context is {config.block_size}: shorten it")
    if not all(0 <= token < config.vocab_size for token in tokens):
        raise BadInput(f"the prompt has ids outside 0 … {config.vocab_size - 1}: was it made by another tokenizer?")
    return _continue(model, tokens, max_new_tokens, rule, key, stop_tokens)


def _continue(
    model: Any, tokens: list[int], max_new_tokens: int, rule: Rule | None, key: Key | None, stop_tokens: Collection[int]
) -> Iterator[Written]:
    next_logits = _Reader(model) if isinstance(model, GPT) else partial(_read_again, model)
    for n in range(max_new_tokens):
        logits = next_logits(tokens)
        allowed = rule(logits, tokens) if rule else logits
        token = greedy(allowed) if key is None else sample(allowed, key.fold("token", n))
        if token in stop_tokens:
            return
        tokens.append(token)
        yield Written(token, float(log_softmax(logits.astype(np.float64)).data[token]))


class _Reader:
    """The logits after a growing text, of which each token is read once while the context lasts.

    Beyond it every place moves by one with each token, and the window is read again.
    """

    def __init__(self, model: GPT) -> None:
        self.model, self.table = model, model.wte.weight.data
        self.cache = Cache.empty(model.config, 1, model.config.block_size, self.table)

    def __call__(self, tokens: Sequence[int]) -> np.ndarray:
        if len(tokens) > self.model.config.block_size:
            return _read_again(self.model, tokens)
        new = np.asarray([tokens[self.cache.length :]], dtype=np.int64)
        with no_grad():
            hidden = self.model.hidden(to_device(new, device_of(self.table)), cache=self.cache)
            return to_numpy(self.model.logits(hidden[:, -1]).data[0])


def _read_again(model: Any, tokens: Sequence[int]) -> np.ndarray:
    """The logits after the last block_size tokens."""
    window = np.asarray([tokens[-model.config.block_size :]], dtype=np.int64)
    with no_grad():
        return to_numpy(model(to_device(window, model.parameters()[0].device)).data[0, -1])
