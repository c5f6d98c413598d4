"""A conversation as one text, which a model that knows nothing of conversations can go on with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


@dataclass(frozen=True)
class Message:
    """What one side says. role: "system" (what is told before the conversation), "user" or "assistant"."""

    role: str
    text: str


@dataclass(frozen=True)
class Template:
    """How each role's message is written: head, text, end. The space between the assistant's head and text is the
    text's, as byte-pair encodings have spaces before words: a prompt ends without one.

    stop: the strings that show that an answer is over, because the model has begun to write the other side's part.
    """

    system: str
    user: str
    assistant: str
    end: str
    stop: tuple[str, ...]

    def message(self, message: Message) -> str:
        """One message in full."""
        head = {SYSTEM: self.system, USER: self.user, ASSISTANT: self.assistant}[message.role]
        space = " " if head and not head[-1].isspace() else ""
        return f"{head}{space}{message.text}{self.end}"

    def prompt(self, messages: Iterable[Message]) -> str:
        """The messages, and the assistant's head for what comes next."""
        return "".join(map(self.message, messages)) + self.assistant


TEMPLATES = {
    # lines as in a written play, which a model that has read some text goes on with
    "transcript": Template("", "User:", "Assistant:", "\n", ("\nUser:", "\nAssistant:")),
    # the headings of Alpaca, on which many models were tuned (Taori et al. 2023)
    "instruction": Template(
        "", "### Instruction:\n", "### Response:\n", "\n\n", ("\n### Instruction:", "\n### Response:")
    ),
    # nothing but one line each, for models of dialogue without names
    "lines": Template("", "", "", "\n", ("\n",)),
}
