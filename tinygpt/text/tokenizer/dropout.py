"""BPE-dropout: a model sees a word cut in many ways, and learns from what its parts have in common.

Without dropout " unrelated" is always the same tokens. Here each merge that could be done next is left out with
probability p, and the best of the others is done; what was left out has its chance again after each merge. p = 0 is
byte-pair encoding itself, p = 1 gives single bytes. Whatever was left out, the tokens still spell the text.
"""

import hashlib
from collections.abc import Callable
from random import Random

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.linked import IdPair
from tinygpt.text.tokenizer.merging import merge_by_heap
from tinygpt.text.tokenizer.pretokens import text_to_bytes


def merge_with_dropout(
    ids: list[int], find: Callable[[IdPair], IdPair | None], p: float, draw: Callable[[], float]
) -> list[int]:
    """The ids of a piece's tokens, given the ids of its bytes.

    `find` gives a pair's (rank, id), and `draw` uniform numbers in [0, 1).

    The paper draws for every candidate and takes the best that is left. Drawing from the best on, until one is not left
    out, is the same: nobody asks what becomes of the worse. So a merge looks at 1 / (1 − p) candidates on average, and
    a piece of n bytes takes O(n log n / (1 − p)). A piece is done where all candidates are left out at once.

    Formula: next merge = min over candidates c with u_c ≥ p of rank(c), every u_c uniform in [0, 1) and new each time
    Paper: Provilkov, Emelianenko & Voita 2020, "BPE-dropout: simple and effective subword regularization", algorithm 1
    Example: examples/03_tokenizer.py
    Test: tests/test_tokenizer_dropout.py
    """
    return merge_by_heap(ids, find, lambda: draw() < p)


def checked_probability(p: float) -> float:
    """p, unless it is no probability."""
    if not isinstance(p, int | float) or isinstance(p, bool) or not 0 <= p <= 1:
        raise BadInput(f"p, the probability of leaving a merge out, must be at least 0 and at most 1, not {p!r}")
    return p


def drawing(seed: int, text: str) -> Callable[[], float]:
    """Uniform numbers in [0, 1) for one text. Another text has others, in whatever order and company they come."""
    digest = hashlib.sha256(f"{seed} ".encode() + text_to_bytes(text)).digest()
    return Random(int.from_bytes(digest, "big")).random
