"""Applying merges to one piece: the pair learned first goes first, and of equal pairs the leftmost.

A short piece is searched for its next merge again and again; a longer one keeps its possible merges in a heap; and an
endless one goes through a row in which all places of a pair are merged together. So no text costs many times what
another does. This is for short texts; in long ones many pieces are merged side by side (together.py).
"""

import heapq
from collections.abc import Callable, Mapping
from itertools import pairwise

from tinygpt.text.tokenizer.linked import IdPair, Row

LONG, ENDLESS = 100, 2000
"""Bytes from which on a piece goes through a heap, and through a row: by then these are faster."""

_NONE = 1 << 62
"""In place of the id of a merge that does not exist."""

_DEAD = -1
"""Where a token has been merged into the one before it, and after the last."""


def merge_piece(ids: list[int], merged: Mapping[IdPair, int]) -> list[int]:
    """The ids of the piece's tokens, given the ids of its bytes in a list that is used up.

    `merged` maps a pair of ids to the id of their merge. Ids grow in the order learned, so the smallest is the
    merge to do next; a merge's own id is greater than its parts', so what a merge makes possible comes later.
    """
    if len(ids) >= ENDLESS:
        return _merge_endless(ids, merged)
    return _merge_short(ids, merged) if len(ids) < LONG else merge_by_heap(ids, ranked_by_id(merged))


def _merge_short(ids: list[int], merged: Mapping[IdPair, int]) -> list[int]:
    """`possible[i]` is the merge of tokens i and i + 1; the search for the smallest runs in C."""
    find = merged.get
    possible = [find(pair, _NONE) for pair in pairwise(ids)]
    while possible and (new := min(possible)) != _NONE:
        place = possible.index(new)
        ids[place : place + 2] = [new]
        del possible[place]
        if place:
            possible[place - 1] = find((ids[place - 1], new), _NONE)
        if place < len(possible):
            possible[place] = find((new, ids[place + 1]), _NONE)
    return ids


def ranked_by_id(merged: Mapping[IdPair, int]) -> Callable[[IdPair], IdPair | None]:
    """A pair's (rank, id) where the id of a merge is its rank, too."""

    def find(pair: IdPair) -> IdPair | None:
        new = merged.get(pair)
        return None if new is None else (new, new)

    return find


def _merge_endless(ids: list[int], merged: Mapping[IdPair, int]) -> list[int]:
    """Through a row: a pair arises when the later of its two tokens is made, all its places at once, and so it is in
    the heap once."""
    row = Row([ids], [1])
    heap = [(merged[pair], pair) for pair in row.counts if pair in merged]
    heapq.heapify(heap)
    while heap:
        new, pair = heapq.heappop(heap)
        for arisen in row.merge(pair, new):
            if (candidate := merged.get(arisen)) is not None:
                heapq.heappush(heap, (candidate, arisen))
    return row.tokens[row.tokens >= 0].tolist()


def merge_by_heap(
    ids: list[int], find: Callable[[IdPair], IdPair | None], passed_over: Callable[[], bool] | None = None
) -> list[int]:
    """A heap of possible merges over a linked list of tokens; `find` gives a pair's (rank, id).

    A merge that is `passed_over` when its turn has come waits until another one has been done (dropout.py).

    Where ids are not in the order of ranks, several merges may make one token, and a merge may come before those that
    make its parts: so an entry counts as stale, and is skipped, when its place no longer makes the same token.
    """
    token = [*ids, _DEAD]
    following = list(range(1, len(ids) + 2))
    previous = list(range(-1, len(ids)))
    heap: list[tuple[int, int, int]] = []
    waiting: list[tuple[int, int, int]] = []

    def push(place: int) -> None:
        if (found := find((token[place], token[following[place]]))) is not None:
            heapq.heappush(heap, (found[0], place, found[1]))

    for place in range(len(ids)):
        push(place)
    while heap:
        candidate = heapq.heappop(heap)
        _, place, new = candidate
        partner = following[place]
        found = find((token[place], token[partner]))
        if found is None or found[1] != new:
            continue
        if passed_over is not None and passed_over():
            waiting.append(candidate)
            continue
        token[place], token[partner] = new, _DEAD
        after = following[partner]
        following[place], previous[after] = after, place
        if previous[place] >= 0:
            push(previous[place])
        push(place)
        while waiting:
            heapq.heappush(heap, waiting.pop())
    return [each for each in token if each != _DEAD]
