"""What all tokenizers share: encoding one text or many, whole or in parts."""

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
"""Characters of a stream encoded at a time: few enough that ids come soon, enough that each costs little."""


class BaseTokenizer(Vocabulary):
    """A vocabulary with which texts can be encoded."""

    @abstractmethod
    def _ordinary_ids(self, text: str) -> np.ndarray:
        """The ids, uint32, of a text without special tokens."""

    def encode(
        self, text: str, allowed_special: Collection[str] = (), disallowed_special: Collection[str] = ()
    ) -> list[int]:
        """The ids of the text.

        `allowed_special` names the special tokens that are recognised in the text; "all" allows every one. Those in
        `disallowed_special` ("all": every one that is not allowed) must not occur in it. By default both are empty, so
        any text is ordinary text; tiktoken's default is the opposite, it disallows "all". Raises BadInput for a name
        the vocabulary does not have, and for a disallowed token, with its place.
        """
        allowed = self._allowed(allowed_special)
        self._refuse(text, self._disallowed(disallowed_special, allowed), allowed)
        return self._row(text, allowed).tolist()

    def encode_pair(
        self, first: str, second: str, allowed_special: Collection[str] = ()
    ) -> tuple[list[int], list[int]]:
        """(ids, token types) of two texts, with the special tokens that `surround` puts around them."""
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
        """`encode` of the joined chunks, wherever they are cut; only some thousands of characters are held at a time.

        If the pattern is not one of those in `pieces.py`, all of the text is held, since it is unknown where it may be
        cut.
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
        """`encode_array` of a file's text; only the part being worked on is held in memory.

        Raises BadInput for a file that cannot be read or is not text in `encoding`.
        """
        chunks = read_chunks(path, encoding, progress)
        return self._joined(self._rows_of_parts(chunks, self._allowed(allowed_special), processes))

    def encode_documents(self, texts: Iterable[str], *, processes: int | None = None) -> np.ndarray:
        """All the texts in one row of ids, each ended by <|endoftext|> where the vocabulary has it."""
        end = np.array(self.ends, self.dtype)
        rows = self._rows(checked_texts(texts), (), processes)
        return self._joined(each for row in rows for each in (row, end))

    def encode_with_offsets(self, text: str, allowed_special: Collection[str] = ()) -> tuple[list[int], list[Offset]]:
        """(ids, offsets): the ids of `encode`, and each token's (start, end) in characters of the text.

        text[start:end] is what the token was made of. Tokens that share the bytes of one character all get that whole
        character. A special token includes the white space that it swallows. A space that was added to the text has
        length 0. The offsets are those of the library `tokenizers`, untrimmed.
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
        """The ids, uint32, of a text in which the special tokens `allowed` are recognised."""
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
        """The ids of the joined chunks, in consecutive arrays."""
        parts = safe_parts(chunks, self._recognised(allowed), self._last_cut, SENT)
        return self._rows(parts, allowed, processes)

    def _joined(self, rows: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.empty(0, self.dtype), *(row.astype(self.dtype) for row in rows)])

    def _recognised(self, allowed: Collection[str]) -> Collection[str]:
        """The special tokens to look for if `allowed` are allowed."""
        return allowed

    def _last_cut(self, text: str, start: int, end: int) -> int | None:
        """The last place after `start` and up to `end` where the text may be cut and its parts encoded one by one."""
        place = text.rfind(" ", start + 1, end + 1)
        return None if place < 0 else place

    def _spans(self, text: str, names: Collection[str]) -> Iterator[Span]:
        """The special tokens of the text that are in `names`, and the ordinary text between them."""
        return special_spans(text, names)

    def _ordinary_with_offsets(self, text: str) -> tuple[list[int], list[Offset]]:
        """(ids, offsets) of a text without special tokens."""
        ids = self._ordinary_ids(text).tolist()
        return ids, byte_offsets(text, [len(self.token_bytes(each)) for each in ids])

    def _disallowed(self, names: Collection[str], allowed: Collection[str]) -> set[str]:
        return {*self._allowed(names)} - {*allowed}

    def _refuse(self, text: str, disallowed: set[str], allowed: Collection[str], where: str = "the text") -> None:
        """Raises BadInput if a disallowed special token occurs in the text.

        Allowed ones are looked for, too, so a disallowed name inside a longer, allowed one does not count.
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
    """The text. Raises BadInput if it is not a str."""
    if not isinstance(text, str):
        raise BadInput(f"a text to encode must be a str, not {type(text).__name__}")
    return text


def _encoder(tokenizer: BaseTokenizer, allowed: Collection[str]) -> Callable[[list[str]], list[np.ndarray]]:
    return lambda texts: [tokenizer._row(text, allowed).astype(tokenizer.dtype) for text in texts]


def checked_texts(texts: Iterable[str]) -> Iterable[str]:
    """The texts. Raises BadInput for a single str, whose characters would be taken for texts."""
    if isinstance(texts, str):
        raise BadInput("texts must be several strings: put a single text in a list")
    return texts
