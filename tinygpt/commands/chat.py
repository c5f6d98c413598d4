"""`tinygpt chat`: a conversation with a trained model, in a terminal or through pipes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from autograd import Key

from ..errors import BadInput
from ..generate.chat import Conversation
from ..text.templates import TEMPLATES
from .choosing import ChoosingOptions, rule_for
from .opening import open_model

EXIT, NEW = "/exit", "/new"
KNOWN = f"{NEW} begins another conversation, {EXIT} ends"


@dataclass(frozen=True)
class ChatOptions(ChoosingOptions):
    """The options for the answers, under the names of the command line."""

    system: str = ""
    template: str = "transcript"
    device: str = "cpu"
    dtype: str = "float32"


def chat_command(run: str, options: ChatOptions) -> None:
    """Answers line after line until the input ends. Raises BadInput for a directory without a usable model."""
    model, tokenizer = open_model(run, "gpt", options.device, options.dtype)
    conversation = Conversation(
        model, tokenizer, TEMPLATES[options.template], options.max_new_tokens, rule_for(model, tokenizer, options),
        None if options.greedy else Key(options.seed).fold("chat"), options.system, options.stop,
    )  # fmt: skip
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="strict")  # in some locales invalid bytes would pass for characters
    if sys.stdin.isatty():
        _note(f"Ctrl-C stops an answer; {KNOWN}")
    converse(conversation)


def converse(conversation: Conversation) -> None:
    """Reads messages and prints answers; notes to the user go to standard error."""
    forgetting_was_said = False
    for line in messages():
        if line == EXIT:
            return
        if line == NEW:
            conversation.begin_anew()
        elif line.startswith("/"):
            _note(f"there is no command {line.split()[0]}: {KNOWN}")
        else:
            print_answer(conversation, line)
        if conversation.forgotten and not forgetting_was_said:
            forgetting_was_said = True
            _note("the conversation has outgrown the model's context: from here on its beginning is forgotten")


def messages() -> Iterator[str]:
    """The lines typed or piped in, without empty ones, until the input ends or Ctrl-C comes while waiting for a line.

    Raises BadInput for input that is not text.
    """
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            if prompt:
                print()
            return
        except UnicodeDecodeError as error:
            raise BadInput(f"standard input is not {error.encoding}: {error.reason} at byte {error.start}") from None
        if line:
            yield line


def print_answer(conversation: Conversation, message: str) -> None:
    """Prints the answer as it comes, up to Ctrl-C. If it cannot go on, says why, and the conversation goes on."""
    begun = False
    try:
        with closing(conversation.answer(message)) as pieces:
            for piece in pieces:
                print(piece, end="", flush=True)
                begun = begun or piece != ""
    except KeyboardInterrupt:
        pass
    except BadInput as error:
        if begun:
            print(flush=True)  # so that the sentence begins a line
        _note(str(error))
        return
    print(flush=True)


def _note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
