"""Applying merges to one piece: the pair learned first goes first, and of equal pairs the leftmost.

A linked list of tokens and a heap of the merges that are possible take O(length · log length), so a piece
without end costs no more a byte than a word does. Looking at all pairs again after each merge, as the plain algorithm
does, is slower from four bytes on (measured on the words of a novel).
"""

import heapq
from collections.abc import Mapping
from itertools import pairwise

IdPair = tuple[int, int]

_DEAD = -1
"""Where a token has been merged into the one before it, and after the last."""


def merge_piece(ids: list[int], merged: Mapping[IdPair, int]) -> list[int]:
    """The ids of the piece's tokens, given the ids of its bytes.

    `merged` maps a pair of ids to the id of their merge. Ids grow in the order learned, so the smallest is the
    merge to do next; a merge's own id is greater than its parts', so what a merge makes possible comes later.
    An entry of the heap is stale, and skipped, when its place no longer holds the pair it was made for.
    """
    token = [*ids, _DEAD]
    following = list(range(1, len(ids) + 2))
    previous = list(range(-1, len(ids)))
    heap = [(merged[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in merged]
    heapq.heapify(heap)
    while heap:
        new, place = heapq.heappop(heap)
        partner = following[place]
        if merged.get((token[place], token[partner])) != new:
            continue
        token[place], token[partner] = new, _DEAD
        after = following[partner]
        following[place], previous[after] = after, place
        before = previous[place]
        if before >= 0 and (candidate := merged.get((token[before], new))) is not None:
            heapq.heappush(heap, (candidate, before))
        if (candidate := merged.get((new, token[after]))) is not None:
            heapq.heappush(heap, (candidate, place))
    return [each for each in token if each != _DEAD]


def merge_ranked(ids: list[int], merged: Mapping[IdPair, IdPair]) -> list[int]:
    """`merge_piece` where the order of the merges is not that of the ids: pair -> (rank, id), least rank first.

    Several merges may make one token, and a merge may come before those that make its parts; then an entry of the
    heap counts as stale when its place no longer makes the same token, as the library with such files has it.
    """
    token = [*ids, _DEAD]
    following = list(range(1, len(ids) + 2))
    previous = list(range(-1, len(ids)))
    heap: list[tuple[int, int, int]] = []

    def push(place: int) -> None:
        if (found := merged.get((token[place], token[following[place]]))) is not None:
            heapq.heappush(heap, (found[0], place, found[1]))

    for place in range(len(ids)):
        push(place)
    while heap:
        _, place, new = heapq.heappop(heap)
        partner = following[place]
        found = merged.get((token[place], token[partner])) if token[place] != _DEAD else None
        if found is None or found[1] != new:
            continue
        token[place], token[partner] = new, _DEAD
        after = following[partner]
        following[place], previous[after] = after, place
        if previous[place] >= 0:
            push(previous[place])
        push(place)
    return [each for each in token if each != _DEAD]
