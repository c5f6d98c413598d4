"""How the next token is chosen: rules turn logits into logits and compose, then one token is drawn.

    rule = chain(repetition_penalty(1.2), temperature(0.8), top_k(50), top_p(0.9))
    token = sample(rule(logits, tokens), Key(seed).fold("token", position))

A rule is a function of the next token's logits and of all tokens so far, the prompt's included. The rules here use the
logits alone; those in history.py also the text. A token that a rule excludes gets the logit −∞, and later rules leave
it so.

V vocabulary; logits (V,) on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from autograd import Key, softmax

from ..errors import BadInput, require_whole

Rule = Callable[[np.ndarray, Sequence[int]], np.ndarray]
"""rule(logits, tokens) → logits, as a new array where it changes any."""


def chain(*rules: Rule) -> Rule:
    """The rules one after the other, in the order given."""

    def apply(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        for rule in rules:
            logits = rule(logits, tokens)
        return logits

    return apply


def temperature(t: float) -> Rule:
    """Below 1 likely tokens become likelier, above 1 the distribution flattens; towards 0 it becomes greedy.

    Where a tiny t would take the largest logit beyond float64, the largest is subtracted from all before: a constant
    changes no probability. Raises BadInput for a t that is not a finite number above 0.

    Formula: logits ← logits / t
    Paper: Ackley, Hinton & Sejnowski 1985, "A learning algorithm for Boltzmann machines", equation 5
    Example: examples/06_generation.py
    Test: tests/test_rules.py
    """
    if not (t > 0 and math.isfinite(t)):
        raise BadInput(f"the temperature must be a finite number above 0, not {t} (top_k=1 takes the likeliest)")

    def divide(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        logits = logits.astype(np.float64)  # float32 would overflow sooner
        with np.errstate(over="ignore"):
            divided, largest = logits / t, logits.max()
            return (logits - largest) / t if np.isinf(divided.max()) and np.isfinite(largest) else divided

    return divide


def top_k(k: int) -> Rule:
    """Keeps the k likeliest tokens; tokens that tie with the k-th stay too.

    Raises BadInput for a k that is not a whole number above 0 and, when it is applied, for one beyond the vocabulary.

    Formula: logits_i ← −∞ where logits_i < the k-th largest
    Paper: Fan, Lewis & Dauphin 2018, "Hierarchical neural story generation", section 5.4
    Example: examples/06_generation.py
    Test: tests/test_rules.py
    """
    require_whole("top_k", k, 1)

    def keep(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        if k > logits.size:
            raise BadInput(f"top_k must be at most the {logits.size} tokens of the vocabulary, not {k}")
        kth = np.partition(logits, -k)[-k]
        return np.where(logits >= kth, logits, -np.inf)

    return keep


def top_p(p: float) -> Rule:
    """Keeps the smallest set of likeliest tokens whose probabilities add up to p or more (nucleus sampling).

    Among tokens that tie for the last place those with lower ids stay: all of them would be more than the smallest set.
    Raises BadInput for a p outside 0 < p ≤ 1.

    Formula: keep i while Σ of the probabilities before i, in descending order, is below p
    Paper: Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.1
    Example: examples/06_generation.py
    Test: tests/test_rules.py
    """
    if not 0 < p <= 1:
        raise BadInput(f"top_p must be above 0 and at most 1, not {p}")

    def keep(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        if p == 1:
            return logits
        descending = np.sort(logits)[::-1]
        probabilities = softmax(descending.astype(np.float64)).data
        n = np.count_nonzero(np.concatenate([[0.0], np.cumsum(probabilities)])[:-1] < p)
        last = descending[n - 1]
        likelier = logits > last
        ties = np.flatnonzero(logits == last)[: n - np.count_nonzero(likelier)]
        kept = np.where(likelier, logits, -np.inf)
        kept[ties] = last
        return kept

    return keep


def min_p(p: float) -> Rule:
    """Keeps the tokens that are at least p times as likely as the likeliest: few where the model is sure of itself.

    A ratio of probabilities is a difference of logits, so no sum is needed, and tied tokens stay or go together.
    Raises BadInput for a p outside 0 < p ≤ 1.

    Formula: logits_i ← −∞ where p_i < p · max_j p_j, that is, logits_i − max_j logits_j < ln p
    Paper: Nguyen et al. 2024, "Turning up the heat: min-p sampling for creative and coherent LLM outputs", section 3
    Example: examples/06_generation.py
    Test: tests/test_rules.py
    """
    if not 0 < p <= 1:
        raise BadInput(f"min_p must be above 0 and at most 1, not {p}")

    def keep(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        behind = logits.astype(np.float64) - logits.max() if logits.max() > -np.inf else logits
        return np.where(behind >= math.log(p), logits, -np.inf)

    return keep


def sample(logits: np.ndarray, key: Key) -> int:
    """Draws a token, token i with probability softmax(logits)_i: the first whose cumulative probability exceeds u.

    Raises BadInput where no token is left to draw, and for logits that are not numbers.

    Formula: i = min{ i : Σ_{j ≤ i} p_j > u }, u uniform in [0, 1)
    Paper: Devroye 1986, "Non-uniform random variate generation", section III.2.1
    Example: examples/06_generation.py
    Test: tests/test_rules.py
    """
    require_a_choice(logits)
    possible = np.flatnonzero(logits > -np.inf)  # the rules may have left only a few
    cumulative = np.cumsum(softmax(logits[possible].astype(np.float64)).data)
    u = float(key.uniform(1)[0]) * cumulative[-1]  # the last sum may round to a little less than 1
    return int(possible[np.searchsorted(cumulative, u, side="right")])


def greedy(logits: np.ndarray) -> int:
    """The likeliest token, the lowest id among equals. Raises BadInput as `sample` does."""
    require_a_choice(logits)
    return int(logits.argmax())


def require_a_choice(logits: np.ndarray) -> None:
    """Raises BadInput for logits, of any shape, that leave no token to choose or are not finite."""
    if logits.max() == -np.inf:
        raise BadInput("the rules exclude every token of the vocabulary: forbid less, or ask for a shorter text")
    require_predictions(logits.ravel())


def require_predictions(logits: np.ndarray) -> None:
    """Raises BadInput for logits (…, V) of a model, before any rule, without a largest finite number among them.

    Rules cannot be asked to find this: comparisons with NaN are false, so it would vanish, or take all tokens with it.
    """
    if not np.isfinite(logits.max(axis=-1)).all():
        raise BadInput("the model's predictions are not finite numbers: its training has gone astray")
