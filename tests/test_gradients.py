"""Every gradient against finite differences, in float64, at each depth: `pytest tests/test_gradients.py -k softmax`.

What is checked stands in gradients.py (operations), formula_gradients.py and module_gradients.py (layers, models,
losses).
"""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from formula_gradients import FORMULA_CASES
from gradients import OPERATION_CASES
from module_gradients import MODULE_CASES

import autograd as ag
import tinygpt.model
from autograd.kernels import DEPTHS
from tinygpt.model.module import Module
from tinygpt.train import losses

pytestmark = pytest.mark.core

NOT_DIFFERENTIABLE = {
    "Array", "Key", "Tensor", "adam_step", "advice", "array_module", "blas_info", "check_range",
    "configure", "device_of", "draw", "float_type", "full", "gpu_info", "gradcheck", "is_half", "is_numpy", "no_grad",
    "record", "shapes_only", "squared_norm", "to_device", "to_numpy", "trace", "use", "use_device", "use_tf32", "wide",
}  # fmt: skip

CASES = OPERATION_CASES | FORMULA_CASES
ALL_CASES = CASES | MODULE_CASES
EACH = [pytest.param(name, case, id=f"{name}-{case.label}") for name, cases in ALL_CASES.items() for case in cases]
EACH_OPERATION = [parameter for parameter in EACH if parameter.values[0] in CASES]
EACH_MODULE = [parameter for parameter in EACH if parameter.values[0] in MODULE_CASES]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("name", "case"), EACH_OPERATION)
def test_gradient(name, case, depth):
    with ag.use(depth):
        ag.gradcheck(case.function, *case.arrays)


@pytest.mark.parametrize(("name", "case"), EACH_MODULE)
def test_gradient_of_module(name, case):
    """At one depth: that the others have the same gradients is tested below, more exactly and sooner."""
    ag.gradcheck(case.function, *case.arrays)


@pytest.mark.parametrize(("name", "case"), EACH_OPERATION)
def test_case_calls_what_it_is_listed_under(name, case):
    with ag.trace() as graph:
        case.function(*map(ag.Tensor, case.arrays))
    recorded = {step.name for step in graph.steps}
    made_of = {"split": {"getitem"}, "clip": {"maximum", "minimum"}}
    assert made_of.get(name, {name}) & recorded


@pytest.mark.parametrize(("name", "case"), EACH)
def test_depths_agree(name, case):
    values, gradients = {}, {}
    for depth in DEPTHS:
        with ag.use(depth):
            leaves = [ag.Tensor(a, requires_grad=True) for a in case.arrays]
            result = case.function(*leaves)
        result.backward(ag.Key(1).normal(result.shape, dtype="float64"))
        values[depth] = result.data
        gradients[depth] = [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in leaves]
    for depth in DEPTHS[1:]:
        np.testing.assert_allclose(values[depth], values["composed"], rtol=1e-12, atol=1e-12)
        for computed, expected in zip(gradients[depth], gradients["composed"], strict=True):
            np.testing.assert_allclose(computed, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("name", "case"), EACH)
def test_float32_stays_float32(name, case, depth):
    leaves = [ag.Tensor(a.astype(np.float32), requires_grad=True) for a in case.arrays]
    with ag.use(depth):
        result = case.function(*leaves)
    assert result.dtype == np.float32
    result.backward(np.ones(result.shape))
    assert {leaf.grad.dtype for leaf in leaves if leaf.grad is not None} == {np.dtype(np.float32)}


def test_every_public_operation_has_an_entry():
    assert set(ag.__all__) >= NOT_DIFFERENTIABLE, "a name that is no longer public is excused from having gradients"
    missing = set(ag.__all__) - NOT_DIFFERENTIABLE - CASES.keys()
    assert not missing, f"no gradient check in tests/gradients.py or tests/formula_gradients.py for {sorted(missing)}"


