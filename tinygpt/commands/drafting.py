"""Speculative decoding for `tinygpt generate`: a smaller model, the draft, guesses ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autograd import Key

from ..errors import BadInput
from ..generate import Rule, Speculation, Written, speculative_generate
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
        self.written: list[Speculation] = []

    def write_samples(
        self,
        model: Any,
        tokenizer: BaseTokenizer,
        prompt: str,
        max_new_tokens: int,
        keys: Sequence[Key] | None,
        rule: Rule,
        stop: Sequence[str] = (),
    ) -> Iterator[list[Written]]:
        """As `writing.write_samples`, but one text after another, as each accepts a different number of guesses."""
        ends = () if tokenizer.end_of_text is None else (tokenizer.end_of_text,)
        ids, keys = prompt_ids(tokenizer, prompt), keys or [None]
        for number, key in enumerate(keys):
            writing = speculative_generate(model, self.model, ids, max_new_tokens, rule, key, ends, self.ahead)
            self.written.append(writing)
            text = ShownText(tokenizer, heading(number, len(keys)) + prompt, stop)
            text.show()
            for written in writing:
                text.add(written)
                if text.stream.stopped:
                    break
            text.finish()
            yield text.written

    def account(self) -> str:
        """How many guesses were made, how many were accepted, and how many forward passes the model took."""
        accepted, proposed, readings = (
            sum(getattr(each, count) for each in self.written) for count in ("accepted", "proposed", "readings")
        )
        share = f" ({accepted / proposed:.0%})" if proposed else ""
        guesses = f"the draft proposed {proposed:,} tokens, {accepted:,} were accepted{share}"
        return f"{guesses}; {readings:,} forward passes of the model"

