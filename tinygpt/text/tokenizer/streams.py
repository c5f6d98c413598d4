"""Text that comes in chunks, cut again at places where cutting does not change the ids."""

from collections.abc import Callable, Collection, Iterable, Iterator

from tinygpt.errors import BadInput

Cut = Callable[[str, int, int], int | None]
"""(text, start, end) -> the last place after start and up to end where the text may be cut, if any."""


def safe_parts(chunks: Iterable[str], names: Collection[str], last_cut: Cut, size: int) -> Iterator[str]:
    """The joined chunks, in parts of about `size` characters that can be encoded one by one.

    Special tokens, the `names`, are kept whole and together with the characters next to them, which they may swallow by
    a convention. If there is no place to cut, the part grows; the search is repeated when twice as much text has come.
    """
    if isinstance(chunks, str):
        raise BadInput("chunks must be several strings: put a single text in a list")
    waiting: list[str] = []
    length, enough = 0, 2 * size
    for chunk in chunks:
        if not isinstance(chunk, str):
            raise BadInput(f"a chunk of text must be a str, not {type(chunk).__name__}")
        waiting.append(chunk)
        length += len(chunk)
        if length >= enough:
            *parts, rest = _parts("".join(waiting), names, last_cut, size)
            yield from parts
            waiting, length = [rest], len(rest)
            enough = 2 * max(size, length)
    yield from filter(None, _parts("".join(waiting), names, last_cut, size))


def _parts(text: str, names: Collection[str], last_cut: Cut, size: int) -> Iterator[str]:
    """Parts of the text; the last must wait for more, since a name may begin at the end of the text."""
    limit = len(text) - max(map(len, names), default=1)
    start = 0
    while len(text) - start > size:
        end, cut = start + size, None
        while cut is None and start < end <= limit:
            cut = _cut_beside(text, start, end, names, last_cut)
            end = min(2 * end - start, limit) if end < limit else limit + 1
        if cut is None:
            break
        yield text[start:cut]
        start = cut
    yield text[start:]


def _cut_beside(text: str, start: int, end: int, names: Collection[str], last_cut: Cut) -> int | None:
    """The last place to cut that touches no name."""
    cut = last_cut(text, start, end)
    while cut is not None:
        found = (text.find(name, max(0, cut - len(name)), cut + len(name)) for name in names)
        first = min((place for place in found if place >= 0), default=None)
        if first is None:
            return cut
        cut = last_cut(text, start, first - 1) if first > start + 1 else None
    return None
