"""What runs on the CPU runs on a device: the same numbers, and nobody waits or crosses but where it is meant."""

import numpy as np
import pytest
import standin
from formula_gradients import FORMULA_CASES
from gradients import OPERATION_CASES
from module_gradients import MODULE_CASES

import autograd as ag

pytestmark = pytest.mark.core

CASES = OPERATION_CASES | FORMULA_CASES | MODULE_CASES
EACH = [pytest.param(case, id=f"{name}-{case.label}") for name, cases in CASES.items() for case in cases]
WAITING = ("boolean-mask", "boolean-rows")  # how long x[mask] is, the device must say


def value_and_gradients(case, place):
    """On the arrays in the library that `place` sends them to."""
    leaves = [ag.Tensor(place(a), requires_grad=True) for a in case.arrays]
    result = case.function(*leaves)
    result.backward(place(ag.Key(1).normal(result.shape, dtype="float64")))
    return result.data, *(leaf.grad for leaf in leaves)


def test_a_traced_graph_is_drawn(device):
    x = ag.Tensor(ag.to_device(np.array([1.0, 2.0]), device), requires_grad=True)
    with ag.trace() as graph:
        loss = ag.log(ag.softmax(x))[1]
    loss.backward()
    assert "softmax" in ag.draw(graph) and "Tensor(" in repr(loss)


@pytest.mark.parametrize("depth", ["composed", "reference"])
@pytest.mark.parametrize("case", EACH)
def test_values_and_gradients_are_those_of_the_cpu(case, depth, device):
    with ag.use(depth):
        expected = value_and_gradients(case, np.copy)
        with standin.counted() as traffic:
            found = value_and_gradients(case, lambda a: ag.to_device(a, device))
    assert not traffic.waits or case.label in WAITING
    for computed, known in zip(found, expected, strict=True):
        assert (computed is None) == (known is None)
        if known is not None:
            assert isinstance(computed, standin.ndarray) and computed.dtype == known.dtype
            np.testing.assert_allclose(computed.get(), known, rtol=1e-12, atol=1e-13)
