"""Embedding: token ids pick rows of a table.

… any leading axes, V rows, C channels.
"""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module


def embedding(ids: Array, table: Array) -> tuple[Array, Any]:
    """ids (…), table (V, C) → (…, C): the product of one-hot rows with the table, without the product.

    Formula: y = table[ids] = onehot(ids) @ table
    Paper: Bengio et al. 2003, "A neural probabilistic language model", section 2
    Example: examples/02_bigram.py
    Test: tests/test_gradients.py
    """
    return table[ids], (ids, table.shape)


def embedding_backward(dy: Array, saved: Any) -> Array:
    """onehot(ids)ᵀ @ dy: row r of the table receives the sum of dy over the places where ids is r."""
    ids, shape = saved
    xp = array_module(dy)
    dtable = xp.zeros(shape, dtype=dy.dtype)
    xp.add.at(dtable, ids, dy)
    return dtable
