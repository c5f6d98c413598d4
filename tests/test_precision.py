"""Numbers of 16 bits: formulas computed in float32 and rounded once, gradients and small updates that are not lost."""

import sys

import numpy as np
import pytest
from formula_gradients import FORMULA_CASES

import autograd as ag
from autograd.kernels import reference
from autograd.kernels.deposit import Deposit
from tinygpt.model import Parameter
from tinygpt.train import AdamW

pytestmark = pytest.mark.core

SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # from 1 to the next number
try:
    ag.float_type("bfloat16")
    missing = ()
except RuntimeError as error:
    missing = (pytest.mark.skip(reason=str(error)),)
HALF = pytest.mark.parametrize("half", ["float16", pytest.param("bfloat16", marks=missing)])
PLACES = pytest.mark.parametrize("place", ["cpu", "cuda"])
EACH_FORMULA = [pytest.param(c, id=f"{name}-{c.label}") for name, cases in FORMULA_CASES.items() for c in cases]


def rounded(array, half):
    """The nearest numbers of 16 bits, in float64."""
    return np.asarray(array, dtype=ag.float_type(half)).astype(np.float64)


def values_and_gradients(case, arrays, place):
    """Of the case's function with these arrays, and a fixed random cotangent, all as float64."""
    leaves = [ag.Tensor(ag.to_device(a, place), requires_grad=True) for a in arrays]
    result = case.function(*leaves)
    cotangent = rounded(ag.Key(1).normal(result.shape, dtype="float64"), "float16")
    result.backward(ag.to_device(cotangent, place))
    gradients = [np.zeros(leaf.shape) if leaf.grad is None else ag.to_numpy(leaf.grad) for leaf in leaves]
    return result, leaves, [np.asarray(x, dtype=np.float64) for x in (result.numpy(), *gradients)]


@HALF
@PLACES
@pytest.mark.parametrize("case", EACH_FORMULA)
def test_formulas_and_gradients_are_those_of_float64_but_for_rounding(case, half, place, device):
    arrays = [rounded(a, half) for a in case.arrays]
    _, _, expected = values_and_gradients(case, arrays, "cpu")
    result, leaves, found = values_and_gradients(case, [a.astype(ag.float_type(half)) for a in arrays], place)
    assert result.dtype.name in (half, "float32") and result.device == leaves[0].device
    assert all(leaf.grad is None or leaf.grad.dtype == leaf.dtype for leaf in leaves)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=4 * SPACING[half] * max(1, abs(y).max(initial=0)))


@HALF
@pytest.mark.parametrize("depth", ["fast", "reference", "composed"])
def test_losses_are_not_rounded(depth, half):
    """Nor do they overflow: 8,000 targets of ten nats are more than float16 holds."""
    logits = np.zeros((8000, 2), dtype=ag.float_type(half))
    logits[:, 1] = -10
    with ag.use(depth):
        x = ag.Tensor(logits, requires_grad=True)
        loss = ag.cross_entropy(x, np.ones(8000, dtype=int), reduction="sum")
    assert loss.dtype == np.float32 and loss.item() == pytest.approx(8000 * (10 + np.log1p(np.exp(-10))), rel=1e-5)
    loss.backward()
    assert x.grad.dtype.name == half
    np.testing.assert_allclose(x.grad.astype(float)[:, 0], 1 / (1 + np.exp(-10)), rtol=SPACING[half])


@HALF
@PLACES
def test_a_number_takes_the_precision_of_the_tensor_it_meets(half, place, device):
    x = ag.Tensor(ag.to_device(np.ones((2, 3), dtype=ag.float_type(half)), place), requires_grad=True)
    for y in (x * 2.0, 2.0 * x, x + 1, 1.5 - x, x / 3, 3 / x, x**2, -x, x.mean(axis=1), ag.relu(x), ag.sigmoid(x)):
        assert y.dtype.name == half
    wider = x * ag.Tensor(ag.to_device(np.ones(3, dtype=np.float32), place))
    assert wider.dtype == np.float32, "where two types meet, the wider one"
    wider.sum().backward()
    assert x.grad.dtype.name == half


@HALF
@PLACES
def test_the_gradient_of_what_was_repeated_is_added_up_in_float32(half, place, device):
    """In 16 bits a sum of ones stands still at 256 or 2,048, where the next one is less than half the spacing."""
    x = ag.Tensor(ag.to_device(np.zeros((4096, 1), dtype=ag.float_type(half)), place))
    shift = ag.Tensor(ag.to_device(np.zeros(1, dtype=ag.float_type(half)), place), requires_grad=True)
    (x + shift).backward(np.ones((4096, 1)) if place == "cpu" else ag.to_device(np.ones((4096, 1)), place))
    assert shift.numpy() == 0 and ag.to_numpy(shift.grad).astype(float) == 4096


