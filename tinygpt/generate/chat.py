"""A conversation with a model: what has been said is the prompt of what comes next."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from autograd import Key

from ..errors import BadInput
from ..model import GPT
from ..text.templates import ASSISTANT, SYSTEM, USER, Message, Template
from ..text.tokenizer import BaseTokenizer
from .decoding import generate
from .reading import OneText
from .sampling import Rule
from .streaming import stream_text


class Conversation:
    """The messages so far, and new answers as they come.

    The prompt is the template's text of the system message, the latest exchanges (a message and its answer) and the new
    message. It leaves room for an answer: max_new_tokens, or half of the context where that is less. Exchanges that do
    not fit are forgotten for good, the oldest first; `forgotten` counts them. The keys and values of a whole context
    stay in a cache, so that a prompt is read only from where it differs from the text before. Between two answers
    weights may change: arrays that take the place of others are noticed, and so are steps of an optimizer and
    load_state_dict, but not p.data[...] = …, after which `read_anew` must be called.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: BaseTokenizer,
        template: Template,
        max_new_tokens: int,
        rule: Rule | None = None,
        key: Key | None = None,
        system: str = "",
        stop: Sequence[str] = (),
    ) -> None:
        """key: answer n is drawn from key.fold("answer", n); None takes the likeliest tokens. stop: strings
        that end an answer, besides those of the template. Raises BadInput where the system message or the template
        leaves no room in the context."""
        self.model, self.tokenizer, self.template = model, tokenizer, template
        self.max_new_tokens, self.rule, self.key = max_new_tokens, rule, key
        self.system = [Message(SYSTEM, system)] if system else []
        self.stop = (*template.stop, *stop)
        self._reader: OneText | None = None
        self._read_with: list[tuple[Any, int]] = []  # the weights that the reader has read with, and their versions
        self.exchanges: list[tuple[Message, Message]] = []
        self.forgotten = self.answered = 0
        self._require_room()

    def answer(self, text: str) -> Iterator[str]:
        """The pieces of an answer as they come. Closing the iterator ends the answer there; that much is remembered.

        Raises BadInput, and remembers nothing, where the message alone leaves no room for an answer, and where the rule
        leaves no token to go on with.
        """
        message = Message(USER, text)
        prompt = self._fitting_prompt(message)
        return self._answer(message, prompt)

    def begin_anew(self) -> None:
        """Forgets what was said, but not the system message."""
        self.exchanges = []

    def read_anew(self) -> None:
        """Drops the keys and values of what was read, as weights that were changed in place would give others."""
        self._reader = None

    def _answer(self, message: Message, prompt: list[int]) -> Iterator[str]:
        key = self.key and self.key.fold("answer", self.answered)
        room = min(self.max_new_tokens, self._context - len(prompt))
        tokens = generate(self.model, prompt, room, self.rule, key, self.tokenizer.ends, self._reader_of_now())
        written: list[str] = []
        try:
            for piece in _without_space_before(stream_text(tokens, self.tokenizer, self.stop)):
                written.append(piece)
                yield piece
        except (GeneratorExit, KeyboardInterrupt):  # an interrupted answer has been seen, so it is remembered, too
            self._remember(message, "".join(written))
            raise
        self._remember(message, "".join(written))

    def _remember(self, message: Message, answer: str) -> None:
        self.exchanges.append((message, Message(ASSISTANT, answer.rstrip())))
        self.answered += 1

    def _reader_of_now(self) -> OneText | None:
        """The reader that holds the conversation so far, or a new one if the model or its weights have changed."""
        weights = [(each.data, each.version) for each in self.model.parameters()]
        before, self._read_with = self._read_with, weights
        same = len(weights) == len(before) and all(a is b and m == n for (a, m), (b, n) in zip(weights, before))
        if not same or self._reader is None or self._reader.model is not self.model:
            self._reader = OneText(self.model) if isinstance(self.model, GPT) else None
        return self._reader

    def _require_room(self) -> None:
        """Raises BadInput where even an empty message would leave no room for an answer."""
        taken = len(self._prompt([], Message(USER, "")))
        if taken >= self._context:
            taker = f"system={reprlib.repr(self.system[0].text)}" if self.system else "the template"
            raise BadInput(
                f"{taker} takes {taken} tokens, and the context is {self._context}: no conversation would fit; "
                "choose a shorter one, or a model with a longer context"
            )

    def _fitting_prompt(self, message: Message) -> list[int]:
        """The prompt's tokens, after the oldest exchanges that do not fit have been forgotten."""
        most = self._context - min(self.max_new_tokens, self._context // 2)
        kept = list(self.exchanges)
        while len(prompt := self._prompt(kept, message)) > most and kept:
            kept.pop(0)
        if len(prompt) >= self._context:
            raise BadInput(
                f"the message takes {len(prompt)} tokens with what stands around it, and the context is "
                f"{self._context}: nothing would be left for an answer; say it in fewer words"
            )
        self.forgotten += len(self.exchanges) - len(kept)
        self.exchanges = kept
        return prompt

    def _prompt(self, exchanges: Iterable[tuple[Message, Message]], message: Message) -> list[int]:
        said = [each for exchange in exchanges for each in exchange]
        return self.tokenizer.encode(self.template.prompt([*self.system, *said, message]))

    @property
    def _context(self) -> int:
        return self.model.config.block_size


def _without_space_before(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces without leading white space: the template decides what stands before an answer."""
    begun = False
    for piece in pieces:
        piece = piece if begun else piece.lstrip()
        begun = begun or piece != ""
        yield piece