def test_every_layer_and_model_has_an_entry():
    classes = set()
    for info in pkgutil.walk_packages(tinygpt.model.__path__, "tinygpt.model."):
        module = importlib.import_module(info.name)
        classes |= {c.__name__ for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, Module)}
    missing = classes - {"Module"} - MODULE_CASES.keys()
    assert {"GPT", "Linear"} <= classes and not missing, f"no gradient check in tests/module_gradients.py: {missing}"


def test_every_loss_has_an_entry():
    found = {name for name, _ in inspect.getmembers(losses, inspect.isfunction) if name.endswith("_loss")}
    missing = found - MODULE_CASES.keys()
    assert found and not missing, f"no gradient check in tests/module_gradients.py for {missing}"


def test_every_entry_has_cases_under_different_labels():
    for name, cases in ALL_CASES.items():
        labels = [case.label for case in cases]
        assert labels and len(set(labels)) == len(labels), f"{name}: {labels}"


def test_elements_that_tie_for_the_maximum_share_alike():
    x = ag.Tensor([2.0, 1.0, 2.0, 2.0], requires_grad=True)
    x.max().backward(6.0)
    np.testing.assert_array_equal(x.grad, [2, 0, 2, 2])


def test_elements_that_tie_for_the_minimum_share_alike():
    x = ag.Tensor([2.0, 1.0, 1.0], requires_grad=True)
    x.min().backward(6.0)
    np.testing.assert_array_equal(x.grad, [0, 3, 3])


def test_an_element_at_a_bound_of_clip_shares_with_it():
    x = ag.Tensor([-2.0, -1.0, 0.0, 1.0, 2.0], requires_grad=True)
    y = x.clip(-1.0, 1.0)
    y.backward(np.ones(5))
    np.testing.assert_array_equal(y.data, [-1, -1, 0, 1, 1])
    np.testing.assert_array_equal(x.grad, [0, 0.5, 1, 0.5, 0])
    assert x.clip().data is x.data


def test_abs_at_zero():
    x = ag.Tensor([0.0, -0.0], requires_grad=True)
    abs(x).backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, 0)


def test_relu_at_zero():
    x = ag.Tensor([0.0, -0.0], requires_grad=True)
    ag.relu(x).backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, 0)


class TestGradcheckItself:
    @staticmethod
    def wrong_double(x):
        """2x, with the gradient of 3x in the second element."""
        return ag.record(2 * x.data, (x,), lambda g: (g * np.array([2.0, 3.0]),))

    def test_names_input_entry_and_both_values(self):
        with pytest.raises(AssertionError, match=r"input 1, entry \(1,\).*by finite differences.*backward gave"):
            ag.gradcheck(lambda a, b: a + self.wrong_double(b), np.ones(2), np.ones(2))

    def test_a_plain_sum_would_be_blind(self):
        """Σ softmax = 1 whatever x is: only a random cotangent sees a gradient that is always 0."""

        def constant(x):
            y = ag.softmax(x).data
            return ag.record(y, (x,), lambda g: (g * 0,))

        with pytest.raises(AssertionError):
            ag.gradcheck(constant, np.array([1.0, 2.0]))

    def test_whole_numbers_are_handed_over_as_they_are(self):
        ag.gradcheck(ag.embedding, np.array([[1, 0, 1]]), np.ones((2, 3), dtype=np.float32))
        ag.gradcheck(lambda x, k: x**k, 1.5, 3)
        with pytest.raises(ValueError, match="no input with decimals"):
            ag.gradcheck(ag.exp, [1, 2])

    def test_needs_a_tensor(self):
        with pytest.raises(TypeError, match="not ndarray"):
            ag.gradcheck(lambda x: x.data, np.ones(2))

    def test_restores_its_inputs(self):
        x = np.array([1.0, 2.0])
        ag.gradcheck(ag.exp, x)
        np.testing.assert_array_equal(x, [1.0, 2.0])

    def test_a_missing_gradient_is_noticed(self):
        with pytest.raises(AssertionError):
            ag.gradcheck(lambda a, b: a + b.data, np.ones(2), np.ones(2))
