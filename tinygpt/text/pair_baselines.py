"""Baselines of translation and summarization that learn nothing but counts, or nothing at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from .pairs import Pair

_WORD = re.compile(r"\w+(?:['’-]\w+)*['’]?|[^\w\s]")
"""Words with their apostrophes and hyphens; any other character except white space on its own."""


class WordForWord:
    """A translator that knows words and no grammar: each word becomes the target word of the highest Dice coefficient.

    Formula: f(e) = argmax_f dice(e, f), dice(e, f) = 2 n(e, f) / (n(e) + n(f)), n counting pairs of sentences
    Paper: Smadja, McKeown & Hatzivassiloglou 1996, "Translating collocations for bilingual lexicons", section 4
    Example: examples/09_translation.py
    Test: tests/test_metrics.py
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        together: Counter[tuple[str, str]] = Counter()
        of_source: Counter[str] = Counter()
        of_target: Counter[str] = Counter()
        for source, target in pairs:
            source_words, target_words = (list(dict.fromkeys(_WORD.findall(text))) for text in (source, target))
            of_source.update(source_words)
            of_target.update(target_words)
            together.update((e, f) for e in source_words for f in target_words)
        best: dict[str, tuple[float, str]] = {}
        for (e, f), n in together.items():
            dice = 2 * n / (of_source[e] + of_target[f])
            if e not in best or dice > best[e][0]:
                best[e] = dice, f
        self.dictionary = {e: f for e, (_, f) in best.items()}

    def __call__(self, source: str) -> str:
        """Translates word by word. Unknown words stay as they are, and so does what stands between words."""
        return _WORD.sub(lambda word: self.dictionary.get(word[0], word[0]), source)


def lead_sentence(text: str) -> str:
    """The first sentence: for most articles a summary that is hard to beat."""
    return re.split(r"(?<=[.!?])\s+(?=[\"'(]*[A-Z])", text.strip(), maxsplit=1)[0]
