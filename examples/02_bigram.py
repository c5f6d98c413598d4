"""The simplest language model: how often does b follow a? Counted, and learned by gradient descent.

Sources: tinygpt/model/bigram.py and autograd/kernels/reference/cross_entropy.py. The likelihood of a text is
Π p(x_i | x_{i−1}). The table that maximizes its logarithm Σ log p(x_i | x_{i−1}) is that of the relative counts, so
gradient descent must approach it.

N characters of text, V different ones.
"""

import math

import numpy as np

from autograd import Key, cross_entropy, log_softmax, no_grad, softmax
from tinygpt.generate import sample
from tinygpt.model import BigramLM, CountedBigram
from tinygpt.text.tokenizer import CharTokenizer

TEXT = """the rain in the hills ran down to the river and the river ran down to the sea.
the sea sent the rain to the hills again, and all the while the miller's wheel turned in the river.
the miller had a daughter, and the daughter had a hen, and the hen had ten red hens and a rooster.
when the rooster sang the hens ran out, and when the hens ran out the daughter ran after them.
all day the wheel turned, and all night the river sang, and the hens slept in the hall of the mill.
then the rain went on, the sun shone on the hills, and the daughter let the hens out and sang.
"""
STEPS, LEARNING_RATE = 6000, 18.0  # from 20 on steps overshoot: the curvature of row a is up to p(a)/2, 0.1 for spaces


def counted(tokens, V):
    """p(b | a) = count(a, b) / count(a). (V, V), a row for each a"""
    counts = np.zeros((V, V))
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def learned(tokens, V, steps):
    """A table of logits, by gradient descent on −1/N Σ log softmax(table[x_{i−1}])[x_i]."""
    model = BigramLM(V, Key(0))
    for step in range(steps + 1):
        loss = cross_entropy(model(tokens[:-1]), tokens[1:])
        if step % (steps // 5) == 0:
            print(f"  step {step:5}  loss {loss.item():.4f}")
        loss.backward()
        if step < steps:
            model.table.data -= LEARNING_RATE * model.table.grad
            model.table.grad = None
    return model


def write(p, tokenizer, length, key):
    """Each character is drawn from the row of the one before it."""
    with np.errstate(divide="ignore"):  # log 0 = −∞: a pair that never occurred is never drawn
        log_p = np.log(p)
    ids = tokenizer.encode("\n")
    for n in range(length):
        ids.append(sample(log_p[ids[-1]], key.fold("character", n)))
    return tokenizer.decode(ids[1:])


def show_rows(p_counted, p_learned, tokenizer, letters):
    for letter in letters:
        (a,) = tokenizer.encode(letter)
        likeliest = np.argsort(-p_counted[a], kind="stable")[:5]
        print(f"  after {letter!r}:", end="")
        for b in likeliest:
            print(f"   {tokenizer.decode([b])!r} {p_counted[a, b]:.3f} {p_learned[a, b]:.3f}", end="")
        print()


def main(steps=STEPS):
    tokenizer = CharTokenizer.train([TEXT], special_tokens=())
    tokens, V = np.array(tokenizer.encode(TEXT)), tokenizer.vocab_size
    n = len(tokens) - 1
    print(f"{len(tokens)} characters, {V} different: {tokenizer.decode(range(V))!r}")

    frequency = np.bincount(tokens[1:], minlength=V) / n
    p_counted = counted(tokens, V)
    by_counting = -np.log(p_counted[tokens[:-1], tokens[1:]]).mean()
    assert math.isclose(by_counting, CountedBigram(tokens, V).nats(tokens) / n)
    print("\nWhat a character costs, in nats:")
    print(f"  {math.log(V):.4f}  guessing evenly, ln {V}")
    print(f"  {-np.log(frequency[tokens[1:]]).mean():.4f}  knowing how often each occurs")
    print(f"  {by_counting:.4f}  knowing the one before, counted")

    print("\nLearned, from a table of almost equal logits:")
    model = learned(tokens, V, steps)
    with no_grad():
        log_p = log_softmax(model(tokens[:-1])).data
        p_learned = softmax(model.table).data
    by_learning = -log_p[np.arange(n), tokens[1:]].mean()
    print(f"  counted {by_counting:.4f}, learned {by_learning:.4f}: apart by {by_learning - by_counting:.1e}")
    assert by_learning >= by_counting, "no table can be likelier than the counts"

    print("\nRows of the table, the five likeliest: counted, learned")
    show_rows(p_counted, p_learned, tokenizer, "thr ")
    print("\nIt writes (counted, then learned; one key, so the same draws):")
    for p in (p_counted, p_learned):
        print(f"  {write(p, tokenizer, 100, Key(7))!r}")


if __name__ == "__main__":
    main()
