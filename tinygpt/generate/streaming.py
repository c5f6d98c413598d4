"""Text while it is written: never half a character, and never part of a stop string."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..errors import BadInput
from ..text.tokenizer import BaseTokenizer, StreamDecoder


class StopAt:
    """Passes a text on up to the first stop string, however the text is cut into pieces.

    Text that may be the beginning of a stop string is held back until more text decides. The first stop string is the
    one that ends first; of several that end together, the longest.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        """Raises BadInput for an empty string, which would end every text before it begins."""
        self._strings = list(strings)
        if not all(self._strings):
            raise BadInput("a stop string needs at least one character")
        self._waiting = ""
        self.stopped = False
        """Whether a stop string has come; nothing is shown after it."""

    def push(self, text: str) -> str:
        """The text that can be shown after this piece has come."""
        if self.stopped:
            return ""
        text = self._waiting + text
        found = [(start + len(each), start) for each in self._strings if (start := text.find(each)) >= 0]
        if found:
            self.stopped = True
            self._waiting = ""
            return text[: min(found)[1]]
        shown = len(text) - self._begun(text)
        self._waiting = text[shown:]
        return text[:shown]

    def finish(self) -> str:
        """The text that was held back, for a text that ends here without a stop string."""
        text, self._waiting = self._waiting, ""
        return text

    def _begun(self, text: str) -> int:
        """How many characters at the end of a text without a stop string may be the beginning of one."""
        longest = max((len(each) - 1 for each in self._strings), default=0)
        lengths = range(min(longest, len(text)), 0, -1)
        return next((n for n in lengths if any(each.startswith(text[-n:]) for each in self._strings)), 0)


class TextStream:
    """The text of tokens that come one by one, each character as soon as it is certain, up to the first stop string."""

    def __init__(self, tokenizer: BaseTokenizer, stop: Iterable[str] = ()) -> None:
        """Raises BadInput for an empty stop string."""
        self._decoder, self._stop = StreamDecoder(tokenizer), StopAt(stop)

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come: no further token will show anything."""
        return self._stop.stopped

    def push(self, token: int) -> str:
        """The text that can be shown after this token has come."""
        return self._stop.push(self._decoder.push(token))

    def finish(self) -> str:
        """The text that was held back, for a text that ends here."""
        return self._stop.push(self._decoder.finish()) + self._stop.finish()


def stream_text(tokens: Iterable[int], tokenizer: BaseTokenizer, stop: Sequence[str] = ()) -> Iterator[str]:
    """The text of the tokens in pieces, each as soon as it is certain; it ends before the first of the stop strings.

    No token is asked for after the one that completes a stop string. Raises BadInput for an empty stop string.
    """
    return _stream(tokens, TextStream(tokenizer, stop))


def _stream(tokens: Iterable[int], text: TextStream) -> Iterator[str]:
    for token in tokens:
        yield text.push(token)
        if text.stopped:
            return
    yield text.finish()
