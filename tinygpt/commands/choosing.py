"""The options that say how each token is chosen and where the text ends, and the rules made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from ..generate import (
    Rule,
    banned_words,
    chain,
    min_p,
    no_repeat_ngram,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
)
from ..text.tokenizer import BaseTokenizer
from .flags import Idle
from .opening import known_tokens
from .options import LARGEST_SEED

OF_DRAWING = ("temperature", "top_k", "top_p", "min_p", "seed")
IDLE_WHERE_GREEDY = Idle(OF_DRAWING, lambda o: o.greedy, "--greedy draws nothing", "leave out --greedy")


@dataclass(frozen=True)
class ChoosingOptions:
    """The options, under the names of the command line. Raises BadInput for values out of range."""

    max_new_tokens: int = 200
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram: int | None = None
    ban: Sequence[str] = ()
    stop: Sequence[str] = ()
    greedy: bool = False
    seed: int = 1337

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise BadInput("--max-new-tokens must be at least 1")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise BadInput(f"--seed must be from 0 to {LARGEST_SEED}, not {self.seed}")
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise BadInput(
                f"--temperature must be a finite number above 0, not {self.temperature}; --greedy always takes the "
                "likeliest token"
            )
        if "" in self.stop:
            raise BadInput("--stop needs strings of at least one character")
        if "" in self.ban:
            raise BadInput("--ban needs words of at least one character")
        self.choosing()  # each rule checks its own number, before a model is opened

    def choosing(self) -> Rule:
        """The rules that look at the logits alone."""
        rules = [temperature(self.temperature)]
        rules += [top_k(self.top_k)] if self.top_k is not None else []
        rules += [top_p(self.top_p)] if self.top_p != 1 else []
        rules += [min_p(self.min_p)] if self.min_p is not None else []
        return chain(*rules)

    def forbidding(self, tokenizer: BaseTokenizer) -> Rule:
        """The rules that depend on the text so far."""
        rules = [repetition_penalty(self.repetition_penalty)] if self.repetition_penalty != 1 else []
        rules += [no_repeat_ngram(self.no_repeat_ngram)] if self.no_repeat_ngram is not None else []
        rules += [banned_words(self.ban, tokenizer)] if self.ban else []
        return chain(*rules)


def rule_for(model: Any, tokenizer: BaseTokenizer, options: ChoosingOptions, *more: Rule) -> Rule:
    """All rules; those that forbid tokens come first, so that the others choose among what is allowed.

    Raises BadInput for a --top-k beyond the model's vocabulary.
    """
    if options.top_k is not None and options.top_k > model.config.vocab_size:
        raise BadInput(f"--top-k {options.top_k} is more than the {model.config.vocab_size} tokens of the vocabulary")
    return chain(*known_tokens(model, tokenizer), options.forbidding(tokenizer), *more, options.choosing())
