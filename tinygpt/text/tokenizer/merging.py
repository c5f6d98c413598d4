"""Applying merges to one piece: the merge learned first is applied first, the leftmost of equal ones.

In a short piece the next merge is found by a search through all pairs. A longer piece keeps its possible merges in a
heap. A very long one is a linked list in which all places of a pair are merged together (linked.py). So no text takes
many times longer than another of the same length. This module is for short texts; in long ones many pieces are merged
side by side (together.py).
"""

import heapq
from collections.abc import Callable, Mapping
from itertools import pairwise

from tinygpt.text.tokenizer.linked import IdPair, Row

LONG, ENDLESS = 100, 2000
"""Bytes from which on a piece is merged with a heap, and with a linked list: from there these are faster."""

_NONE = 1 << 62
"""Stands for the id of a merge that does not exist."""

_DEAD = -1
"""Marks a token that has been merged into the one before it, and the end of the list."""


def merge_piece(ids: list[int], merged: Mapping[IdPair, int]) -> list[int]:
    """The ids of the piece's tokens, given the ids of its bytes in a list, which is overwritten.

    `merged` maps a pair of ids to the id of their merge. Ids increase in the order learned, so the smallest is the next
    merge to apply. A merge's own id is greater than those of its parts, so the merges that it makes possible come
    later.
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
    """A function that gives a pair's (rank, id), where the id of a merge is also its rank."""

    def find(pair: IdPair) -> IdPair | None:
        new = merged.get(pair)
        return None if new is None else (new, new)

    return find


def _merge_endless(ids: list[int], merged: Mapping[IdPair, int]) -> list[int]:
    """Merges in a linked list. All places of a pair arise at once, when the later of its two tokens is made, so each
    pair enters the heap once."""
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
    """Merges with a heap of possible merges over a linked list of tokens; `find` gives a pair's (rank, id).

    A merge for which `passed_over()` is true when its turn comes waits until another one has been applied (dropout.py).

    If ids are not in the order of ranks, several merges may make the same token, and a merge may come before those that
    make its parts. So an entry counts as stale, and is skipped, if its place no longer makes the same token.
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
