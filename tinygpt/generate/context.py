"""What a model sees of a text that has outgrown its context: one rule for each kind of positions.

Absolute positions end where the context does, and what a layer made of a token holds its place in the window: to move
the window is to read it again. So it stands still while the text grows in it; when it is full, its later half is read
again as the beginning of the next one. Half a context is read twice, and no token sees less than half a context.

Relative positions are the same wherever a text begins, so that nothing is ever read again: in every layer each token
sees itself and the block_size − 1 before it, no further apart than in training. Its states know of more, as those
that it sees have seen others.

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
    """With absolute positions, the first of n tokens that the model sees: it sees at least ⌈T/2⌉ and at most T."""
    step = max(1, block_size // 2)
    return step * max(0, -((block_size - n) // step))


def slides(model: Any) -> bool:
    """Whether texts longer than the context pass by under a band; else a window moves along them."""
    return isinstance(model, GPT) and model.wpe.relative


def next_logits(model: Any, text: Sequence[int]) -> np.ndarray:
    """(V,): what follows a text under these rules, with everything that the model sees of it read anew.

    This is what a cache must not change. It also serves models that have none: they get the window.
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
