"""Activation checkpointing: a part of a network saves only its inputs, and is computed again in the backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .device import Array, array_module
from .kernels import depth, use
from .modes import no_grad, with_grad
from .ops import bare
from .tensor import Tensor, backward, record


def checkpoint(function: Callable[..., Tensor], *inputs: Any, parameters: Sequence[Tensor] = ()) -> Tensor:
    """function(*inputs), of which nothing between the inputs and the result is saved for the backward.

    The backward runs function again, at the same depth (`use`) as the first time, and differentiates that second run:
    the same operations on the same numbers, so the gradients have the same bits. If each of n layers is a checkpoint,
    memory holds n inputs and the activations of one layer, for about a third more time.

    inputs: the arguments of function; gradients flow to the tensors among them. parameters: every other tensor that
    function reads and that requires a gradient. One that is missing here raises RuntimeError in the backward; one that
    is listed but not read has a gradient of zeros. function must give the same result at every call: its random numbers
    come from a key.

    Formula: memory n · inputs + 1 · activations, in place of n · activations; time forward + (forward + backward)
    Paper: Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4
    Example: examples/05_training.py
    Test: tests/test_recompute.py
    """
    with no_grad():
        result = function(*inputs)
    again = _Run(function, inputs, depth())
    parameters = tuple(dict.fromkeys(parameters))  # a tied weight may be named twice, and has one gradient
    operands = tuple(x if isinstance(x, Tensor) else None for x in inputs) + parameters
    value = result.data.view()  # of its own: a result becomes read-only, and function may return an input as it is
    return record(value, operands, lambda g: again.gradients(g, parameters))


class _Run:
    """What a second run needs: the function, the bare inputs, which of them need a gradient, and the depth."""

    def __init__(self, function: Callable[..., Tensor], inputs: tuple, depth: str) -> None:
        self.function, self.depth = function, depth
        self.values = [bare(x) for x in inputs]
        self.kinds = [(isinstance(x, Tensor), isinstance(x, Tensor) and x.requires_grad) for x in inputs]

    def gradients(self, g: Array, parameters: Sequence[Tensor]) -> list[Array | None]:
        """The gradient of each input and each parameter. The graph of the second run is freed with this call."""
        inputs = [
            Tensor(value, needed) if is_tensor else value
            for value, (is_tensor, needed) in zip(self.values, self.kinds, strict=True)
        ]
        with with_grad(), use(self.depth):
            result = self.function(*inputs)
        leaves = [x if isinstance(x, Tensor) and x.requires_grad else None for x in inputs]
        leaves += [p if p.requires_grad else None for p in parameters]
        found: dict[Tensor, Array] = {}
        if result.requires_grad:
            backward(result, g, retain_graph=False, on_leaf=found.__setitem__)
        if strangers := found.keys() - {leaf for leaf in leaves if leaf is not None}:
            raise RuntimeError(
                f"checkpoint: the function reads tensors that require a gradient (shapes "
                f"{sorted(t.shape for t in strangers)}) and are neither its inputs nor named in parameters=…"
            )
        return [None if leaf is None else found[leaf] if leaf in found else _zeros(leaf) for leaf in leaves]


def _zeros(leaf: Tensor) -> Array:
    return array_module(leaf.data).zeros_like(leaf.data)
