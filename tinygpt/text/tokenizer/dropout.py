"""BPE-dropout: a model sees each word cut in many ways, and learns from what its parts have in common.

Without dropout " unrelated" always becomes the same tokens. Here each possible next merge is skipped with probability
p, and the best of the others is applied; skipped merges are possible again after it. p = 0 is plain byte-pair encoding,
p = 1 gives single bytes. Whatever is skipped, the tokens still spell the text.
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

    The paper draws a number for every candidate and applies the best that is left. Here numbers are drawn from the best
    candidate on, until one is not skipped. The result has the same distribution, since the draws for worse candidates
    do not matter. So a merge looks at 1 / (1 − p) candidates on average, and n bytes take O(n log n / (1 − p)). A piece
    is finished when all candidates are skipped at once.

    Formula: next merge = min over candidates c with u_c ≥ p of rank(c), every u_c uniform in [0, 1) and new each time
    Paper: Provilkov, Emelianenko & Voita 2020, "BPE-dropout: simple and effective subword regularization", algorithm 1
    Example: examples/03_tokenizer.py
    Test: tests/test_tokenizer_dropout.py
    """
    return merge_by_heap(ids, find, lambda: draw() < p)


def checked_probability(p: float) -> float:
    """p. Raises BadInput if it is not a probability."""
    if not isinstance(p, int | float) or isinstance(p, bool) or not 0 <= p <= 1:
        raise BadInput(f"p, the probability of leaving a merge out, must be at least 0 and at most 1, not {p!r}")
    return p


def drawing(seed: int, text: str) -> Callable[[], float]:
    """Uniform numbers in [0, 1) for one text, which depend on the seed and on this text alone."""
    digest = hashlib.sha256(f"{seed} ".encode() + text_to_bytes(text)).digest()
    return Random(int.from_bytes(digest, "big")).random