def weights(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [Parameter((scale * rng.normal(size=shape)).astype(np.float32)) for shape in [(5, 4), (4,), (7, 5)]]


class TestMaster:
    """An optimizer's exact values, and the rounded ones that are computed with."""

    @HALF
    @PLACES
    def test_parameters_are_the_values_rounded(self, half, place, device):
        ps = weights()
        before = [p.data.copy() for p in ps]
        for p in ps:
            p.data = ag.to_device(p.data, place)
        optimizer = AdamW(ps, dtype=half)
        for step in range(3):
            for p, b in zip(ps, before, strict=True):
                exact = ag.to_numpy(optimizer.value_of(p))
                assert exact.dtype == np.float32 and p.dtype.name == half and p.shape == b.shape
                np.testing.assert_array_equal(p.numpy(), exact.astype(ag.float_type(half)))
                assert step or np.array_equal(exact, b), "nothing is lost when it begins"
                p.accumulate(ag.to_device(np.ones(p.shape, dtype=np.float32), place))
            version = ps[0].version
            optimizer.step(0.1)
            assert ps[0].version > version, "a recorded graph is told"
        for buffer in (optimizer.group.values, optimizer.group.gradients, optimizer.m, optimizer.v):
            assert buffer.dtype == np.float32

    @HALF
    def test_small_updates_add_up(self, half):
        """A hundred steps of 1e-4 move 1 to 0.99; a 16-bit 1, each time to the nearest number, which is 1."""
        p = Parameter(np.ones((1, 1), dtype=np.float32))
        optimizer = AdamW([p], weight_decay=0, grad_clip=0, dtype=half)
        lone = np.ones((1, 1), dtype=ag.float_type(half))
        m, v = np.zeros((1, 1), dtype=np.float32), np.zeros((1, 1), dtype=np.float32)
        gradient = np.full((1, 1), 0.5, dtype=np.float32)
        for step in range(1, 101):
            p.accumulate(gradient * (1 if optimizer.loss_scale is None else optimizer.loss_scale))
            optimizer.step(1e-4)
            reference.adam_step(lone, gradient, m, v, step, 1e-4, 0.9, 0.95, 1e-8, 0.0)
        assert optimizer.value_of(p).item() == pytest.approx(0.99, abs=1e-5)
        assert float(p.data.item()) == pytest.approx(0.99, abs=SPACING[half]) and p.data.item() < 1
        assert lone.item() == 1, "the mistake this is the remedy for"

    @HALF
    @PLACES
    def test_gradients_are_added_up_in_float32(self, half, place, device):
        p = Parameter(ag.to_device(np.ones(3, dtype=np.float32), place))
        AdamW([p], dtype=half)
        for factor in (1.0, 2.0**-12):
            (p * factor).sum().backward()
        assert p.grad.dtype == np.float32
        np.testing.assert_array_equal(ag.to_numpy(p.grad), np.float32(1 + 2.0**-12))

    @HALF
    @PLACES
    def test_a_gradient_of_a_weight_is_not_rounded_on_its_way(self, half, place, device):
        """Whether it is added where it belongs or handed over, and when it is computed again."""
        rng = np.random.default_rng(2)
        x, dy = (rounded(rng.normal(size=(300, n)), half).astype(ag.float_type(half)) for n in (5, 4))
        ids = rng.integers(7, size=300)
        found = {}
        for way in ("added", "handed over", "computed again"):
            w, b, table = (Parameter(ag.to_device(p.data, place)) for p in weights(scale=0.01))
            AdamW([w, b, table], dtype=half)

            def function(x, w=w, b=b, table=table):
                return ag.linear(x + ag.embedding(ids, table), w, b)

            inputs = ag.Tensor(ag.to_device(x, place))
            again = way == "computed again"
            y = ag.checkpoint(function, inputs, parameters=(w, b, table)) if again else function(inputs)
            got = {}
            y.backward(ag.to_device(dy, place), on_leaf=got.__setitem__ if way == "handed over" else None)
            gradients = [got[p] if way == "handed over" else p.grad for p in (w, b, table)]
            assert all(g.dtype == np.float32 for g in gradients)
            found[way] = [ag.to_numpy(g) for g in gradients]
            entered = rounded(x.astype(float) + table.numpy().astype(float)[ids], half)
            wide_dy, into_x = dy.astype(float), rounded(dy.astype(float) @ w.numpy().astype(float).T, half)
            exact = [entered.T @ wide_dy, wide_dy.sum(axis=0), np.eye(7)[ids].T @ into_x]
            for g, e in zip(found[way], exact, strict=True):
                assert abs(g - e).max() < 1e-2 * abs(rounded(e, half) - e).max()
        for way in ("handed over", "computed again"):
            for a, b in zip(found[way], found["added"], strict=True):
                np.testing.assert_array_equal(a, b, err_msg=way)

    @HALF
    def test_a_deposit_is_written_in_float32(self, half):
        class Ones(Deposit):
            source, shape = np.ones(1, dtype=ag.float_type(half)), (2,)

            def add_to(self, buffer):
                buffer += np.float32(1 + 2.0**-12)

        p = Parameter(np.ones(2, dtype=np.float32))
        AdamW([p], dtype=half)
        y = ag.record(p.data, (p,), lambda g: (Ones(),)).sum()
        handed = {}
        y.backward(retain_graph=True, on_leaf=handed.__setitem__)
        y.backward()
        for gradient in (handed[p], p.grad):
            assert gradient.dtype == np.float32 and (gradient == np.float32(1 + 2.0**-12)).all()

    def test_what_has_16_bits_already_gets_a_master_too(self):
        p = Parameter(np.full((2, 2), 0.1, dtype=np.float16))
        optimizer = AdamW([p])
        assert optimizer.value_of(p).dtype == np.float32 and p.dtype == np.float16
        np.testing.assert_array_equal(optimizer.value_of(p), p.data)
        assert optimizer.loss_scale is not None
        stranger = Parameter(np.ones(2, dtype=np.float16))
        assert optimizer.value_of(stranger) is stranger.data

    def test_without_half_there_is_one_copy(self):
        ps = weights()
        optimizer = AdamW(ps, dtype="float32")
        assert optimizer.group.rounded is None and optimizer.loss_scale is None
        assert all(np.shares_memory(p.data, optimizer.group.values) for p in ps)


def test_bfloat16_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(RuntimeError, match="pip install ml_dtypes"):
        AdamW(weights(), dtype="bfloat16")
