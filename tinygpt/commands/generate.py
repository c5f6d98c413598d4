"""`tinygpt generate`: a trained model goes on with a text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from autograd import Key

from ..errors import BadInput
from ..generate import GeneratedToken, Rule, chain, continuations, min_length
from ..model import GPT
from ..text.tokenizer import BaseTokenizer
from .beams import IDLE_IN_A_BEAM_OF_ONE, BeamOptions, print_best
from .choosing import IDLE_WHERE_GREEDY, OF_DRAWING, ChoosingOptions, rule_for
from .drafting import Draft
from .flags import Idle
from .opening import known_tokens, open_model
from .score import print_tokens
from .writing import prompt_ids, write_samples


@dataclass(frozen=True)
class GenerateOptions(ChoosingOptions):
    """The options for the text, under the names of the command line."""

    prompt: str = ""
    min_new_tokens: int = 0
    logprobs: bool = False
    num_samples: int = 1
    beam: int | None = None
    length_penalty: float = BeamOptions.length_penalty
    best: int = BeamOptions.best
    draft: str | None = None
    ahead: int | None = None
    device: str = "cpu"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_samples < 1:
            raise BadInput("--num-samples must be at least 1")
        if not 0 <= self.min_new_tokens <= self.max_new_tokens:
            raise BadInput(
                f"--min-new-tokens must be from 0 to --max-new-tokens {self.max_new_tokens}, not {self.min_new_tokens}"
            )
        if self.ahead is not None and self.ahead < 1:
            raise BadInput(f"--ahead must be at least 1, not {self.ahead}")
        if self.beam is not None:
            self.beams()

    def beams(self) -> BeamOptions:
        """The options of --beam, which must have been given."""
        return BeamOptions(self.beam, self.length_penalty, self.best)


IDLE = (
    Idle((*OF_DRAWING, "greedy"), lambda o: o.beam is not None, "--beam draws nothing", "leave out --beam"),
    Idle(
        ("num_samples", "stop", "logprobs", "draft", "ahead"), lambda o: o.beam is not None,
        "--beam searches for whole texts and shows the --best of them", "leave out --beam",
    ),
    Idle(
        ("length_penalty", "best"), lambda o: o.beam is None, "it is for what a beam finds",
        "add --beam (--num-samples draws several texts)",
    ),
    IDLE_IN_A_BEAM_OF_ONE,
    IDLE_WHERE_GREEDY,
    Idle(("num_samples",), lambda o: o.greedy, "--greedy writes the same text every time", "leave out --greedy"),
    Idle(("ahead",), lambda o: o.draft is None, "it says how far a draft guesses", "name one with --draft"),
)  # fmt: skip
"""Options that have no effect in `tinygpt generate`."""


def generate_command(run: str, options: GenerateOptions) -> None:
    """Prints num_samples continuations of the prompt. Raises BadInput for a directory without a usable model."""
    model, tokenizer = open_model(run, "gpt", options.device, options.dtype)
    if options.beam is not None:
        _print_beam(model, tokenizer, options)
        return
    draft = None
    if options.draft is not None:
        draft = Draft(options.draft, run, tokenizer, options.ahead, options.device, options.dtype)
    rule = rule_for(model, tokenizer, options, *_not_ended_early(options, tokenizer))
    key = None if options.greedy else Key(options.seed)
    write = write_samples if draft is None else draft.write_samples
    for written in write(
        model, tokenizer, options.prompt, options.max_new_tokens, key, rule, options.stop, options.num_samples
    ):
        if options.logprobs:
            _print_logprobs(tokenizer, written)
    if draft is not None:
        print(draft.account(), file=sys.stderr)


def _print_beam(model: GPT, tokenizer: BaseTokenizer, options: GenerateOptions) -> None:
    """Beam search under the rules that forbid tokens; the rules for drawing are left out, as nothing is drawn."""
    rule = chain(
        *known_tokens(model, tokenizer), options.forbidding(tokenizer), *_not_ended_early(options, tokenizer)
    )
    begun = continuations(model, [prompt_ids(tokenizer, options.prompt)], options.max_new_tokens, rule)
    print_best(
        options.beams(), begun, tokenizer.ends, lambda tokens: options.prompt + tokenizer.decode(tokens), headed=True
    )


def _not_ended_early(options: GenerateOptions, tokenizer: BaseTokenizer) -> list[Rule]:
    if not options.min_new_tokens:
        return []
    if tokenizer.end_of_text is None:
        raise BadInput(
            "--min-new-tokens would change nothing: this vocabulary has no end of text that could come early; leave "
            "that out"
        )
    return [min_length(len(prompt_ids(tokenizer, options.prompt)) + options.min_new_tokens, tokenizer.end_of_text)]


def _print_logprobs(tokenizer: BaseTokenizer, written: Sequence[GeneratedToken]) -> None:
    tokens = [each.token for each in written]
    logprobs = [each.logprob for each in written]
    print("\nlog p under the model itself, in nats (a token may be part of a string that stopped the text)")
    print_tokens(tokenizer, tokens, logprobs)
    print(f"{sum(logprobs):9.3f}  all {len(tokens):,} tokens")
