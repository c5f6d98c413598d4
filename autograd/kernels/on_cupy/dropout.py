"""Dropout that saves only its key for the backward. Formula: ../reference/dropout.py."""

from __future__ import annotations

from typing import Any

from ...device import Array, array_module
from ...random import Key
from .launch import WHOLE, contiguous, growth, over_elements, random_words, threshold


def dropout(x: Array, p: float, key: Key) -> tuple[Array, Any]:
    return _dropped(x, p, key), (p, key)


def dropout_backward(dy: Array, saved: Any) -> Array:
    return _dropped(dy, *saved)


def _dropped(x: Array, p: float, key: Key) -> Array:
    flat = contiguous(x).reshape(-1)
    y = array_module(x).empty(flat.shape, dtype=x.dtype)
    for start in range(0, flat.size, WHOLE):
        piece, out = flat[start : start + WHOLE], y[start : start + WHOLE]
        constants = start, threshold(p), growth(p), *random_words(key, start)
        over_elements("dropout", "dropout", x, piece.size, piece, out, piece.size, *constants)
    return y.reshape(x.shape)
