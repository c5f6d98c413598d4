"""Bytes back to text, all at once or as a stream: a character appears when all of its bytes have arrived."""

import codecs
from typing import Protocol

_REPLACEMENT = "\ufffd"


def _keep_surrogates(error: UnicodeError) -> tuple[str, int]:
    """Lone surrogates come back as themselves; every other bad sequence of bytes becomes U+FFFD."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    three = error.object[error.start : error.start + 3]
    if len(three) == 3 and three[0] == 0xED and 0xA0 <= three[1] <= 0xBF and 0x80 <= three[2] <= 0xBF:
        return three.decode("utf-8", "surrogatepass"), error.start + 3
    return _REPLACEMENT, error.end


codecs.register_error("tinygpt.keep_surrogates", _keep_surrogates)


def bytes_to_text(data: bytes) -> str:
    """The inverse of `text_to_bytes`; bytes that are not valid become U+FFFD."""
    return data.decode("utf-8", "tinygpt.keep_surrogates")


def unfinished_length(data: bytes) -> int:
    """How many bytes at the end may be the beginning of a character that later bytes complete."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return length if length < needed else 0
        if byte < 0x80:
            return 0
    return 0


class _HasTokenBytes(Protocol):
    def token_bytes(self, token_id: int) -> bytes: ...


class StreamDecoder:
    """Decodes tokens as they arrive: the results of `push`, and then of `finish`, join to `decode` of all the ids.

    A token may end in the middle of a character; the first bytes then wait for the rest.
    """

    def __init__(self, tokenizer: _HasTokenBytes) -> None:
        self._tokenizer = tokenizer
        self._waiting = b""

    def push(self, token_id: int) -> str:
        """The characters that this token completes."""
        data = self._waiting + self._tokenizer.token_bytes(token_id)
        ready = len(data) - unfinished_length(data)
        self._waiting = data[ready:]
        return bytes_to_text(data[:ready])

    def finish(self) -> str:
        """The text of the bytes that still wait: U+FFFD if the ids ended inside a character."""
        text, self._waiting = bytes_to_text(self._waiting), b""
        return text
