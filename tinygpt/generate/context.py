"""What a model sees of a text that has outgrown its context: one rule for each kind of positions.

Absolute positions end where the context does, and a layer's states of a token depend on its place in the window. So
moving the window means reading its tokens again. The window stands still while the text grows into it; when it is full,
its second half is read again as the beginning of the next window. So every token is read at most twice, and once
the text fills a context, each new token is predicted from at least half of one.

Relative positions depend on distances alone, so that nothing is ever read again: in every layer each token sees itself
and the block_size − 1 tokens before it, no further apart than in training. Through several layers its states still
carry information from further back, because the tokens that it sees have seen others.

T block_size, n tokens of a text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import device_of, no_grad, to_device, to_numpy, wide

from ..model import GPT
from ..model.masks import banded_mask


def window_start(n: int, block_size: int) -> int:
    """With absolute positions, the index of the first of n tokens that the model sees.

    Of a text longer than T it sees at least ⌈T/2⌉ and at most T tokens.
    """
    step = max(1, block_size // 2)
    return step * max(0, -((block_size - n) // step))


def slides(model: Any) -> bool:
    """Whether texts longer than the context are read with a banded mask; otherwise a window moves along them."""
    return isinstance(model, GPT) and model.wpe.relative


def next_logits(model: Any, text: Sequence[int]) -> np.ndarray:
    """The logits (V,) after a text under these rules, without a cache: all that the model sees is read again.

    A cache must give the same result. The function also serves models without one, which get the window.
    """
    table = model.parameters()[0].data
    if slides(model):
        ids = to_device(np.asarray([text], dtype=np.int64), device_of(table))
        options = {"mask": banded_mask(len(text), len(text), model.config.block_size, table)}
    else:
        start = window_start(len(text), model.config.block_size)
        ids, options = to_device(np.asarray([text[start:]], dtype=np.int64), device_of(table)), {}
    with no_grad():
        return to_numpy(wide(model(ids, **options).data[0, -1]))
