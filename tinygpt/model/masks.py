"""Attention masks as matrices.

A mask is boolean, (Tq, Tk) or any shape that broadcasts to (B, H, Tq, Tk): True where a query may look at a key.
`additive` turns it into the matrix that the formula adds to the scores. `attention(causal=True)` has the effect of
causal_mask without the matrix.

B batch, H heads, Tq queries, Tk keys.
"""

from __future__ import annotations

import math
from typing import Any

from autograd import array_module


def causal_mask(queries: int, keys: int, like: Any) -> Any:
    """(Tq, Tk), True at and below the diagonal that ends in the lower right corner: no query sees the future.

    like: an array of the library (NumPy or CuPy) in which the mask is made.

    Formula: may_look[i, j] = (j ≤ Tk − Tq + i)
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.2.3
    Example: examples/04_attention.py
    Test: tests/test_attention.py
    """
    xp = array_module(like)
    return xp.arange(keys)[None, :] <= xp.arange(queries)[:, None] + (keys - queries)


def banded_mask(queries: int, keys: int, width: int, like: Any) -> Any:
    """(Tq, Tk), causal_mask limited to a band of `width` keys: every query sees its own key and width − 1 before it.

    Formula: may_look[i, j] = (p − width < j ≤ p), p = Tk − Tq + i
    Paper: Beltagy, Peters & Cohan 2020, "Longformer: the long-document transformer", section 3.1
    Example: examples/06_generation.py
    Test: tests/test_overflow.py
    """
    xp = array_module(like)
    far = xp.arange(keys)[None, :] <= xp.arange(queries)[:, None] + (keys - queries - width)
    return causal_mask(queries, keys, like) & ~far


def additive(mask: Any) -> Any:
    """0 where the mask is True and −∞ where it is False: exp(score − ∞) is exactly 0."""
    return array_module(mask).where(mask, 0.0, -math.inf)
