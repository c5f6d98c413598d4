"""Tokens in one array, as a doubly linked list in which all occurrences of a pair are merged together.

Walls separate the pieces. Training (training.py) chooses the most frequent pair, encoding a very long piece
(merging.py) the pair that was learned first; what a merge does to the list is the same.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

_WALL, _DEAD = -1, -2
"""Marks the places between pieces, and a place that has been merged into the one before it."""

MANY = 100
"""From this many places on, merging all at once with NumPy is faster; one at a time costs a microsecond or two each."""

BASE = 1 << 32
"""Greater than every id; a pair of ids as one number is left · BASE + right."""

IdPair = tuple[int, int]


class Row:
    """The pieces as linked tokens, with the count and the places of every pair of neighbours.

    `token`, `next`, `previous` and `weight` are memoryviews, in which Python reads one place quickly. `tokens`,
    `nexts`, `previouses` and `weights` are NumPy arrays over the same memory, for many places at once.
    """

    def __init__(self, pieces: Collection[Sequence[int]], counts: Iterable[int]) -> None:
        """pieces: sequences of ids (or bytes), none of them empty. counts: how often each piece occurs."""
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        n = int(lengths.sum()) + len(lengths) + 1
        inside = np.ones(n, dtype=bool)
        inside[np.concatenate([[0], np.cumsum(lengths + 1)])] = False
        self.tokens, self.weights = np.full(n, _WALL, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.tokens[inside] = np.fromiter(chain.from_iterable(pieces), dtype=np.int64)
        self.weights[inside] = np.repeat(np.fromiter(counts, dtype=np.int64), lengths)
        self.nexts, self.previouses = np.arange(1, n + 1), np.arange(-1, n - 1)
        self.token, self.weight = memoryview(self.tokens), memoryview(self.weights)
        self.next, self.previous = memoryview(self.nexts), memoryview(self.previouses)
        self.counts: dict[IdPair, int] = defaultdict(int)
        self.places: dict[IdPair, list[int]] = defaultdict(list)
        left = np.flatnonzero(inside[:-1] & inside[1:])
        codes = self.tokens[left] * BASE + self.tokens[left + 1]
        for code, weight, places in _grouped(codes, self.weights[left], left):
            self.counts[divmod(code, BASE)], self.places[divmod(code, BASE)] = weight, places

    def merge(self, pair: IdPair, new: int) -> set[IdPair]:
        """Replaces the pair by the token `new` everywhere, from the left; returns the pairs that arise from it."""
        places = self.places.pop(pair)
        arisen = (self._merge_many if len(places) >= MANY else self._merge_few)(pair, new, places)
        del self.counts[pair]
        return arisen

    def _merge_few(self, pair: IdPair, new: int, places: list[int]) -> set[IdPair]:
        """One place after another."""
        token, following, previous, counts = self.token, self.next, self.previous, self.counts
        first, second = pair
        arisen = set()
        for place in sorted(places):
            partner = following[place]
            if token[place] != first or token[partner] != second:
                continue
            weight = self.weight[place]
            before, after = previous[place], following[partner]
            if (neighbour := token[before]) != _WALL:
                counts[neighbour, first] -= weight
                come = neighbour, new
                counts[come] += weight
                self.places[come].append(before)
                arisen.add(come)
            if (neighbour := token[after]) != _WALL:
                counts[second, neighbour] -= weight
                come = new, neighbour
                counts[come] += weight
                self.places[come].append(place)
                arisen.add(come)
            token[place], token[partner] = new, _DEAD
            following[place], previous[after] = after, place
        return arisen

    def _merge_many(self, pair: IdPair, new: int, places: list[int]) -> set[IdPair]:
        """All places at once. Where merged pairs are adjacent (abab), the boundary between them is counted once."""
        token, following, previous = self.tokens, self.nexts, self.previouses
        first, second = pair
        place = np.sort(np.array(places, dtype=np.int64), kind="stable")  # fast if they are nearly in order
        place = place[(token[place] == first) & (token[following[place]] == second)]
        if first == second:
            place = _every_other(place, following[place])
        partner = following[place]
        before, after, weight = previous[place], following[partner], self.weights[place]
        right_before = token[after]
        token[place], token[partner] = new, _DEAD
        following[place], previous[after] = after, place
        left, right = token[before], token[after]
        alone, inner = left >= 0, right >= 0  # a left neighbour just merged is dead: it counts the boundary
        to_the_left = list(_grouped(left[alone], weight[alone], before[alone]))
        gone = [((n, first), w) for n, w, _ in to_the_left]
        gone += [((second, n), w) for n, w, _ in _grouped(right_before[inner], weight[inner], place[inner])]
        come = [((n, new), w, found) for n, w, found in to_the_left]
        come += [((new, n), w, found) for n, w, found in _grouped(right[inner], weight[inner], place[inner])]
        for neighbours, w in gone:
            self.counts[neighbours] -= w
        for neighbours, w, found in come:
            self.counts[neighbours] += w
            self.places[neighbours] += found
        return {neighbours for neighbours, _, _ in come}


def _every_other(place: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Of overlapping places (aaa holds aa twice) the first, the third, … of each run."""
    begins = np.ones(len(place), dtype=bool)
    begins[1:] = place[1:] != partner[:-1]
    number = np.arange(len(place))
    return place[(number - np.maximum.accumulate(np.where(begins, number, 0))) % 2 == 0]


def _grouped(key: np.ndarray, weight: np.ndarray, place: np.ndarray) -> Iterator[tuple[int, int, list[int]]]:
    """(key, sum of its weights, its places) for each distinct key."""
    if not len(key):
        return
    order = np.argsort(key, kind="stable")
    key, place = key[order], place[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    sums = np.add.reduceat(weight[order], starts).tolist()
    ends = [*starts[1:].tolist(), len(key)]
    for begin, end, total in zip(starts.tolist(), ends, sums, strict=True):
        yield int(key[begin]), total, place[begin:end].tolist()
