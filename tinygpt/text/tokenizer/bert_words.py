"""The words of BERT's tokenizer, which WordPiece then cuts into tokens.

`basic_words` processes the whole text in a few steps. `placed_words` does the same one character at a time, and records
where each came from; a test checks that they agree.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

from tinygpt.text.tokenizer.bert_characters import CJK, CONTROL, MARKS, PUNCTUATION, character_class

_CONTROL = re.compile(f"[{character_class(CONTROL)}]+")
_CJK = re.compile(f"[{character_class(CJK)}]")
_MARKS = re.compile(f"[{character_class(MARKS)}]+")
_WORD = re.compile(rf"[{character_class(PUNCTUATION)}]|[^\s{character_class(PUNCTUATION)}]+")


def basic_words(text: str, lowercase: bool) -> list[str]:
    """The words of a text; every punctuation mark and every Chinese character is a word of its own.

    If `lowercase`, characters are decomposed into letters and accents (NFD), the accents are dropped, and each letter
    is lowercased by itself: a sigma at the end of a word is lowercased like any other.

    >>> basic_words("Déjà-vu, 世界!", lowercase=True)
    ['deja', '-', 'vu', ',', '世', '界', '!']
    """
    text = _CONTROL.sub("", text)
    text = _CJK.sub(r" \g<0> ", text)
    if lowercase:
        text = _MARKS.sub("", unicodedata.normalize("NFD", text))
        text = text.replace("Σ", "σ").lower()
    return _WORD.findall(text)


def placed_words(text: str, lowercase: bool) -> Iterator[tuple[str, Sequence[int]]]:
    """(word, places): each word of `basic_words`, and for each of its characters the index in the text it came from.

    Dropped characters, accents and control characters, have no place. Characters that come from one share its place,
    such as the three letters of a Hangul syllable.

    >>> list(placed_words("Dé\u200bjà", lowercase=True))
    [('deja', [0, 1, 3, 4])]
    """
    found = [(part, place) for place, character in enumerate(text) for part in _parts(character, lowercase)]
    if lowercase:
        found = [(letter, place) for part, place in _in_order(found) for letter in _lowered(part)]
    places = [place for _, place in found]
    for word in _WORD.finditer("".join(letter for letter, _ in found)):
        yield word.group(), places[word.start() : word.end()]


@lru_cache(maxsize=1 << 12)
def _parts(character: str, lowercase: bool) -> str:
    """What a character becomes: nothing (control), itself between spaces (Chinese), its letters and accents if
    lowercased."""
    separate = _CJK.sub(r" \g<0> ", _CONTROL.sub("", character))
    return unicodedata.normalize("NFD", separate) if lowercase else separate


def _lowered(letter: str) -> str:
    """The letter lowercased by itself; nothing for an accent."""
    return "" if _MARKS.match(letter) else "σ" if letter == "Σ" else letter.lower()


def _in_order(found: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """The last step of NFD: the accents on one letter are sorted by their class; within a class they keep their order.

    Source: The Unicode Standard, section 3.11, D109, "Canonical Ordering Algorithm".
    """
    for are_accents, group in groupby(found, key=lambda each: unicodedata.combining(each[0]) > 0):
        run = list(group)
        yield from sorted(run, key=lambda each: unicodedata.combining(each[0])) if are_accents else run
