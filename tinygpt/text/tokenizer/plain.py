r"""Byte-pair encoding as in a textbook: count every pair, merge the most frequent one, repeat.

Tokens are byte strings here, which keeps the algorithm plain. `training.py` and `merging.py` do the same with
integers, incrementally, and a test checks that they agree. On the four words of the paper named below:

>>> text = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"
>>> merges = train_plain([text], n_merges=4)
>>> merges
[(b's', b't'), (b'e', b'st'), (b'o', b'w'), (b'l', b'ow')]

`e s` and `s t` both occur 9 times. Ties go to the pair that is greater as byte strings, compared
lexicographically, so `s t` comes first and the order of the text never matters. A word that was not in the text
is cut into tokens that were learned from other words:

>>> encode_plain("lowest", merges)
[b'low', b'est']
"""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern, text_to_bytes

BytePair = tuple[bytes, bytes]
Word = list[bytes]


def count_pairs(words: Iterable[Word]) -> Counter[BytePair]:
    """How often each pair of tokens occurs side by side.

    >>> count_pairs([[b"a", b"b", b"a", b"b"]])
    Counter({(b'a', b'b'): 2, (b'b', b'a'): 1})
    """
    return Counter(pair for word in words for pair in pairwise(word))


def merge(word: Word, pair: BytePair) -> Word:
    """The word with every occurrence of the pair, from the left, replaced by one token.

    >>> merge([b"a", b"a", b"a"], (b"a", b"a"))
    [b'aa', b'a']
    """
    merged, place = [], 0
    while place < len(word):
        found = tuple(word[place : place + 2]) == pair
        merged.append(b"".join(pair) if found else word[place])
        place += 2 if found else 1
    return merged


def train_plain(texts: Iterable[str], n_merges: int, pattern: str = GPT2_PATTERN) -> list[BytePair]:
    """The first `n_merges` merges, or fewer where no pair is left.

    Formula: next merge = argmax over pairs (a, b) of (count(a, b), (a, b)); then every a b becomes ab
    Paper: Sennrich et al. 2016, "Neural machine translation of rare words with subword units", section 3.2
    Example: examples/03_tokenizer.py
    Test: tests/test_tokenizer.py
    """
    words = [word for text in texts for word in _words(text, pattern)]
    merges: list[BytePair] = []
    while len(merges) < n_merges and (counts := count_pairs(words)):
        commonest = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(commonest)
        words = [merge(word, commonest) for word in words]
    return merges


def encode_plain(text: str, merges: Iterable[BytePair], pattern: str = GPT2_PATTERN) -> list[bytes]:
    """The text's tokens: every merge, in the order learned, applied to every piece of the text."""
    words = _words(text, pattern)
    for pair in merges:
        words = [merge(word, pair) for word in words]
    return [token for word in words for token in word]


def _words(text: str, pattern: str) -> list[Word]:
    pieces = compile_pattern(pattern).findall(text)
    return [[bytes([byte]) for byte in text_to_bytes(piece)] for piece in pieces]
