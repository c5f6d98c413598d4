"""Copies weights of other libraries from their file straight into a model of ours.

They are checked against the configuration before a model is made, so that a wrong file costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

import numpy as np

from autograd import Key

from ..errors import BadInput
from ..model.config import TransformerConfig
from ..model.kinds import build
from ..model.module import Module
from ..safetensors import BFLOAT16

SHOWN = 3  # problems that an error names: one mistake can cause a hundred


class Weight(NamedTuple):
    """One parameter under both names. shape is theirs; transposed: theirs is (out, in), and ours (in, out)."""

    ours: str
    theirs: str
    shape: tuple[int, ...]
    transposed: bool = False


def check_fit(weights: Iterable[Weight], stored: Mapping[str, np.ndarray], where: str) -> None:
    """Raises BadInput, naming the first few, for arrays that are missing, unexpected, of a wrong shape or type."""
    expected: set[str] = set()

    def problems() -> Iterable[str]:
        for weight in weights:
            expected.add(weight.theirs)
            array = stored.get(weight.theirs)
            if array is None:
                yield f"{weight.theirs} is missing"
            elif array.shape != weight.shape:
                yield f"{weight.theirs} has the shape {array.shape}, and the configuration gives {weight.shape}"
            elif array.dtype.kind != "f" and array.dtype != BFLOAT16:
                yield f"{weight.theirs} holds {array.dtype}, and weights are floating-point numbers"
        yield from (f"{name} has no place in the model" for name in sorted(stored.keys() - expected))

    found = list(islice(problems(), SHOWN + 1))
    if found:
        more = "; …" if len(found) > SHOWN else ""
        raise BadInput(f"{where}: weights and config.json do not fit: {'; '.join(found[:SHOWN])}{more}")


def filled_model(config: TransformerConfig, weights: Iterable[Weight], stored: Mapping[str, np.ndarray]) -> Module:
    """A model with the stored weights, after `check_fit` has checked them.

    They become float32, whatever they were stored as: float16 and bfloat16 exactly, in twice the memory that the file
    takes; float64 rounded.
    """
    model = build(config, _Unwritten(0))
    parameters = model.named_parameters()
    for weight in weights:
        array = stored[weight.theirs]
        _copy(array.T if weight.transposed else array, parameters[weight.ours].data)
    return model


def _copy(source: np.ndarray, target: np.ndarray) -> None:
    """Copies without a temporary array. A bfloat16 is the upper half of a float32's bits."""
    if source.dtype == BFLOAT16:
        bits = target.view(np.uint32)
        bits[...] = source.view("<u2")
        bits <<= 16
    else:
        target[...] = source


class _Unwritten(Key):
    """Draws nothing: weights to be read from a file need only memory, which costs nothing until it is written."""

    def fold(self, *parts: int | str) -> Key:
        return self

    def normal(self, shape: tuple[int, ...], std: float = 1.0, dtype: str = "float32") -> np.ndarray:
        return np.empty(shape, dtype)
