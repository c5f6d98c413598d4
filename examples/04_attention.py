"""Attention, its mask, and why it needs positions.

Sources: autograd/kernels/reference/attention.py (the formula and its gradient), tinygpt/model/masks.py,
tinygpt/model/attention.py (many heads) and tinygpt/model/positions.py.

T = 6 tokens, C = D = 8 channels.
"""

import math

import numpy as np

from autograd import Key, Tensor, attention, embedding, no_grad, softmax
from tinygpt.model.attention import SelfAttention
from tinygpt.model.config import TransformerConfig
from tinygpt.model.masks import additive, causal_mask
from tinygpt.model.positions import LearnedPositions

WORDS = ["the", "cat", "saw", "the", "other", "cat"]
C = 8
SHADES = " .:-=+*#%@"


def token_vectors():
    """(T, C): equal words have equal vectors."""
    vocabulary = sorted(set(WORDS))
    ids = np.array([vocabulary.index(word) for word in WORDS])
    return embedding(ids, Key(4).normal((len(vocabulary), C), dtype="float64")).data


def attend(x, causal=False):
    """One head in one call; x serves as queries, keys and values. (T, C)"""
    heads = Tensor(x)[None, None]
    return attention(heads, heads, heads, causal=causal).data[0, 0]


def show(title, matrix, form):
    print(f"\n{title}")
    print(" " * 8 + "".join(f"{word:>8}" for word in WORDS))
    for word, row in zip(WORDS, matrix, strict=True):
        print(f"{word:>8}" + "".join(form(number).rjust(8) for number in row).rstrip())


def shade(weight):
    return SHADES[min(9, math.ceil(weight * 9))] * 3


def step_by_step(x):
    """A score is a sum of D products; for entries of variance 1 its variance is D. Dividing by √D keeps it near 1,
    where softmax has a useful gradient (Vaswani et al. 2017, "Attention is all you need", section 3.2.1).
    """
    scores = x @ x.T / math.sqrt(C)
    mask = additive(causal_mask(len(x), len(x), x))
    weights = softmax(scores + mask).data
    show("scores q kᵀ / √D: how well each query (row) fits each key (column)", scores, "{:.2f}".format)
    show("the causal mask, which is added", mask, "{:.0f}".format)
    show("softmax of the sum: each row sums to 1, nothing of the future", weights, "{:.2f}".format)
    show("the same as shades", weights, shade)
    assert np.allclose(weights.sum(axis=1), 1) and not np.triu(weights, 1).any()
    np.testing.assert_allclose(weights @ x, attend(x, causal=True), atol=1e-12)
    print("\nweights @ v equals attention(q, k, v, causal=True)")
    last = Tensor(x)[None, None, -1:]  # with fewer queries than keys the mask is aligned to the last ones
    alone = attention(last, Tensor(x)[None, None], Tensor(x)[None, None], causal=True).data[0, 0, 0]
    np.testing.assert_allclose(alone, attend(x, causal=True)[-1], atol=1e-12)
    print("the last query alone, with all keys, gives the last row: this is how a cache works")


def order(x):
    """A sum over keys does not depend on their order."""
    permutation = np.array([5, 2, 0, 4, 1, 3])
    positions = Key(6).normal((len(x), C), dtype="float64")
    without = abs(attend(x[permutation]) - attend(x)[permutation]).max()
    with_them = abs(attend(x[permutation] + positions) - attend(x + positions)[permutation]).max()
    same_words = abs(attend(x)[1] - attend(x)[5]).max()
    told_apart = abs(attend(x + positions)[1] - attend(x + positions)[5]).max()
    print("\nTokens shuffled, without a mask. How far are the outputs from the old ones, shuffled alike?")
    print(f"  without positions {without:.3f}   a set: the order of words says nothing")
    print(f"  with positions    {with_them:.3f}")
    print("The two cats, how different are their outputs?")
    print(f"  without positions {same_words:.3f}   with positions {told_apart:.3f}")
    assert without < 1e-12 < with_them and same_words < 1e-12 < told_apart


def causality():
    """Several heads with weights of their own, as in a GPT: which outputs change when the last token is replaced?"""
    key = Key(8)
    layer = SelfAttention(TransformerConfig(vocab_size=1, n_head=2, n_embd=C), key, std=1.0)
    positions = LearnedPositions(len(WORDS), C, key)
    x = Tensor(token_vectors().astype("float32"))
    changed = x.data.copy()
    changed[-1] = -changed[-1]
    with no_grad():
        before, after = (layer(positions.add(Tensor(each)[None])).data[0] for each in (x.data, changed))
    print("\nThe last token is replaced; how far does each output of causal attention move?")
    for t, word in enumerate(WORDS):
        print(f"  {t} {word:6} {abs(after[t] - before[t]).max():.6f}")
    assert np.array_equal(before[:-1], after[:-1]), "the future leaked into the past"
    assert not np.array_equal(before[-1], after[-1])
    print("before it nothing moved, to the last bit")


def main():
    x = token_vectors()
    step_by_step(x)
    order(x)
    causality()


if __name__ == "__main__":
    main()
