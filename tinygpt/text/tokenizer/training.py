"""Fast training of merges: the counts of pairs are updated instead of being counted again.

All unique pieces lie in one linked list (linked.py). A merge visits only the places where its pair occurs, and updates
the counts of the pairs next to them. Each visit that merges removes a place for good, so the whole training takes
O(places · log places), however long a piece is.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tqdm import tqdm

from tinygpt.text.tokenizer.columns import LONG_TEXT, PieceCounts
from tinygpt.text.tokenizer.linked import IdPair, Row
from tinygpt.text.tokenizer.pieces import PieceFinder
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, split_at_special, text_to_bytes
from tinygpt.text.workers import spread


class Learned(NamedTuple):
    """Merges in the order learned, and how often the two tokens of each were neighbours when it was learned."""

    merges: list[tuple[bytes, bytes]]
    counts: list[int]


_COMPLEMENT = bytes(255 - byte for byte in range(256))


def count_pieces(
    texts: Iterable[str], special_tokens: Iterable[str], pattern: str, processes: int | None = None
) -> Counter[bytes]:
    """How often each piece occurs; memory grows with the unique pieces, not with the texts.

    Many texts go to several processes, by default as many as there are cores.
    """
    counts: Counter[bytes] = Counter()
    for part in spread(_counter, (tuple(special_tokens), pattern), texts, processes):
        counts.update(part)
    return counts


def _counter(names: Sequence[str], pattern: str) -> Callable[[Iterable[str]], dict[bytes, int]]:
    find_pieces, in_long = PieceFinder(pattern), PieceCounts()

    def count(texts: Iterable[str]) -> dict[bytes, int]:
        in_short: Counter[str] = Counter()
        for text in texts:
            for part, is_special in split_at_special(text, names):
                if is_special:
                    continue
                if pattern == GPT2_PATTERN and len(part) >= LONG_TEXT:
                    in_long.add(part)
                else:
                    in_short.update(find_pieces(part))
        counts = in_long.taken()
        counts.update({text_to_bytes(piece): count for piece, count in in_short.items()})
        return counts

    return count


def learn_merges(pieces: Mapping[bytes, int], n_merges: int, min_frequency: int = 1, progress: bool = False) -> Learned:
    """The merges that `train_plain` learns from the same pieces, except those of pairs rarer than `min_frequency`.

    The heap holds each pair with its count when it was pushed. A count that has fallen since then is noticed when the
    pair is popped, and the pair is pushed again. Counts rise only for pairs with the newest token, which are pushed
    after its merge.
    """
    long_enough = {piece: count for piece, count in pieces.items() if len(piece) > 1}
    row = Row(long_enough, long_enough.values())
    tokens = [bytes([byte]) for byte in range(256)]
    descending = [_descending(token) for token in tokens]
    heap: list[tuple[int, str, str, IdPair]] = []

    def push(pair: IdPair) -> None:
        count = row.counts.get(pair, 0)
        if count >= min_frequency:
            heapq.heappush(heap, (-count, descending[pair[0]], descending[pair[1]], pair))

    for pair in row.counts:
        push(pair)
    learned = Learned([], [])
    with tqdm(total=n_merges, unit="merge", disable=not progress, desc="learning merges") as bar:
        while heap and len(learned.merges) < n_merges:
            negative_count, _, _, pair = heapq.heappop(heap)
            if row.counts.get(pair, 0) != -negative_count:
                push(pair)
                continue
            left, right = tokens[pair[0]], tokens[pair[1]]
            learned.merges.append((left, right))
            learned.counts.append(-negative_count)
            tokens.append(left + right)
            descending.append(_descending(left + right))
            for changed in row.merge(pair, len(tokens) - 1):
                push(changed)
            bar.update()
    return learned


def _descending(token: bytes) -> str:
    """A key that sorts byte strings in descending order: each byte's complement, and an end greater than any byte.

    The heap pops its smallest entry first, and a tie must go to the greater pair.
    """
    return token.translate(_COMPLEMENT).decode("latin-1") + "\u0100"
