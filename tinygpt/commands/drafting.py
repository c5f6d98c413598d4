"""Text from a model for which a smaller one, the draft, guesses ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from autograd import Key

from ..errors import BadInput
from ..generate import Rule, Speculation, Written, speculative_generate, stream_text
from ..generate.speculative import AHEAD
from ..text.tokenizer import BaseTokenizer
from .opening import open_model
from .writing import prompt_ids


class Draft:
    """The draft in a directory, and how well it has guessed."""

    def __init__(self, directory: str, run: str, tokenizer: BaseTokenizer, ahead: int | None) -> None:
        """Raises BadInput for a draft whose tokenizer is not that of the model in `run`."""
        self.model, its_tokenizer = open_model(directory, "gpt")
        if its_tokenizer != tokenizer:
            raise BadInput(f"{directory} has another tokenizer than {run}: a draft needs the same tokens")
        self.tokenizer, self.ahead = tokenizer, AHEAD if ahead is None else ahead
        self.written: list[Speculation] = []

    def write_sample(
        self, model: Any, prompt: str, max_new_tokens: int, key: Key | None, rule: Rule, stop: Sequence[str]
    ) -> list[Written]:
        """Prints the prompt and what the model makes of it, as it comes, and a newline; returns the new tokens."""
        ends = () if self.tokenizer.end_of_text is None else (self.tokenizer.end_of_text,)
        ids = prompt_ids(self.tokenizer, prompt)
        writing = speculative_generate(model, self.model, ids, max_new_tokens, rule, key, ends, self.ahead)
        self.written.append(writing)
        kept: list[Written] = []
        print(prompt, end="", flush=True)
        for piece in stream_text(_noted(writing, kept), self.tokenizer, stop):
            print(piece, end="", flush=True)
        print(flush=True)
        return kept

    def account(self) -> str:
        """How many guesses there were, how many were good, and how often the model was asked."""
        accepted, proposed, readings = (
            sum(getattr(each, count) for each in self.written) for count in ("accepted", "proposed", "readings")
        )
        share = f" ({accepted / proposed:.0%})" if proposed else ""
        guesses = f"the draft proposed {proposed:,} tokens, {accepted:,} were accepted{share}"
        return f"{guesses}; {readings:,} readings of the model"


def _noted(written: Iterable[Written], kept: list[Written]) -> Iterator[int]:
    """The tokens on their way, each remembered."""
    for each in written:
        kept.append(each)
        yield each.token
