"""Positions of tokens. Attention alone knows no order: it treats its keys as a set.

Absolute positions are added to the token's vector; relative ones act inside attention, on queries and keys (rotary) or
on the scores (ALiBi, T5). Each class overrides one of the three methods `add`, `turn` and `bias`.

B batch, T time, Tq queries, Tk keys, C channels, H heads, D channels of a head.
"""

from __future__ import annotations

import math
from typing import Any

import autograd as ag
from autograd import Key, Tensor, array_module, concatenate, embedding, split

from ..errors import BadInput
from .config import TransformerConfig
from .layers import STD
from .module import Module, Parameter


class Positions(Module):
    """No positions at all, and the base of the other classes.

    `at` is the position of each of the T tokens: (T,), or (B, T) where rows differ; None is 0 … T − 1. With relative
    positions it does not matter where a sequence begins, so that the context may slide along a text.
    """

    relative = True

    def add(self, x: Tensor, at: Any = None) -> Tensor:
        """Token vectors (B, T, C), with their positions added."""
        return x

    def turn(self, x: Tensor, at: Any = None) -> Tensor:
        """Queries or keys (B, H, T, D), rotated by their positions."""
        return x

    def bias(self, queries: int, keys: int, like: Tensor) -> Tensor | None:
        """What is added to the scores, (1, H, Tq, Tk), or None. The last query has the position of the last key."""
        return None


class LearnedPositions(Positions):
    """A learned vector for each of the context's positions, added to the token's own.

    Formula: x_t = table[token_t] + positions[t]
    Paper: Radford et al. 2018, "Improving language understanding by generative pre-training", section 3.1
    Example: examples/04_attention.py
    Test: tests/test_positions.py
    """

    relative = False
    weight: Parameter

    def __init__(self, block_size: int, n_embd: int, key: Key) -> None:
        self.weight = Parameter(key.normal((block_size, n_embd), STD))

    def add(self, x: Tensor, at: Any = None) -> Tensor:
        """Token vectors (B, T, C) plus those of their positions. Raises BadInput for a position beyond the last."""
        n = x.shape[1] if at is None else int(at.max()) + 1 if at.size else 0
        if n > self.weight.shape[0]:
            raise BadInput(
                f"a sequence of {n} tokens is longer than the model's context of {self.weight.shape[0]}: "
                "learned positions end there, so keep the last tokens only"
            )
        return x + (self.weight[:n] if at is None else embedding(at, self.weight))


