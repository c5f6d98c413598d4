"""Speculative decoding for `tinygpt generate`: a smaller model, the draft, guesses ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autograd import Key

from ..errors import BadInput
from ..generate import GeneratedToken, Rule, Speculation, speculative_generate
from ..generate.speculative import AHEAD
from ..text.tokenizer import BaseTokenizer
from .opening import open_model
from .writing import ShownText, heading, prompt_ids


class Draft:
    """The draft model of a directory, and the counts of its guesses."""

    def __init__(
        self,
        directory: str,
        run: str,
        tokenizer: BaseTokenizer,
        ahead: int | None,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        """Raises BadInput for a draft whose tokenizer is not that of the model in `run`."""
        self.model, its_tokenizer = open_model(directory, "gpt", device, dtype)
        if its_tokenizer != tokenizer:
            raise BadInput(f"{directory} has another tokenizer than {run}: a draft needs the same tokens")
        self.ahead = AHEAD if ahead is None else ahead
        self.proposed = self.accepted = self.readings = 0

    def write_samples(
        self,
        model: Any,
        tokenizer: BaseTokenizer,
        prompt: str,
        max_new_tokens: int,
        key: Key | None,
        rule: Rule,
        stop: Sequence[str] = (),
        count: int = 1,
    ) -> Iterator[list[GeneratedToken]]:
        """As `writing.write_samples`, but one text after another, as each accepts a different number of guesses."""
        ends = tokenizer.ends
        ids = prompt_ids(tokenizer, prompt)
        for number in range(count):
            own = key and key.fold("sample", number)
            writing = speculative_generate(model, self.model, ids, max_new_tokens, rule, own, ends, self.ahead)
            with ShownText(tokenizer, heading(number, count) + prompt, stop) as text:
                for written in writing:
                    text.add(written)
                    if text.stream.stopped:
                        break
            self._count(writing)
            yield text.written

    def _count(self, writing: Speculation) -> None:
        self.proposed += writing.proposed
        self.accepted += writing.accepted
        self.readings += writing.readings

    def account(self) -> str:
        """How many guesses were made, how many were accepted, and how many forward passes the model took."""
        share = f" ({self.accepted / self.proposed:.0%})" if self.proposed else ""
        guesses = f"the draft proposed {self.proposed:,} tokens, {self.accepted:,} were accepted{share}"
        return f"{guesses}; {self.readings:,} forward passes of the model"

