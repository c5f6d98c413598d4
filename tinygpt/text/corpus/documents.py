"""A corpus, and its split into training text and held-out text."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.pretokens import text_to_bytes


class Document(NamedTuple):
    """One text, and where it came from."""

    name: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """Documents in a fixed order, under a readable name."""

    name: str
    documents: tuple[Document, ...]

    @property
    def texts(self) -> list[str]:
        """The texts of the documents, without their names."""
        return [document.text for document in self.documents]

    @cached_property
    def n_bytes(self) -> int:
        """The length of all texts in UTF-8."""
        return sum(len(text_to_bytes(document.text)) for document in self.documents)

    @cached_property
    def fingerprint(self) -> str:
        """A hash that identifies the corpus by its texts: see `fingerprint_of`."""
        return fingerprint_of(self.texts)


def fingerprint_of(texts: Iterable[str]) -> str:
    """SHA-256, in hexadecimal, of the texts in order.

    Each text is preceded by its length, so that the same characters divided differently have another fingerprint.
    """
    digest = hashlib.sha256()
    for text in texts:
        data = text_to_bytes(text)
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def split(corpus: Corpus, validation: float = 0.1) -> tuple[Corpus, Corpus]:
    """(train, validation), neither of them empty.

    One document: the first int(n · (1 - validation)) of its n characters are for training, the rest for validation, as
    nanoGPT does with its character data. Several: whole documents, since two parts of one have much in common. A hash
    of its content decides a document's side, so adding documents does not move the others, and copies stay together;
    the expected share of the bytes held out is `validation`. With few documents the hash may hold out nothing, or more
    than half of the bytes. Then the one document whose size is nearest to that share is held out instead.

    Raises BadInput for a share outside 0 to 1 and for a corpus too small to split.
    """
    if not 0 < validation < 1:
        raise BadInput(f"the validation share must lie between 0 and 1, not {validation}")
    if sum(len(document.text) for document in corpus.documents) < 2:
        raise BadInput(f"{corpus.name} is too short to hold anything out: give more text")
    if len(corpus.documents) == 1:
        return _split_characters(corpus, validation)
    sizes = [len(text_to_bytes(document.text)) for document in corpus.documents]
    held_out = [draw(document.text) < validation for document in corpus.documents]
    if not 0 < sum(size for size, held in zip(sizes, held_out) if held) <= sum(sizes) / 2:
        wished = validation * sum(sizes)
        nearest = min(range(len(sizes)), key=lambda place: (abs(sizes[place] - wished), place))
        held_out = [place == nearest for place in range(len(sizes))]
    return (
        _part(corpus, "train", [doc for doc, held in zip(corpus.documents, held_out) if not held]),
        _part(corpus, "validation", [doc for doc, held in zip(corpus.documents, held_out) if held]),
    )


def _split_characters(corpus: Corpus, validation: float) -> tuple[Corpus, Corpus]:
    name, text = corpus.documents[0]
    boundary = min(max(int(len(text) * (1 - validation)), 1), len(text) - 1)
    return (
        _part(corpus, "train", [Document(name, text[:boundary])]),
        _part(corpus, "validation", [Document(name, text[boundary:])]),
    )


def _part(corpus: Corpus, side: str, documents: list[Document]) -> Corpus:
    return Corpus(f"{corpus.name} ({side})", tuple(documents))


def draw(text: str) -> float:
    """A number in [0, 1) that depends on the text alone, uniform over texts."""
    return int.from_bytes(hashlib.sha256(text_to_bytes(text)).digest()[:8], "big") / 2**64
