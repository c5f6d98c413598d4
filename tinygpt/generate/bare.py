"""One new token per row through a GPT's blocks in plain NumPy arrays: the model's formulas, without gradients.

Before each operation the autograd engine checks devices, shapes and who needs a gradient. For a batch of thousands of
tokens this costs next to nothing. For one token it is most of the work between two matrix products, and slow work,
because the weights that stream through the processor's caches leave nothing else there. For one token of GPT-2 small
the model's own operations take 9 ms and those of this file 3 ms, besides 20 ms for the matrix products (AMD EPYC,
family 25, two threads).

Each function is built once for a layer, and reads like that layer's call in ../model/block.py, attention.py and
layers.py. Those remain the definition; a model with parts other than those in KNOWN is computed by them.

R rows, C channels, H heads, G heads of keys and values, D channels of a head, T tokens including the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd import Tensor, no_grad
from autograd.kernels import on_numpy, room
from autograd.kernels.on_numpy.norm import ones
from autograd.kernels.reference.activation import CUBIC, SQRT_2_OVER_PI
from autograd.modes import watcher

from ..model import GPT
from ..model.attention import SelfAttention
from ..model.block import MLP, Block
from ..model.cache import Cache, LayerCache
from ..model.layers import Embedding, LayerNorm, Linear, RMSNorm
from ..model.module import Module
from ..model.positions import ALiBi, LearnedPositions, Positions, RotaryPositions, SinusoidalPositions, T5Bias

POSITIONS = (Positions, LearnedPositions, SinusoidalPositions, RotaryPositions, ALiBi, T5Bias)
KNOWN = {GPT, Block, SelfAttention, MLP, Linear, LayerNorm, RMSNorm, Embedding, *POSITIONS}
NOTHING = (False, False, False, False)  # no gradients for queries, keys, values and bias

Function = Callable[[np.ndarray], np.ndarray]


class NewTokens:
    """`model.hidden` without gradients. One new token per row of a known model is computed here, else by the model."""

    def __init__(self, model: GPT) -> None:
        self.model = model
        self._look()

    def _look(self) -> None:
        """Builds the functions for the layers that the model has now."""
        model = self.model
        self.blocks = [_block(each, model.wpe) for each in model.h] if _is_known(model) else []
        self.last = _norm(model.ln_f) if self.blocks and model.ln_f is not None else None

    def __call__(self, ids: Any, cache: Cache, mask: Any = None, at: Any = None) -> Tensor:
        """The hidden states (R, n, C) of ids (R, n), which are added to the cache. mask, at: as in `GPT.hidden`."""
        with no_grad():
            if ids.shape[1] != 1:
                self._look()
            elif self.blocks and room(self.model.wte.weight.data) is on_numpy and watcher() is None:
                return self._hidden(ids, cache, mask, np.array([cache.length]) if at is None else at)
            return self.model.hidden(ids, cache=cache, mask=mask, at=at)

    def _hidden(self, ids: np.ndarray, cache: Cache, mask: np.ndarray | None, at: np.ndarray) -> Tensor:
        model = self.model
        embedded = model.wpe.add(model.wte(ids), at)
        bias = model.wpe.bias(1, cache.length + 1, embedded)
        x, bias = embedded.data[:, 0], None if bias is None else bias.data
        with np.errstate(over="ignore"):  # for _gelu; entering it in every layer would cost as much as an operation
            for block, kept in zip(self.blocks, cache.layers, strict=True):
                x = block(x, kept, mask, bias, at)
        return Tensor((x if self.last is None else self.last(x))[:, None])


def _is_known(model: GPT) -> bool:
    return all(type(each) in KNOWN for each in _modules(model))


def _modules(module: Module) -> Iterator[Module]:
    yield module
    for value in vars(module).values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Module):
                yield from _modules(each)


def _block(block: Block, positions: Positions) -> Callable[..., np.ndarray]:
    norm_1, norm_2 = _norm(block.ln_1), _norm(block.ln_2)
    attend, mlp = _attention(block.attn, positions), _mlp(block.mlp)

    def pre_norm(x: np.ndarray, *seen: Any) -> np.ndarray:
        x = x + attend(norm_1(x), *seen)
        x += mlp(norm_2(x))
        return x

    def post_norm(x: np.ndarray, *seen: Any) -> np.ndarray:
        x = norm_1(x + attend(x, *seen))
        return norm_2(x + mlp(x))

    return pre_norm if block.pre_norm else post_norm


def _attention(attn: SelfAttention, positions: Positions) -> Callable[..., np.ndarray]:
    H, G = attn.n_head, attn.n_kv_head
    D = attn.c_proj.weight.shape[0] // H
    project, join = _linear(attn.c_attn), _linear(attn.c_proj)
    turns = type(positions).turn is not Positions.turn

    def attend(
        x: np.ndarray, kept: LayerCache, mask: np.ndarray | None, bias: np.ndarray | None, at: np.ndarray
    ) -> np.ndarray:
        """x (R, C); mask and bias broadcast to (R, H, 1, T)."""
        heads = project(x).reshape(len(x), H + 2 * G, 1, D)
        q, k, v = heads[:, :H], heads[:, H : H + G], heads[:, H + G :]
        if turns:
            q, k = (positions.turn(Tensor(each), at).data for each in (q, k))
        keys, values = kept.write(k, v)
        y, _ = on_numpy.attention(q, keys, values, mask, bias, needs=NOTHING)
        return join(y.reshape(len(x), H * D))

    return attend


def _mlp(mlp: MLP) -> Function:
    widen, narrow, activate = _linear(mlp.c_fc), _linear(mlp.c_proj), ACTIVATIONS[mlp.activation]
    return lambda x: narrow(activate(widen(x)))


def _gelu(h: np.ndarray) -> np.ndarray:
    """h (1 + tanh u)/2 = h / (1 + exp(−2u)), u = √(2/π) (h + 0.044715 h³); 0 where exp(−2u) overflows."""
    u = h * h
    u *= -2 * SQRT_2_OVER_PI * CUBIC
    u -= 2 * SQRT_2_OVER_PI
    u *= h
    np.exp(u, out=u)
    u += 1
    h /= u
    return h


def _swiglu(h: np.ndarray) -> np.ndarray:
    gate, h = np.split(h, 2, axis=-1)
    return gate * ((np.tanh(gate / 2) + 1) / 2) * h


ACTIVATIONS: dict[str, Function] = {
    "gelu": _gelu,
    "gelu_exact": lambda h: on_numpy.gelu(h, "none", needs=False)[0],
    "relu": lambda h: np.maximum(h, 0, out=h),
    "swiglu": _swiglu,
}


def _linear(layer: Linear) -> Function:
    def linear(x: np.ndarray) -> np.ndarray:
        y = x @ layer.weight.data
        if layer.bias is not None:
            y += layer.bias.data
        return y

    return linear


def _norm(layer: LayerNorm | RMSNorm) -> Function:
    c, eps = layer.weight.size, layer.eps

    def layer_norm(x: np.ndarray) -> np.ndarray:
        x = scaled(x - (x @ ones(c, x.dtype) / c)[:, None])
        if layer.bias is not None:
            x += layer.bias.data
        return x

    def scaled(x: np.ndarray) -> np.ndarray:
        """x / √(mean(x²) + eps) · weight: all that an RMSNorm does."""
        x = x * (1 / np.sqrt(np.vecdot(x, x) / c + eps))[:, None]
        x *= layer.weight.data
        return x

    return layer_norm if isinstance(layer, LayerNorm) else scaled
