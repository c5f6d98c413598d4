"""`tinygpt generate`: a trained model goes on with a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import BadInput
from ..generate import (
    Rule,
    Written,
    banned_words,
    chain,
    continuations,
    min_length,
    min_p,
    no_repeat_ngram,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
)  # fmt: skip
from ..model import GPT
from ..text.tokenizer import BaseTokenizer
from .beams import BeamOptions, print_best
from .opening import known_tokens, open_model
from .options import LARGEST_SEED
from .score import print_tokens
from .writing import prompt_ids, write_sample


@dataclass(frozen=True)
class GenerateOptions:
    """What is asked of the text; the names are those of the command line."""

    prompt: str
    max_new_tokens: int
    temperature: float
    top_k: int | None
    top_p: float
    min_p: float | None
    repetition_penalty: float
    no_repeat_ngram: int | None
    ban: Sequence[str]
    min_new_tokens: int
    stop: Sequence[str]
    greedy: bool
    logprobs: bool
    seed: int
    num_samples: int
    beam: int | None
    length_penalty: float
    best: int

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.num_samples < 1:
            raise BadInput("--max-new-tokens and --num-samples must be at least 1")
        if not 0 <= self.min_new_tokens <= self.max_new_tokens:
            raise BadInput(
                f"--min-new-tokens must be from 0 to --max-new-tokens {self.max_new_tokens}, not {self.min_new_tokens}"
            )
        if not 0 <= self.seed <= LARGEST_SEED:
            raise BadInput(f"--seed must be from 0 to {LARGEST_SEED}, not {self.seed}")
        if self.greedy and self.num_samples > 1:
            raise BadInput("--greedy writes the same text every time: leave it out, or --num-samples")
        if "" in self.stop:
            raise BadInput("--stop needs strings of at least one character")
        if "" in self.ban:
            raise BadInput("--ban needs words of at least one character")
        if self.beam is None and self.best != 1:
            raise BadInput("--best is for what a beam finds: add --beam, or ask for --num-samples")
        if self.beam is not None and (self.greedy or self.stop or self.logprobs or self.num_samples > 1):
            raise BadInput("--beam searches whole texts: leave out --greedy, --stop, --logprobs and --num-samples")


def generate_command(run: str, options: GenerateOptions) -> None:
    """Prints num_samples continuations of the prompt. Raises BadInput for a run that is none and senseless numbers."""
    choose = _rules_that_choose(options)
    model, tokenizer = open_model(run, "gpt")
    if options.top_k is not None and options.top_k > model.config.vocab_size:
        raise BadInput(f"--top-k {options.top_k} is more than the {model.config.vocab_size} tokens of the vocabulary")
    allowed = chain(*known_tokens(model, tokenizer), _rules_that_forbid(options, tokenizer))
    if options.beam is not None:
        _print_beam(model, tokenizer, options, allowed)
        return
    rule = chain(allowed, choose)
    for number in range(options.num_samples):
        if options.num_samples > 1:
            print(f"{chr(10) if number else ''}sample {number + 1}")
        written = write_sample(
            model, tokenizer, options.prompt, options.max_new_tokens, options.seed, rule, number, options.greedy,
            options.stop,
        )  # fmt: skip
        if options.logprobs:
            _print_logprobs(tokenizer, written)


def _print_beam(model: GPT, tokenizer: BaseTokenizer, options: GenerateOptions, rule: Rule) -> None:
    beams = BeamOptions(options.beam, options.length_penalty, options.best)
    ends = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    begun = continuations(model, [prompt_ids(tokenizer, options.prompt)], options.max_new_tokens, rule)
    print_best(beams, begun, ends, lambda tokens: options.prompt + tokenizer.decode(tokens))


def _rules_that_forbid(options: GenerateOptions, tokenizer: BaseTokenizer) -> Rule:
    """They come first: those that choose, choose among what is allowed."""
    rules = [repetition_penalty(options.repetition_penalty)] if options.repetition_penalty != 1 else []
    rules += [no_repeat_ngram(options.no_repeat_ngram)] if options.no_repeat_ngram is not None else []
    rules += [banned_words(options.ban, tokenizer)] if options.ban else []
    if tokenizer.end_of_text is not None and options.min_new_tokens:
        length = len(prompt_ids(tokenizer, options.prompt)) + options.min_new_tokens
        rules += [min_length(length, tokenizer.end_of_text)]
    return chain(*rules)


def _rules_that_choose(options: GenerateOptions) -> Rule:
    rules = [temperature(options.temperature)]
    rules += [top_k(options.top_k)] if options.top_k is not None else []
    rules += [top_p(options.top_p)] if options.top_p != 1 else []
    rules += [min_p(options.min_p)] if options.min_p is not None else []
    return chain(*rules)


def _print_logprobs(tokenizer: BaseTokenizer, written: Sequence[Written]) -> None:
    tokens = [each.token for each in written]
    logprobs = [each.logprob for each in written]
    print("\nlog p under the model itself, in nats (a token may be part of a string that stopped the text)")
    print_tokens(tokenizer, tokens, logprobs)
    print(f"{sum(logprobs):9.3f}  all {len(tokens):,} tokens")
