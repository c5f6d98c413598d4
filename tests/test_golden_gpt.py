"""Logits and all gradients of a GPT-2 and a Llama, stored in golden/ by golden/make_gpt2.py, are ours too."""

import sys

import numpy as np
import pytest
from test_golden import GOLDEN

from autograd import Key, use
from autograd.kernels import DEPTHS
from tinygpt.model.gpt import GPT

pytestmark = pytest.mark.core

sys.path.append(str(GOLDEN))
import make_gpt2 as made  # noqa: E402


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", made.CONFIGS)
def test_logits_and_gradients_are_those_of_transformers(name, depth):
    stored = dict(np.load(GOLDEN / f"{name}.npz"))
    model = GPT(made.CONFIGS[name], Key(0))
    weights = {each.removeprefix("weights."): a for each, a in stored.items() if each.startswith("weights.")}
    model.load_state_dict(weights)
    ids, cotangent = made.ids_and_cotangent()
    with use(depth):
        logits = model(ids)
        logits.backward(cotangent)
    np.testing.assert_allclose(logits.data, stored["logits"], rtol=1e-5, atol=1e-5)
    ours = made.theirs(name, {each: p.grad for each, p in model.named_parameters().items()})
    expected = {each.removeprefix("gradient."): a for each, a in stored.items() if each.startswith("gradient.")}
    assert ours.keys() == expected.keys()
    for each, gradient in ours.items():
        scale = max(1.0, np.abs(expected[each]).max())
        np.testing.assert_allclose(gradient, expected[each], rtol=1e-5, atol=1e-5 * scale, err_msg=each)
