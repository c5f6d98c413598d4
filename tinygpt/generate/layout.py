"""How the weights of a model that is only used for writing are stored in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import is_numpy

from ..model.size import is_table


def lay_out(model: Any) -> Any:
    """Stores each multiplied matrix in memory along its longer axis (a square one column by column), and returns the
    model; values and shapes do not change.

    A new token is one row times every matrix. That takes as long as reading the matrix from memory, and memory is read
    faster in long stretches: GPT-2's (3072, 768) and (768, 768) take 0.8 of the time, the token table, which the output
    layer multiplies transposed, 0.65, and all products of a token 0.8 (AMD EPYC, family 25, two threads). Looking up
    rows of a table that is stored this way is slower, by some 50 µs a row. Training uses a memory layout of its own.
    """
    tied = getattr(model.config, "tied", True)
    for name, p in model.named_parameters().items():
        multiplied = p.ndim == 2 and (not is_table(name) or (tied and name.endswith("wte.weight")))
        if is_numpy(p.data) and multiplied and p.shape[0] >= p.shape[1]:
            p.data = np.asfortranarray(p.data)
    return model
