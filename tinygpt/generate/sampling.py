"""How the next token is chosen: rules turn logits into logits and compose, then one token is drawn.

    rule = chain(temperature(0.8), top_k(50), top_p(0.9))
    token = sample(rule(logits), Key(seed).fold("token", position))

V vocabulary; logits (V,) on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from autograd import Key, softmax

from ..errors import BadInput

Rule = Callable[[np.ndarray], np.ndarray]


def chain(*rules: Rule) -> Rule:
    """The rules one after the other, in the order given."""

    def apply(logits: np.ndarray) -> np.ndarray:
        for rule in rules:
            logits = rule(logits)
        return logits

    return apply


def temperature(t: float) -> Rule:
    """Below 1 the likely becomes likelier, above 1 the distribution flattens; towards 0 it is greedy.

    Formula: logits ← logits / t
    Paper: Ackley, Hinton & Sejnowski 1985, "A learning algorithm for Boltzmann machines", equation 5
    Example: examples/06_generation.py
    Test: tests/test_generate.py
    """
    if not (t > 0 and math.isfinite(t)):
        raise BadInput(f"the temperature must be a number above 0, not {t} (top_k=1 always takes the likeliest)")
    return lambda logits: logits.astype(np.float64) / t  # a tiny t overflows single precision


def top_k(k: int) -> Rule:
    """Keeps the k likeliest tokens; tokens that tie with the k-th stay too.

    Formula: logits_i ← −∞ where logits_i < the k-th largest
    Paper: Fan, Lewis & Dauphin 2018, "Hierarchical neural story generation", section 5.3
    Example: examples/06_generation.py
    Test: tests/test_generate.py
    """
    if k < 1:
        raise BadInput(f"top_k must be at least 1, not {k}")

    def keep(logits: np.ndarray) -> np.ndarray:
        if k >= logits.size:
            return logits
        kth = np.partition(logits, -k)[-k]
        return np.where(logits >= kth, logits, -np.inf)

    return keep


def top_p(p: float) -> Rule:
    """Keeps the smallest set of likeliest tokens whose probabilities add up to p or more (nucleus sampling).

    Formula: keep i while Σ of the probabilities before i, in descending order, is below p
    Paper: Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.1
    Example: examples/06_generation.py
    Test: tests/test_generate.py
    """
    if not 0 < p <= 1:
        raise BadInput(f"top_p must be above 0 and at most 1, not {p}")

    def keep(logits: np.ndarray) -> np.ndarray:
        if p == 1:
            return logits
        order = np.argsort(-logits, kind="stable")
        probabilities = softmax(logits[order]).data
        before = np.cumsum(probabilities) - probabilities
        kept = np.full_like(logits, -np.inf)
        kept[order[before < p]] = logits[order[before < p]]
        return kept

    return keep


def sample(logits: np.ndarray, key: Key) -> int:
    """One token, token i with probability softmax(logits)_i: the first whose cumulative probability exceeds u.

    Formula: i = min{ i : Σ_{j ≤ i} p_j > u }, u uniform in [0, 1)
    Paper: Devroye 1986, "Non-uniform random variate generation", section III.2.1
    Example: examples/06_generation.py
    Test: tests/test_generate.py
    """
    probabilities = softmax(logits.astype(np.float64)).data
    cumulative = np.cumsum(probabilities)
    u = float(key.uniform(1)[0]) * cumulative[-1]  # the last sum may round to a little less than 1
    return int(np.searchsorted(cumulative, u, side="right"))


def greedy(logits: np.ndarray) -> int:
    """The likeliest token, the lowest id among equals."""
    return int(logits.argmax())
