"""Laws of the engine: how far it reaches, what it keeps alive, what it delivers, what it refuses."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor

pytestmark = pytest.mark.core


def leaf(*values):
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


@pytest.fixture
def no_collector():
    """What dies now dies by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class TestSize:
    def test_a_graph_30_000_operations_deep(self):
        x = leaf(2.0)
        y = x
        for _ in range(30_000):
            y = y + 1
        y.backward(np.ones(1))
        assert y.item() == 30_002 and x.grad[0] == 1

    def test_a_deep_graph_that_nobody_walks_is_forgotten(self):
        y = leaf(2.0)
        for _ in range(100_000):
            y = -y
        del y

    def test_two_to_the_40_paths(self):
        x = leaf(1.0)
        y = x
        for _ in range(40):
            y = y + y
        y.backward(np.ones(1))
        assert x.grad[0] == 2.0**40

    def test_a_diamond_waits_for_both_sides(self):
        x = leaf(3.0)
        y = x * x
        (y * ag.exp(-y) + y).backward(np.ones(1))
        assert x.grad[0] == pytest.approx(6 * (np.exp(-9) * (1 - 9) + 1), rel=1e-12)


@pytest.mark.usefixtures("no_collector")
class TestMemory:
    def test_no_reference_cycles(self):
        x = Tensor(np.ones((3, 3)), requires_grad=True)
        y = ag.tanh(x @ x) * 2
        loss = ag.cross_entropy(ag.layer_norm(ag.gelu(y)), np.array([0, 1, 2]))
        watched = [weakref.ref(t) for t in (y, y.data, y.node.vjp, loss, loss.node.vjp)]
        del y, loss
        assert [ref() for ref in watched] == [None] * len(watched)

    def test_the_graph_dies_with_a_backward(self):
        x = Tensor(np.ones((3, 3)), requires_grad=True)
        y = ag.tanh(x)
        loss = (y * y).sum()
        watched = [weakref.ref(y.data), weakref.ref(y.node.vjp)]
        del y
        assert watched[0]() is not None, "the vjp of tanh needs its result"
        loss.backward()
        assert [ref() for ref in watched] == [None, None]

    def test_activations_are_freed_on_the_way(self):
        """When a layer's weight has its gradient, nothing of the layers above is left."""
        weights = [leaf(0.5, 0.1 * i) for i in range(6)]
        h, activations = Tensor(np.ones(2)), []
        for weight in weights:
            h = ag.tanh(h * weight)
            activations.append(weakref.ref(h.data))
        loss = h.sum()
        del h
        alive_above = []

        def look(weight, gradient):
            i = next(i for i, w in enumerate(weights) if w is weight)
            alive_above.append([j for j in range(i, len(weights)) if activations[j]() is not None])
            del gradient

        loss.backward(on_leaf=look)
        assert alive_above == [[]] * len(weights)

    def test_a_value_that_no_vjp_needs_dies_in_the_forward(self):
        x = Tensor(np.ones(3), requires_grad=True)
        y = x + 1
        value = weakref.ref(y.data)
        y = y + 1
        assert value() is None

    def test_a_long_chain_backward_holds_few_gradients(self):
        x = Tensor(np.ones(100_000), requires_grad=True)
        y = x
        for _ in range(100):
            y = y * 0.99
        tracemalloc.start()
        try:
            y.backward(np.ones(100_000))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 6 * x.data.nbytes

    def test_no_grad_keeps_nothing(self):
        x = Tensor(np.ones(3), requires_grad=True)
        with ag.no_grad():
            h = ag.tanh(x)
            first = weakref.ref(h.data)
            h = ag.tanh(h)
        assert first() is None and h.node is None and not h.requires_grad

    def test_tensor_does_not_copy(self):
        array = np.arange(3.0)
        assert Tensor(array).data is array and Tensor(Tensor(array)).data is array
        assert Tensor(array).numpy() is array and Tensor(array).detach().data is array


