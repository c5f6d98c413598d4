"""Templates: the special tokens around a text or a pair of texts, and the token type of each id.

A template is a sequence of (place, type). A place is "A", the first text, "B", the second, or the id of a token. BERT's
template for a pair, with 101 for [CLS] and 102 for [SEP]:

>>> alone, bert = as_bert(101, 102)
>>> fill(bert, {"A": [7, 8], "B": [9]})
[101, 7, 8, 102, 9, 102]
>>> types(bert, {"A": [7, 8], "B": [9]})
[0, 0, 0, 0, 1, 1]

The type tells a model which text a token belongs to. Source: Devlin et al. 2019, "BERT", section 3 (segments).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tinygpt.text.tokenizer.ids import is_id

Template = Sequence[tuple[int | str, int]]

ALONE: Template = (("A", 0),)
"""A text with nothing around it."""

ONE_AFTER_THE_OTHER: Template = (("A", 0), ("B", 1))
"""Two texts with nothing around them."""


def as_bert(begin: int, separator: int) -> tuple[Template, Template]:
    """BERT's templates of one text and of a pair: the type is 0 up to the first separator and 1 after it."""
    single = ((begin, 0), ("A", 0), (separator, 0))
    return single, (*single, ("B", 1), (separator, 1))


def fill(template: Template, texts: Mapping[str, Sequence[int]]) -> list[int]:
    """The template with the texts' ids at their places."""
    return [each for place, _ in template for each in texts.get(place, (place,))]


def types(template: Template, texts: Mapping[str, Sequence[int]]) -> list[int]:
    """The token type of each of the ids that `fill` gives."""
    return [kind for place, kind in template for _ in texts.get(place, (place,))]


def is_template(value: Any, letters: str) -> bool:
    """Whether a JSON value is a template that has each text of `letters` once."""
    if not isinstance(value, list) or not all(isinstance(each, list) and len(each) == 2 for each in value):
        return False
    places = [place for place, kind in value if is_id(kind)]
    texts = [place for place in places if not is_id(place)]
    return len(places) == len(value) and all(isinstance(each, str) for each in texts) and sorted(texts) == [*letters]
