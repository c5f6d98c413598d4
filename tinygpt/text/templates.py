"""Chat templates: a conversation written as one text, which a plain language model can continue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


@dataclass(frozen=True)
class Message:
    """One message of a conversation. role: "system" (instructions that come first), "user" or "assistant"."""

    role: str
    text: str


@dataclass(frozen=True)
class Template:
    """How each role's message is written: head, text, end.

    The space between the assistant's head and its text belongs to the text, since byte-pair encodings put a space
    before a word. So a prompt ends without a space. stop: the strings that show that the answer is over, because the
    model has begun to write the next turn.
    """

    system: str
    user: str
    assistant: str
    end: str
    stop: tuple[str, ...]

    def message(self, message: Message) -> str:
        """One message with its head and its end."""
        head = {SYSTEM: self.system, USER: self.user, ASSISTANT: self.assistant}[message.role]
        space = " " if head and not head[-1].isspace() else ""
        return f"{head}{space}{message.text}{self.end}"

    def prompt(self, messages: Iterable[Message]) -> str:
        """The messages, then the assistant's head, after which the model writes its answer."""
        return "".join(map(self.message, messages)) + self.assistant


TEMPLATES = {
    # lines as in a printed play, which a model without chat training can continue
    "transcript": Template("", "User:", "Assistant:", "\n", ("\nUser:", "\nAssistant:")),
    # Alpaca's headings, with which many models were fine-tuned (Taori et al. 2023)
    "instruction": Template(
        "", "### Instruction:\n", "### Response:\n", "\n\n", ("\n### Instruction:", "\n### Response:")
    ),
    # only one line per message, for models trained on dialogue without names
    "lines": Template("", "", "", "\n", ("\n",)),
}
