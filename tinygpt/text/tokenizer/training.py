"""Learning merges at speed: the counts of pairs are kept up to date instead of being counted again.

All unique pieces lie in one row of places, each followed by a wall, as a doubly linked list of tokens. A merge
visits only the places where its pair stands and corrects the counts of the neighbours there. Every visit that
merges removes a place for good, so the whole training takes O(places · log places), however long a piece is.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from tqdm import tqdm

from tinygpt.text.tokenizer.pretokens import compile_pattern, split_at_special, text_to_bytes

_WALL, _DEAD = -1, -2
"""Between pieces; and where a place has been merged into the one before it."""

MANY = 60
"""Places from which on it pays to merge all of them at once with NumPy; one at a time costs some 2 µs each."""

_COMPLEMENT = bytes(255 - byte for byte in range(256))

IdPair = tuple[int, int]
Changes = tuple[list[tuple[IdPair, int]], list[tuple[IdPair, int, list[int]]]]  # counts that fall; that rise, and where


def count_pieces(texts: Iterable[str], special_tokens: Iterable[str], pattern: str) -> Counter[bytes]:
    """How often each piece occurs; memory grows with the unique pieces, not with the texts."""
    find_pieces = compile_pattern(pattern).findall
    names = tuple(special_tokens)
    counts: Counter[str] = Counter()
    for text in texts:
        for part, is_special in split_at_special(text, names):
            if not is_special:
                counts.update(find_pieces(part))
    return Counter({text_to_bytes(piece): count for piece, count in counts.items()})


def learn_merges(
    pieces: Mapping[bytes, int], n_merges: int, min_frequency: int = 1, progress: bool = False
) -> list[tuple[bytes, bytes]]:
    """What `train_plain` learns from the same pieces, stopping before a pair rarer than `min_frequency`.

    The heap holds a pair under its count at the time of pushing. Counts that fell since are noticed when the
    pair is popped; counts only rise for pairs with the newest token, and those are pushed after its merge.
    """
    row = _Row(pieces)
    tokens = [bytes([byte]) for byte in range(256)]
    descending = [_descending(token) for token in tokens]
    heap: list[tuple[int, str, str, IdPair]] = []

    def push(pair: IdPair) -> None:
        count = row.counts.get(pair, 0)
        if count >= min_frequency:
            heapq.heappush(heap, (-count, descending[pair[0]], descending[pair[1]], pair))

    for pair in row.counts:
        push(pair)
    merges: list[tuple[bytes, bytes]] = []
    with tqdm(total=n_merges, unit="merge", disable=not progress, desc="learning merges") as bar:
        while heap and len(merges) < n_merges:
            negative_count, _, _, pair = heapq.heappop(heap)
            if row.counts.get(pair, 0) != -negative_count:
                push(pair)
                continue
            left, right = tokens[pair[0]], tokens[pair[1]]
            merges.append((left, right))
            tokens.append(left + right)
            descending.append(_descending(left + right))
            for changed in row.merge(pair, len(tokens) - 1):
                push(changed)
            bar.update()
    return merges


def _descending(token: bytes) -> str:
    """A key that sorts byte strings backwards: each byte's complement, and an end greater than any byte.

    The heap gives its smallest entry first, and a tie must go to the greater pair.
    """
    return token.translate(_COMPLEMENT).decode("latin-1") + "\u0100"


class _Row:
    """The pieces as linked tokens, with the count and the places of every pair of neighbours.

    `token`, `next`, `previous` and `weight` are read one place at a time through arrays, which is quick in Python, and
    many places at once through NumPy's views of the same memory.
    """

    def __init__(self, pieces: Mapping[bytes, int]) -> None:
        longer = [(piece, count) for piece, count in pieces.items() if len(piece) > 1]
        lengths = np.array([len(piece) + 1 for piece, _ in longer], dtype=np.int64)
        n = int(lengths.sum()) + 1
        self.tokens = np.full(n, _WALL, dtype=np.int64)
        walls = np.concatenate([[0], np.cumsum(lengths)])
        inside = np.ones(n, dtype=bool)
        inside[walls] = False
        self.tokens[inside] = np.frombuffer(b"".join(piece for piece, _ in longer), dtype=np.uint8)
        self.weights = np.zeros(n, dtype=np.int64)
        self.weights[inside] = np.repeat(np.array([count for _, count in longer], dtype=np.int64), lengths - 1)
        self.nexts, self.previouses = np.arange(1, n + 1), np.arange(-1, n - 1)
        self.token, self.weight = memoryview(self.tokens), memoryview(self.weights)
        self.next, self.previous = memoryview(self.nexts), memoryview(self.previouses)
        self.counts: dict[IdPair, int] = defaultdict(int)
        self.places: dict[IdPair, list[int]] = defaultdict(list)
        left = np.flatnonzero(inside[:-1] & inside[1:])
        for code, weight, places in _grouped(self.tokens[left] * 256 + self.tokens[left + 1], self.weights[left], left):
            self.counts[divmod(code, 256)], self.places[divmod(code, 256)] = weight, places

    def merge(self, pair: IdPair, new: int) -> set[IdPair]:
        """Make the pair one token wherever it stands, from the left; the pairs that arose by it."""
        places = self.places.pop(pair)
        changes = self._merge_many if len(places) >= MANY else self._merge_few
        gone, come = changes(pair, new, places)
        for neighbours, weight in gone:
            self.counts[neighbours] -= weight
        for neighbours, weight, found in come:
            self.counts[neighbours] += weight
            self.places[neighbours] += found
        del self.counts[pair]
        return {neighbours for neighbours, _, _ in come}

    def _merge_few(self, pair: IdPair, new: int, places: list[int]) -> Changes:
        """One place after another."""
        token, following, previous = self.token, self.next, self.previous
        first, second = pair
        to_the_left: dict[int, list[int]] = defaultdict(lambda: [0])  # neighbour → its weight, then where it stands
        to_the_right: dict[int, list[int]] = defaultdict(lambda: [0])
        for place in sorted(places):
            partner = following[place]
            if token[place] != first or token[partner] != second:
                continue
            weight = self.weight[place]
            before, after = previous[place], following[partner]
            if (neighbour := token[before]) != _WALL:
                found = to_the_left[neighbour]
                found[0] += weight
                found.append(before)
            if (neighbour := token[after]) != _WALL:
                found = to_the_right[neighbour]
                found[0] += weight
                found.append(place)
            token[place], token[partner] = new, _DEAD
            following[place], previous[after] = after, place
        gone = [((n, first), found[0]) for n, found in to_the_left.items()]
        gone += [((second, n), found[0]) for n, found in to_the_right.items()]
        come = [((n, new), found[0], found[1:]) for n, found in to_the_left.items()]
        come += [((new, n), found[0], found[1:]) for n, found in to_the_right.items()]
        return gone, come

    def _merge_many(self, pair: IdPair, new: int, places: list[int]) -> Changes:
        """All places at once. Where merged pairs follow each other (abab), the gap between them counts once."""
        token, following, previous = self.tokens, self.nexts, self.previouses
        first, second = pair
        place = np.unique(np.array(places, dtype=np.int64))
        place = place[(token[place] == first) & (token[following[place]] == second)]
        if first == second:
            place = _every_other(place, following[place])
        partner = following[place]
        before, after, weight = previous[place], following[partner], self.weights[place]
        right_before = token[after]
        token[place], token[partner] = new, _DEAD
        following[place], previous[after] = after, place
        left, right = token[before], token[after]
        alone, inner = left >= 0, right >= 0  # a left neighbour that was just merged is dead: it has counted the gap
        to_the_left = list(_grouped(left[alone], weight[alone], before[alone]))
        gone = [((n, first), w) for n, w, _ in to_the_left]
        gone += [((second, n), w) for n, w, _ in _grouped(right_before[inner], weight[inner], place[inner])]
        come = [((n, new), w, found) for n, w, found in to_the_left]
        come += [((new, n), w, found) for n, w, found in _grouped(right[inner], weight[inner], place[inner])]
        return gone, come


def _every_other(place: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Of places that overlap (aaa holds aa twice) the first, the third, … of each run."""
    begins = np.ones(len(place), dtype=bool)
    begins[1:] = place[1:] != partner[:-1]
    number = np.arange(len(place))
    return place[(number - np.maximum.accumulate(np.where(begins, number, 0))) % 2 == 0]


def _grouped(key: np.ndarray, weight: np.ndarray, place: np.ndarray) -> Iterator[tuple[int, int, list[int]]]:
    """(key, sum of its weights, its places) for each different key."""
    if not len(key):
        return
    order = np.argsort(key, kind="stable")
    key, place = key[order], place[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    sums = np.add.reduceat(weight[order], starts).tolist()
    ends = [*starts[1:].tolist(), len(key)]
    for begin, end, total in zip(starts.tolist(), ends, sums, strict=True):
        yield int(key[begin]), total, place[begin:end].tolist()