class SinusoidalPositions(Positions):
    """Sines and cosines with wavelengths from 2π to 10000 · 2π positions. Nothing is learned, and no position is last.

    The token vectors are multiplied by √C (section 3.4 of the paper): they start small, and waves of amplitude 1 would
    otherwise hide them.

    Formula: x_t = √C · table[token_t] + pos[t], pos[t, 2i] = sin(t / 10000^(2i/C)), pos[t, 2i+1] = cos of the same
    Paper: Vaswani et al. 2017, "Attention is all you need", section 3.5
    Example: examples/07_positions.py
    Test: tests/test_positions.py
    """

    relative = False

    def add(self, x: Tensor, at: Any = None) -> Tensor:
        """√C times the token vectors (B, T, C), plus the waves of their positions."""
        _, T, C = x.shape
        xp = array_module(x.data)
        angles = _angles(xp, xp.arange(T) if at is None else xp.asarray(at), (C + 1) // 2, C)
        waves = xp.stack([xp.sin(angles), xp.cos(angles)], axis=-1).reshape(*angles.shape[:-1], -1)[..., :C]
        return x * math.sqrt(C) + waves.astype(x.dtype)


class RotaryPositions(Positions):
    """Rotates each pair of channels of queries and keys by an angle that grows with the position.

    Of the positions, the product of a query and a key then depends on nothing but their difference. Channel i is paired
    with channel i + D/2 (GPT-NeoX's order; the paper pairs 2i and 2i + 1, the same up to a permutation of channels).

    Formula: (a, b) ← (a cos tθ_i − b sin tθ_i, a sin tθ_i + b cos tθ_i), θ_i = 10000^(−2i/D)
    Paper: Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding", section 3.2.2
    Example: examples/07_positions.py
    Test: tests/test_positions.py
    """

    def turn(self, x: Tensor, at: Any = None) -> Tensor:
        """Queries or keys (B, H, T, D), each pair of channels rotated by the angle of its position."""
        _, _, T, D = x.shape
        xp = array_module(x.data)
        angles = _angles(xp, xp.arange(T) if at is None else xp.asarray(at), D // 2, D)
        if angles.ndim == 3:
            angles = angles[:, None]  # the same for all heads
        cos, sin = xp.cos(angles).astype(x.dtype), xp.sin(angles).astype(x.dtype)
        a, b = split(x, 2, axis=-1)
        return concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


class ALiBi(Positions):
    """Each head lowers the score of a key in proportion to its distance, at a rate of its own; nothing is learned.

    Formula: score_ij ← score_ij − m_h |i − j|, m_h = 2^(−8h/H), h = 1 … H
    Paper: Press, Smith & Lewis 2021, "Train short, test long: attention with linear biases", section 3
    Example: examples/07_positions.py
    Test: tests/test_positions.py
    """

    n_head: int

    def __init__(self, n_head: int) -> None:
        self.n_head = n_head

    def bias(self, queries: int, keys: int, like: Tensor) -> Tensor:
        """−m_h |i − j|, (1, H, Tq, Tk), in the dtype of `like`."""
        xp = array_module(like.data)
        slopes = 2.0 ** (-8 * xp.arange(1, self.n_head + 1) / self.n_head)
        distance = xp.abs(_distances(xp, queries, keys))
        return Tensor((-slopes[:, None, None] * distance)[None].astype(like.dtype))


class T5Bias(Positions):
    """A learned number for each head and each bucket of distances; far distances share buckets on a logarithmic scale.

    Half of the buckets hold one distance each. The others grow up to `max_distance`; all distances from there on share
    the last one. With both_sides, half of all buckets are for keys after the query. One table serves all layers.

    Formula: score_ij ← score_ij + table[bucket(j − i), h]
    Paper: Raffel et al. 2020, "Exploring the limits of transfer learning with T5", section 2.1, and its released code
    Example: examples/07_positions.py
    Test: tests/test_positions.py
    """

    weight: Parameter
    both_sides: bool
    max_distance: int

    def __init__(
        self, n_head: int, key: Key, both_sides: bool = False, n_buckets: int = 32, max_distance: int = 128
    ) -> None:
        self.weight = Parameter(key.normal((n_buckets, n_head), STD))
        self.both_sides, self.max_distance = both_sides, max_distance

    def bias(self, queries: int, keys: int, like: Tensor) -> Tensor:
        """The table's numbers for the distances, (1, H, Tq, Tk)."""
        xp = array_module(queries)  # NumPy: the rows are looked up, and checked, without waiting for a GPU
        rows = self.buckets(_distances(xp, queries, keys), xp)
        return ag.transpose(embedding(rows, self.weight), (2, 0, 1)).reshape(1, -1, queries, keys)

    def buckets(self, distances: Any, xp: Any) -> Any:
        """The row of the table for each distance j − i."""
        n = self.weight.shape[0]
        rows = xp.zeros_like(distances)
        if self.both_sides:
            n //= 2
            rows = xp.where(distances > 0, n, 0)
            distances = xp.abs(distances)
        else:
            distances = xp.maximum(-distances, 0)
        exact = n // 2
        ratio = xp.log(xp.maximum(distances, 1) / exact) / math.log(self.max_distance / exact)
        far = exact + (ratio * (n - exact)).astype(rows.dtype)
        return rows + xp.where(distances < exact, distances, xp.minimum(far, n - 1))


def make_positions(c: TransformerConfig, key: Key, both_sides: bool = False) -> Positions:
    """The positions that a configuration names. both_sides: for an encoder, which also sees what comes after."""
    if c.positions == "learned":
        return LearnedPositions(c.block_size, c.n_embd, key)
    if c.positions == "alibi":
        return ALiBi(c.n_head)
    if c.positions == "t5":
        return T5Bias(c.n_head, key, both_sides)
    return {"sinusoidal": SinusoidalPositions, "rotary": RotaryPositions, "none": Positions}[c.positions]()


def _angles(xp: Any, at: Any, waves: int, channels: int) -> Any:
    """t · 10000^(−2i/channels) for each t in `at` (…,) and i < waves: (…, waves)."""
    return at[..., None] * 10000.0 ** (-2 * xp.arange(waves) / channels)


def _distances(xp: Any, queries: int, keys: int) -> Any:
    """j − i for query i and key j, (Tq, Tk); the last query has the position of the last key."""
    return xp.arange(keys)[None, :] - (xp.arange(queries)[:, None] + (keys - queries))
