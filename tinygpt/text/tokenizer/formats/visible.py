"""GPT-2's way to write bytes as printable characters, and what the readers of other libraries' files share.

A byte that is printable in Latin-1 stands for itself; the others, in order, become U+0100, U+0101 …: a space is "Ġ", a
line feed "Ċ". Source: Radford et al. 2019, "Language models are unsupervised multitask learners", the code published
with it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.ids import is_id

_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]

GPT2_BYTE_ORDER = bytes([*_PRINTABLE, *(byte for byte in range(256) if byte not in _PRINTABLE)])
"""The bytes in the order in which GPT-2 numbers them: first those that are printable in Latin-1."""

_CHARACTERS = {
    byte: chr(byte if place < len(_PRINTABLE) else 256 + place - len(_PRINTABLE))
    for place, byte in enumerate(GPT2_BYTE_ORDER)
}
_BYTES = {character: byte for byte, character in _CHARACTERS.items()}

Merge = tuple[bytes, bytes]


class BytePairs(Protocol):
    """What a writer needs of a tokenizer."""

    merges: list[Merge]
    special_tokens: dict[str, int]
    pattern: str
    conventions: Conventions

    def ordinary_tokens(self) -> dict[bytes, int]: ...


def to_visible(data: bytes) -> str:
    """One printable character per byte."""
    return "".join(map(_CHARACTERS.__getitem__, data))


def from_visible(text: str, entry: str) -> bytes:
    """The inverse of `to_visible`. Raises BadInput that names the entry if it has another character."""
    try:
        return bytes(map(_BYTES.__getitem__, text))
    except KeyError as error:
        raise BadInput(f"{entry}: {text!r} has {error.args[0]!r}, which stands for no byte") from None


def checked_vocabulary(entries: Any, where: str) -> dict[str, int]:
    """A mapping of tokens to ids, all different. Raises BadInput that names the token."""
    if not isinstance(entries, dict):
        raise BadInput(f"{where} is missing or no object")
    token_of: dict[int, str] = {}
    for token, number in entries.items():
        if not is_id(number):
            raise BadInput(f"{where}: {token!r} has the id {number!r}, which is no token id")
        if token_of.setdefault(number, token) != token:
            raise BadInput(f"{where}: {token_of[number]!r} and {token!r} both have the id {number}")
    return entries


def numbering(id_of: Mapping[bytes, int], made: Iterable[bytes]) -> tuple[bytes, Sequence[int] | None]:
    """(the bytes in the order of their ids, the ids of the bytes and then of the tokens `made`, or None for 0, 1, 2 …).

    Raises BadInput for a byte without a token.
    """
    for byte in range(256):
        if bytes([byte]) not in id_of:
            raise BadInput(f"no token is the byte {byte} ({to_visible(bytes([byte]))!r}): all 256 are needed")
    order = bytes(sorted(range(256), key=lambda byte: id_of[bytes([byte])]))
    numbers = tuple(id_of[token] for token in [*(bytes([byte]) for byte in order), *dict.fromkeys(made)])
    return order, None if numbers == tuple(range(len(numbers))) else numbers


def only_plain(tokenizer: BytePairs, kind: str) -> None:
    """Raises BadInput if a file of this kind cannot express the tokenizer's conventions."""
    if unwritable := sorted(tokenizer.conventions.definition().keys() - {"numbers"}):
        raise BadInput(f"{kind} cannot say {', '.join(unwritable)} of this tokenizer: write it with to_huggingface")


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, counted from 1 as editors do."""
    lines = enumerate(text.split("\n"), 1)
    return ((number, line.removesuffix("\r")) for number, line in lines if line.strip("\r"))
