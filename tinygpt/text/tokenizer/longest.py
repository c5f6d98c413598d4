"""What merging gives, without merging: the longest tokens that can stand beside each other.

Merges that are learned one after another have a property that makes this possible: whether two tokens can be
neighbours in an encoded text depends on these two alone. They can unless, were they encoded together, some merge would
join what lies on the two sides of their boundary before the one or the other is made. So a row of tokens whose
neighbours all fit is the encoding, and there is only one such row. Taking the longest token that fits, and going back
where none does, finds it in time proportional to the piece: no place is found hopeless twice.
"""

from collections.abc import Mapping, Sequence

from tinygpt.text.tokenizer.linked import IdPair
from tinygpt.text.tokenizer.merging import merge_endless

_NEVER = 1 << 62
"""In place of the id of a merge that does not exist, and of the moment when a token becomes part of another."""

ENDLESS = 2000
"""Bytes from which on merging all places of a pair together is faster."""

REMEMBERED_PAIRS = 1 << 18
"""Pairs of tokens of which it is known whether they fit; a tenth of that serves a megabyte of English."""


class LongestTokens:
    """The tokens of a piece, for merges whose ids grow in the order learned; ids below 256 are single bytes."""

    def __init__(self, tokens: Sequence[bytes], merged: Mapping[IdPair, int]) -> None:
        self.whole = {tokens[number]: number for number in sorted(_whole_tokens(merged))}
        self._merged, self._fits = merged, _Fits(merged)
        self._longest: dict[bytes, int] = {}
        for token in self.whole:
            self._longest[token[:2]] = max(len(token), self._longest.get(token[:2], 1))

    def split(self, piece: bytes) -> list[int]:
        """The ids of the piece's tokens."""
        if len(piece) >= ENDLESS:
            return merge_endless([self.whole[piece[i : i + 1]] for i in range(len(piece))], self._merged)
        whole, fits, longest = self.whole.get, self._fits, self._longest.get
        ids: list[int] = []
        starts: list[int] = []
        hopeless: set[int] = set()
        place, size, before = 0, longest(piece[:2], 1), -1
        while place < len(piece):
            size = min(size, len(piece) - place)
            while size:
                token = whole(piece[place : place + size])
                if token is not None and (before < 0 or fits[before, token]) and place + size not in hopeless:
                    break
                size -= 1
            if size:
                ids.append(token)
                starts.append(place)
                place, before = place + size, token
                size = longest(piece[place : place + 2], 1)
            else:
                hopeless.add(place)
                ids.pop()
                end, place = place, starts.pop()
                size, before = end - place - 1, ids[-1] if ids else -1
        return ids


class _Fits(dict[IdPair, bool]):
    """Whether two tokens can be neighbours, worked out when first asked for; emptied when full."""

    def __init__(self, merged: Mapping[IdPair, int]) -> None:
        self._merged, self._parts = merged, _parts(merged)

    def __missing__(self, pair: IdPair) -> bool:
        if len(self) >= REMEMBERED_PAIRS:
            self.clear()
        fits = self[pair] = not _crossed(*pair, _NEVER, self._merged, self._parts)
        return fits


def _parts(merged: Mapping[IdPair, int]) -> list[IdPair]:
    """The two tokens that each token was made of; nothing for the single bytes."""
    return [(-1, -1)] * 256 + sorted(merged, key=merged.__getitem__)


def _whole_tokens(merged: Mapping[IdPair, int]) -> set[int]:
    """The tokens whose bytes, encoded, give that token: in nearly every vocabulary, all. No other is in any encoding.

    A token made of left and right is whole when both are, and when nothing merges across the boundary between them
    before they merge with each other.
    """
    parts = _parts(merged)
    whole = set(range(256))
    for new in range(256, len(parts)):
        left, right = parts[new]
        if left in whole and right in whole and not _crossed(left, right, new, merged, parts):
            whole.add(new)
    return whole


def _crossed(left: int, right: int, until: int, merged: Mapping[IdPair, int], parts: Sequence[IdPair]) -> bool:
    """Whether some merge learned before `until` joins what lies on the two sides of the boundary.

    Back in time from there, the tokens at the boundary are the last and the first parts of left and right, the parts of
    these, and so on; of the two the one made later is taken apart first. Each pair that existed together must have no
    merge learned before one of the two became part of a greater token; at the same moment (aaa) the left place goes
    first.
    """
    find = merged.get
    while find((left, right), _NEVER) >= until:
        if left > right:
            until, left = left, parts[left][1]
        elif right >= 256:
            until, right = right + 1, parts[right][0]
        else:
            return False
    return True
