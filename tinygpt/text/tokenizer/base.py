"""What all tokenizers share: text to ids, one text or many, whole or in parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from os import PathLike

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.reading import read_chunks
from tinygpt.text.tokenizer.offsets import Offset, byte_offsets
from tinygpt.text.tokenizer.pretokens import Span, special_spans
from tinygpt.text.tokenizer.streams import safe_parts
from tinygpt.text.tokenizer.vocabulary import Vocabulary
from tinygpt.text.workers import SENT, spread

STREAM_PART = 4096
"""Characters of a stream encoded together: few enough to come soon, enough to cost little each."""


class BaseTokenizer(Vocabulary):
    """A vocabulary that texts can be encoded with.

    A special token written in a text is ordinary text, unless the caller allows it: text that comes from elsewhere must
    not be able to end a document or speak for somebody else.
    """

    @abstractmethod
    def _ordinary_ids(self, text: str) -> np.ndarray:
        """The ids, uint32, of a text in which nothing is special."""

    def encode(
        self, text: str, allowed_special: Collection[str] = (), disallowed_special: Collection[str] = ()
    ) -> list[int]:
        """The ids of the text.

        `allowed_special` names the special tokens that are recognised in it; "all" allows every one. Those in
        `disallowed_special` ("all": every one that is not allowed) must not be written in it. None is, by default, and
        so any text is text; tiktoken's default is the opposite, "all". Raises BadInput for a name the vocabulary does
        not have, and for a disallowed token, with its place.
        """
        allowed = self._allowed(allowed_special)
        self._refuse(text, self._disallowed(disallowed_special, allowed), allowed)
        return self._row(text, allowed).tolist()

    def encode_pair(
        self, first: str, second: str, allowed_special: Collection[str] = ()
    ) -> tuple[list[int], list[int]]:
        """(ids, token types) of two texts with what `surround` puts around them."""
        ids, pair = self.encode_batch([first, second], allowed_special)
        return self.surround(ids, pair), self.token_types(ids, pair)

    def encode_batch(
        self,
        texts: Iterable[str],
        allowed_special: Collection[str] = (),
        disallowed_special: Collection[str] = (),
        *,
        processes: int | None = None,
    ) -> list[list[int]]:
        """`encode` of each text; many texts go to several processes, by default as many as there are cores."""
        allowed = self._allowed(allowed_special)
        texts = checked_texts(texts)
        if disallowed := self._disallowed(disallowed_special, allowed):
            texts = list(texts)
            for place, text in enumerate(texts):
                self._refuse(text, disallowed, allowed, f"texts[{place}]")
        return [row.tolist() for row in self._rows(texts, allowed, processes)]

    def encode_array(
        self,
        text: str,
        allowed_special: Collection[str] = (),
        disallowed_special: Collection[str] = (),
        *,
        processes: int | None = None,
    ) -> np.ndarray:
        """`encode` as an array of `dtype`, which takes 2 or 4 bytes a token where a list takes 8 or more.

        Long text goes to several processes, by default as many as there are cores.
        """
        allowed = self._allowed(allowed_special)
        self._refuse(text, self._disallowed(disallowed_special, allowed), allowed)
        return self._joined(self._rows_of_parts([text], allowed, processes))

    def encode_stream(self, chunks: Iterable[str], allowed_special: Collection[str] = ()) -> Iterator[int]:
        """`encode` of the chunks joined, wherever they are cut; what is held of them is a few words.

        All of the text is held where the vocabulary has a pattern that is not in `pieces.py`: where may it be cut?
        """
        allowed = self._allowed(allowed_special)
        for part in safe_parts(chunks, self._recognised(allowed), self._last_cut, STREAM_PART):
            yield from self._row(part, allowed).tolist()

    def encode_file(
        self,
        path: str | PathLike[str],
        allowed_special: Collection[str] = (),
        *,
        encoding: str = "utf-8",
        processes: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        """`encode_array` of a file's text, of which no more is held than is being worked on.

        Raises BadInput for a file that cannot be read or is not text in `encoding`.
        """
        chunks = read_chunks(path, encoding, progress)
        return self._joined(self._rows_of_parts(chunks, self._allowed(allowed_special), processes))

    def encode_documents(self, texts: Iterable[str], *, processes: int | None = None) -> np.ndarray:
        """All the texts in one row of ids, each ended by <|endoftext|> where the vocabulary has it."""
        end = np.array([] if self.end_of_text is None else [self.end_of_text], self.dtype)
        rows = self._rows(checked_texts(texts), (), processes)
        return self._joined(each for row in rows for each in (row, end))

    def encode_with_offsets(self, text: str, allowed_special: Collection[str] = ()) -> tuple[list[int], list[Offset]]:
        """(ids, offsets): what `encode` gives, and of each token its (start, end) in characters of the text.

        text[start:end] is what the token was made of. Tokens that share one character's bytes all have that whole
        character; a special token has the white space that it swallows, too; a space that was not in the text has no
        length. The offsets are those of the library `tokenizers`, untrimmed.
        """
        ids: list[int] = []
        offsets: list[Offset] = []
        for start, end, special in self._spans(checked_text(text), self._recognised(self._allowed(allowed_special))):
            if special is not None:
                ids.append(self.special_tokens[special])
                offsets.append((start, end))
                continue
            part_ids, part_offsets = self._ordinary_with_offsets(text[start:end])
            ids += part_ids
            offsets += [(start + first, start + last) for first, last in part_offsets]
        return ids, offsets

    def _row(self, text: str, allowed: Collection[str]) -> np.ndarray:
        """The ids, uint32, of a text in which the names `allowed` are recognised."""
        if not (names := self._recognised(allowed)):
            return self._ordinary_ids(checked_text(text))
        rows = [
            self._ordinary_ids(text[start:end]) if special is None else np.array([self.special_tokens[special]], "u4")
            for start, end, special in self._spans(checked_text(text), names)
        ]
        return np.concatenate(rows) if rows else np.empty(0, np.uint32)

    def _rows(self, texts: Iterable[str], allowed: Collection[str], processes: int | None) -> Iterator[np.ndarray]:
        for rows in spread(_encoder, (self, allowed), texts, processes):
            yield from rows

    def _rows_of_parts(
        self, chunks: Iterable[str], allowed: Collection[str], processes: int | None
    ) -> Iterator[np.ndarray]:
        """The ids of the chunks joined, in rows that follow one another."""
        parts = safe_parts(chunks, self._recognised(allowed), self._last_cut, SENT)
        return self._rows(parts, allowed, processes)

    def _joined(self, rows: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.empty(0, self.dtype), *(row.astype(self.dtype) for row in rows)])

    def _recognised(self, allowed: Collection[str]) -> Collection[str]:
        """The special tokens that are looked for where `allowed` are allowed."""
        return allowed

    def _last_cut(self, text: str, start: int, end: int) -> int | None:
        """The last place after `start` and up to `end` where the text may be cut, its parts encoded one by one."""
        place = text.rfind(" ", start + 1, end + 1)
        return None if place < 0 else place

    def _spans(self, text: str, names: Collection[str]) -> Iterator[Span]:
        """The special tokens that `names` lets be recognised, and the ordinary text between them."""
        return special_spans(text, names)

    def _ordinary_with_offsets(self, text: str) -> tuple[list[int], list[Offset]]:
        """The ids of a text in which nothing is special, and the place of each token in it."""
        ids = self._ordinary_ids(text).tolist()
        return ids, byte_offsets(text, [len(self.token_bytes(each)) for each in ids])

    def _disallowed(self, names: Collection[str], allowed: Collection[str]) -> set[str]:
        return {*self._allowed(names)} - {*allowed}

    def _refuse(self, text: str, disallowed: set[str], allowed: Collection[str], where: str = "the text") -> None:
        """Raises BadInput where the first special token of the text that is not allowed is a disallowed one.

        What is allowed is looked for, too: a name that is a part of a longer, allowed one does not count.
        """
        if not disallowed:
            return
        for start, _, special in special_spans(checked_text(text), [*allowed, *disallowed]):
            if special in disallowed:
                raise BadInput(
                    f"{where} has the special token {special!r} at character {start}: name it in allowed_special, or "
                    "leave it out of disallowed_special to have it as ordinary text"
                )


def checked_text(text: str) -> str:
    """The text, unless it is something else."""
    if not isinstance(text, str):
        raise BadInput(f"a text to encode must be a str, not {type(text).__name__}")
    return text


def _encoder(tokenizer: BaseTokenizer, allowed: Collection[str]) -> Callable[[list[str]], list[np.ndarray]]:
    return lambda texts: [tokenizer._row(text, allowed).astype(tokenizer.dtype) for text in texts]


def checked_texts(texts: Iterable[str]) -> Iterable[str]:
    """The texts, unless somebody passed one str, whose characters would be taken for texts."""
    if isinstance(texts, str):
        raise BadInput("texts must be several strings: put a single text in a list")
    return texts
