"""The simplest language model: each token depends on the one before it, and on nothing else.

The likelihood of a text is Π p(x_i | x_{i−1}), its logarithm Σ log p(x_i | x_{i−1}). The table of p can be counted or
learned by gradient descent; both approach the same table, that of maximum likelihood.

V vocabulary.
"""

from __future__ import annotations

from typing import Any

from autograd import Key, Tensor, array_module, embedding

from .module import Module, Parameter


class BigramLM(Module):
    """A table of logits, one row for each previous token, learned by gradient descent.

    Formula: log p(x) = Σ_i log softmax(table[x_{i−1}])[x_i]
    Paper: Shannon 1948, "A mathematical theory of communication", section 3
    Example: examples/02_bigram.py
    Test: tests/test_bigram.py
    """

    table: Parameter

    def __init__(self, vocab_size: int, key: Key) -> None:
        self.table = Parameter(key.normal((vocab_size, vocab_size), 0.02))

    def __call__(self, ids: Any, key: Key | None = None) -> Tensor:
        """Logits (…, V) of the token after each of ids (…). `key` is unused; it is there because losses pass one."""
        return embedding(ids, self.table)


class CountedBigram:
    """p(b | a) from how often b followed a in a text. Only the pairs that occurred are stored.

    With prior = 0 this is the maximum-likelihood table. Otherwise `prior` imaginary observations after each token keep
    unseen pairs possible. They are distributed like single tokens, each counted once more than it occurred. For text a
    prior of a few dozen works well.

    Formula: p(b|a) = (count(a, b) + prior · p(b)) / (count(a) + prior)
    Paper: MacKay & Peto 1995, "A hierarchical Dirichlet language model", section 2
    Example: examples/02_bigram.py
    Test: tests/test_bigram.py
    """

    def __init__(self, tokens: Any, vocab_size: int, prior: float = 0.0) -> None:
        xp = array_module(tokens)
        tokens = tokens.astype("int64")
        self.vocab_size, self.prior = vocab_size, prior
        self.pairs, self.pair_counts = xp.unique(tokens[:-1] * vocab_size + tokens[1:], return_counts=True)
        self.before = xp.bincount(tokens[:-1], minlength=vocab_size)
        single = xp.bincount(tokens, minlength=vocab_size) + 1
        self.single = single / single.sum()

    def nats(self, tokens: Any) -> float:
        """−Σ log p(x_i | x_{i−1}) over a text; infinite if the prior is 0 and some pair was never seen."""
        xp = array_module(tokens)
        tokens = tokens.astype("int64")
        if len(tokens) < 2:
            return 0.0
        pairs = tokens[:-1] * self.vocab_size + tokens[1:]
        if len(self.pairs) == 0:
            counts = xp.zeros(len(pairs))
        else:
            at = xp.minimum(xp.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
            counts = xp.where(self.pairs[at] == pairs, self.pair_counts[at], 0)
        numerator = counts + self.prior * self.single[tokens[1:]]
        denominator = self.before[tokens[:-1]] + self.prior
        seen = (numerator > 0) & (denominator > 0)
        if not bool(seen.all()):
            return float("inf")
        return float(0.0 - xp.log(numerator / denominator).sum())  # so that certainty costs 0.0, and not -0.0