class TestDelivery:
    def test_gradients_add_over_backwards(self):
        x = leaf(1.0, 2.0)
        for _ in range(2):
            (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad, [4.0, 8.0])

    @pytest.mark.parametrize("deposit", [lambda x: x[1:], lambda x: ag.embedding([1], x.reshape(2, 1))])
    def test_gradients_add_where_a_deposit_comes_second(self, deposit):
        x = leaf(1.0, 2.0)
        (3 * x).sum().backward()
        deposit(x).sum().backward()
        np.testing.assert_array_equal(x.grad, [3.0, 4.0])

    def test_leaves_do_not_share_a_gradient(self):
        x, y = leaf(1.0), leaf(2.0)
        seed = np.ones(1)
        (x + y).backward(seed)
        x.grad += 10
        assert y.grad[0] == 1 and seed[0] == 1

    def test_backward_from_a_leaf(self):
        x, seed = leaf(1.0), np.ones(1)
        x.backward(seed)
        x.backward(seed)
        assert x.grad[0] == 2 and seed[0] == 1

    def test_on_leaf_gets_each_leaf_once_and_finished(self):
        tied, other = Tensor(np.eye(2), requires_grad=True), leaf(1.0, 2.0)
        h = ag.embedding([0, 1, 1], tied) * other
        loss = ag.linear(h, tied, transposed=True).sum()
        delivered = []
        loss.backward(on_leaf=lambda tensor, gradient: delivered.append((tensor, gradient)), retain_graph=True)
        assert tied.grad is None and other.grad is None
        assert {id(t) for t, _ in delivered} == {id(tied), id(other)} and len(delivered) == 2
        loss.backward()
        for tensor, gradient in delivered:
            np.testing.assert_allclose(gradient, tensor.grad)

    def test_an_optimizers_buffer_receives_the_gradient(self):
        weight = Tensor(np.eye(2), requires_grad=True)
        weight.grad_buffer = np.full((2, 2), np.nan)
        for expected in (1.0, 2.0):
            ag.linear(np.ones((1, 2)), weight).sum().backward()
            assert weight.grad is weight.grad_buffer
            np.testing.assert_array_equal(weight.grad, np.full((2, 2), expected))

    def test_a_weight_keeps_its_precision_beside_wider_inputs(self):
        for depth in ("composed", "reference", "fast"):
            weight = Tensor(np.eye(2, dtype=np.float32), requires_grad=True)
            with ag.use(depth):
                ag.linear(np.ones((3, 2)), weight).sum().backward()
            assert weight.grad.dtype == np.float32

    def test_retain_graph(self):
        x = leaf(3.0)
        y = x * x
        y.backward(np.ones(1), retain_graph=True)
        y.backward(np.ones(1))
        assert x.grad[0] == 12

    def test_retain_grad_shows_an_intermediate_gradient(self):
        x = leaf(2.0)
        y = (x * x).retain_grad()
        (y * y + 3 * y).backward(np.ones(1))
        assert y.grad[0] == 2 * 4 + 3 and x.grad[0] == 11 * 4

    def test_a_gradient_that_was_shown_is_the_readers_own(self):
        x = leaf(2.0, 3.0)
        y = (x + 0).retain_grad()
        z = (y + 0).retain_grad()
        given = np.ones(2)
        (z + 0).backward(given)
        for each in (y, z):
            each.grad[...] = 7
            np.testing.assert_array_equal(x.grad, 1)
            np.testing.assert_array_equal(given, 1)
            each.grad[...] = 1

    def test_gradient_argument(self):
        x = leaf(1.0, 2.0)
        (3 * x).backward(Tensor([1.0, 10.0]))
        np.testing.assert_array_equal(x.grad, [3.0, 30.0])

    def test_what_needs_no_gradient_gets_none(self):
        x, constant = leaf(1.0), Tensor([2.0])
        (x * constant).backward(np.ones(1))
        assert constant.grad is None

    def test_detach_cuts(self):
        x = leaf(3.0)
        (x * x.detach()).backward(np.ones(1))
        assert x.grad[0] == 3

    def test_no_grad_ends_with_its_block(self):
        x = leaf(1.0)
        with pytest.raises(KeyError), ag.no_grad():
            raise KeyError
        assert (2 * x).requires_grad


class TestPrecision:
    NUMBERS = [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2), np.array(2.5), np.pi]

    @pytest.mark.parametrize("number", NUMBERS, ids=repr)
    def test_numbers_take_the_precision_they_meet(self, number):
        operations = [
            lambda x: x + number, lambda x: number + x, lambda x: x - number, lambda x: number - x,
            lambda x: x * number, lambda x: number * x, lambda x: x / number, lambda x: number / x,
            lambda x: x**number, lambda x: number**x, lambda x: ag.maximum(x, number),
            lambda x: ag.where(np.array([True, False]), x, number), lambda x: ag.where([True, False], number, x),
        ]  # fmt: skip
        for operation in operations:
            x = Tensor(np.array([0.5, 1.5], dtype=np.float32), requires_grad=True)
            y = operation(x)
            assert y.dtype == np.float32
            y.backward(np.ones(2))
            assert x.grad.dtype == np.float32

    def test_an_array_of_float64_widens_and_the_gradient_returns_in_float32(self):
        x = Tensor(np.ones(2, dtype=np.float32), requires_grad=True)
        y = np.ones(2) * x
        assert isinstance(y, Tensor) and y.dtype == np.float64
        y.sum().backward()
        assert x.grad.dtype == np.float32

    def test_comparisons_give_bare_arrays(self):
        x = leaf(1.0, 2.0)
        np.testing.assert_array_equal(np.stack([x < 2, x <= 1, x > Tensor([1.0]), x >= 2]),
                                      [[True, False], [True, False], [False, True], [False, True]])  # fmt: skip


class TestDepths:
    def test_the_choice_stays_with_what_was_recorded(self, monkeypatch):
        called = []
        original = ag.kernels.reference.softmax_backward
        monkeypatch.setattr(ag.kernels.reference, "softmax_backward", lambda *a: called.append(1) or original(*a))
        x = leaf(1.0, 2.0)
        with ag.use("reference"):
            y = ag.softmax(x)
        y.backward(np.ones(2))
        assert called

    def test_as_a_call_and_nested(self):
        def names():
            with ag.trace() as graph:
                ag.softmax(Tensor([1.0, 2.0]))
            return {step.name for step in graph.steps}

        ag.use("composed")
        assert "exp" in names()
        with ag.use("fast"):
            assert "softmax" in names()
            with pytest.raises(KeyError), ag.use("composed"):
                raise KeyError
            assert "softmax" in names()
        assert "exp" in names()

    def test_unknown(self):
        with pytest.raises(ValueError, match="composed, reference, fast"):
            ag.use("fastest")
