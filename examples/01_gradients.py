"""Gradients by hand and by engine: every named quantity of one attention head.

Sources: autograd/tensor.py (reverse mode), autograd/kernels/reference/ (each formula derived by hand) and
autograd/composed.py (the same formulas in elementary operations).

T = 3 positions, C = D = 2 channels.
"""

import math
import sys
import tempfile
from pathlib import Path

import numpy as np

import autograd as ag
from autograd.tensor import record
from tinygpt.model.masks import additive, causal_mask

ROOT_D = math.sqrt(2)
INPUTS = {
    "x": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]),
    "W_q": np.array([[1.0, 0.5], [-0.5, 1.0]]),
    "W_k": np.array([[0.5, -1.0], [1.0, 0.5]]),
    "W_v": np.array([[2.0, 0.0], [1.0, -1.0]]),
}
TARGET = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
MASK = additive(causal_mask(3, 3, TARGET))


def by_hand(x, W_q, W_k, W_v):
    """Values from the first line to the loss, then gradients from the loss back to the first line."""
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    scores = q @ k.T / ROOT_D
    masked = scores + MASK
    e = np.exp(masked - masked.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    output = weights @ v
    loss = ((output - TARGET) ** 2).sum() / 2
    values = {"x": x, "W_q": W_q, "W_k": W_k, "W_v": W_v, "q": q, "k": k, "v": v}
    values |= {"scores": scores, "masked": masked, "weights": weights, "output": output, "loss": loss}

    d = {"loss": np.array(1.0)}
    d["output"] = output - TARGET
    d["weights"] = d["output"] @ v.T  # y = A B: dA = dy Bᵀ, dB = Aᵀ dy
    d["v"] = weights.T @ d["output"]
    d["masked"] = weights * (d["weights"] - (d["weights"] * weights).sum(axis=1, keepdims=True))  # softmax
    d["scores"] = d["masked"]  # adding a constant changes no gradient, and where a weight is 0, so is this
    d["q"] = d["scores"] @ k / ROOT_D
    d["k"] = d["scores"].T @ q / ROOT_D
    d["W_q"], d["W_k"], d["W_v"] = x.T @ d["q"], x.T @ d["k"], x.T @ d["v"]
    d["x"] = d["q"] @ W_q.T + d["k"] @ W_k.T + d["v"] @ W_v.T  # x was used three times: three gradients add up
    return values, d


def by_engine(x, W_q, W_k, W_v):
    """The forward pass alone. Each intermediate keeps the gradient that backward gives it."""
    q, k, v = ag.linear(x, W_q), ag.linear(x, W_k), ag.linear(x, W_v)
    scores = q @ k.T / ROOT_D
    masked = scores + MASK
    weights = ag.softmax(masked)
    output = weights @ v
    loss = ((output - TARGET) ** 2).sum() / 2
    named = {"q": q, "k": k, "v": v}
    named |= {"scores": scores, "masked": masked, "weights": weights, "output": output, "loss": loss}
    return {name: tensor.retain_grad() for name, tensor in named.items()}


def one_call(x, W_q, W_k, W_v):
    """The same loss with the whole head in one call, which takes axes for batch and heads: (1, 1, T, D)."""
    q, k, v = (ag.linear(x, W)[None, None] for W in (W_q, W_k, W_v))
    return ((ag.attention(q, k, v, causal=True)[0, 0] - TARGET) ** 2).sum() / 2


def leaves():
    return {name: ag.Tensor(array, requires_grad=True) for name, array in INPUTS.items()}


def side_by_side(name, *columns):
    print(name)
    rows = [np.atleast_2d(column) for column in columns]
    for i in range(rows[0].shape[0]):
        cells = ("".join(f"{number.round(4) + 0.0:8.4f}" for number in row[i]) for row in rows)  # + 0.0: no −0.0000
        print("".join(cell.ljust(30) for cell in cells).rstrip())


def wrong_cube(x):
    """x³ with a wrong derivative: 3x instead of 3x²."""
    return record(x.data**3, (x,), lambda g: (g * 3 * x.data,))


def main(picture):
    values, gradients = by_hand(**INPUTS)
    given = leaves()
    with ag.trace() as graph:
        tensors = given | by_engine(**given)
    tensors["loss"].backward()
    print("".join(head.ljust(30) for head in ("  value", "  gradient by hand", "  gradient by engine")).rstrip())
    for name, gradient in gradients.items():
        side_by_side(name, values[name], gradient, tensors[name].grad)
        np.testing.assert_allclose(tensors[name].data, values[name], rtol=0, atol=1e-12)
        np.testing.assert_allclose(tensors[name].grad, gradient, rtol=0, atol=1e-12)
    print(f"\nall {len(gradients)} gradients by engine equal those by hand")

    print("\nThe head in one call, at three depths (largest difference from the gradients by hand):")
    for depth in ("composed", "reference", "fast"):
        given = leaves()
        with ag.use(depth), ag.trace() as inside:
            loss = one_call(**given)
        loss.backward()
        difference = max(abs(given[name].grad - gradients[name]).max() for name in given)
        recorded = sum(step.name != "leaf" for step in inside.steps)
        print(f"  {depth:10} {recorded:2} operations recorded, difference {difference:.0e}")
        assert difference < 1e-12

    print("\nEvery gradient against finite differences:")
    some = np.linspace(-2, 2, 6).reshape(2, 3)
    for f, arrays in ((one_call, list(INPUTS.values())), (ag.linear, [some, some.T, some[:, 0]]), (ag.softmax, [some]),
                      (ag.layer_norm, [some, some[0], some[1]]), (ag.gelu, [some]), (ag.erf, [some])):  # fmt: skip
        ag.gradcheck(f, *arrays)
        print(f"  {f.__name__:10} agrees")
    try:
        ag.gradcheck(wrong_cube, some)
    except AssertionError as error:
        print(f"  wrong_cube is caught: {error}")

    picture.write_text(ag.draw(graph), encoding="utf-8")
    print(f"\nthe recorded graph, with values and gradients: {picture}")


if __name__ == "__main__":
    default = Path(tempfile.gettempdir(), "attention_head.svg")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
