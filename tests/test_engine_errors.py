"""What the engine refuses, and whether its sentence tells which operation, which shapes, and why."""

import sys
import types

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.kernels import DEPTHS
from tinygpt.model import GPT, GPTConfig
from tinygpt.train import AdamW

pytestmark = pytest.mark.core


def leaf(*values):
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


class TestBackward:
    def test_twice_through_a_freed_graph(self):
        x = leaf(1.0)
        y = x * x
        z = y + 1
        z.backward(np.ones(1))
        for again in (z, y + 0):
            with pytest.raises(RuntimeError, match=r"freed.*retain_graph=True"):
                again.backward(np.ones(1))
        assert x.grad[0] == 2, "a backward that fails delivers nothing"

    def test_from_several_elements(self):
        with pytest.raises(RuntimeError, match=r"single number.*\(2,\)"):
            (2 * leaf(1.0, 2.0)).backward()

    def test_from_a_constant(self):
        with pytest.raises(RuntimeError, match="requires_grad=True"):
            (Tensor([1.0]) * 2).backward()

    def test_with_a_gradient_of_another_shape(self):
        with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
            (2 * leaf(1.0, 2.0)).backward(np.ones(3))

    @pytest.mark.parametrize("array", [np.arange(3), np.array([True]), 1])
    def test_integers_have_no_gradients(self, array):
        with pytest.raises(TypeError, match="floating-point"):
            Tensor(array, requires_grad=True)


class TestChangedValues:
    @pytest.mark.parametrize("operation", ["multiply", "exp", "linear"])
    @pytest.mark.parametrize("change", ["element", "whole", "through the array"])
    def test_a_leaf_changed_before_backward(self, operation, change):
        array = np.ones((2, 2))
        x = Tensor(array, requires_grad=True)
        y = getattr(ag, operation)(*((x,) if operation == "exp" else (x, x))).sum()
        if change == "element":
            x.data[0, 1] = 5
        elif change == "whole":
            x.data -= 1
        else:
            array[0] = 3
        with pytest.raises(RuntimeError, match=rf"{operation}\(\).*\(2, 2\).*changed in place"):
            y.backward()
        assert x.grad is None

    def test_a_constant_changed_before_backward(self):
        x, constant = leaf(1.0), np.array([2.0])
        y = x * constant
        constant[0] = 3
        with pytest.raises(RuntimeError, match="multiply"):
            y.backward(np.ones(1))

    @pytest.mark.parametrize("at", [0, 1, 12345, -1])
    @pytest.mark.parametrize(
        "make",
        [
            lambda: np.ones((600, 600)),
            lambda: np.ones((600, 600)).T,
            lambda: np.ones((301, 602), np.float32)[:, ::2],
            lambda: np.ones(99_999, np.float32),
            lambda: np.ones(50_001, np.float16),
        ],
        ids=["whole", "transposed", "spread", "odd", "half"],
    )
    def test_one_element_of_a_large_array(self, make, at):
        array = make()
        x = Tensor(array, requires_grad=True)
        y = ag.exp(x)
        array[np.unravel_index(at % array.size, array.shape)] = 2
        with pytest.raises(RuntimeError, match="exp"):
            y.backward(np.ones(array.shape))

    def test_halves_of_a_large_array_that_change_places(self):
        x = Tensor(np.random.default_rng(0).normal(size=(300, 300)), requires_grad=True)
        y = (x * x).sum()
        x.data[:] = np.roll(x.data, 150, axis=0)
        with pytest.raises(RuntimeError, match="multiply"):
            y.backward()

    def test_parameters_changed_by_an_optimizer(self):
        model = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=1, n_embd=4), ag.Key(0))
        optimizer = AdamW(model.parameters())
        ids = np.array([[1, 2, 3]])
        early = model(ids).sum()
        model(ids).sum().backward()
        optimizer.step(0.1)
        with pytest.raises(RuntimeError, match="changed in place"):
            early.backward()

    def test_a_view_that_cannot_be_written_of_an_array_that_can(self):
        array = np.ones(3)
        view = array.view()
        view.flags.writeable = False
        x = Tensor(view, requires_grad=True)
        y = (x * x).sum()
        array[0] = 5
        with pytest.raises(RuntimeError, match="multiply"):
            y.backward()

    def test_ids_and_indices_are_those_of_the_forward(self):
        ids, targets = np.array([0, 1]), np.array([2, 0])
        table = leaf(1.0, 2.0, 3.0)
        logits = Tensor(np.zeros((2, 3)), requires_grad=True)
        tables = Tensor(np.ones((3, 1)), requires_grad=True)
        losses = [table[ids].sum(), ag.embedding(ids, tables).sum(), ag.cross_entropy(logits, targets, reduction="sum")]
        ids[:], targets[:] = 2, 1
        for loss in losses:
            loss.backward()
        np.testing.assert_array_equal(table.grad, [1, 1, 0])
        np.testing.assert_array_equal(tables.grad[:, 0], [1, 1, 0])
        np.testing.assert_allclose(logits.grad, [[1 / 3, 1 / 3, -2 / 3], [-2 / 3, 1 / 3, 1 / 3]])

    def test_after_backward_everything_may_change(self):
        x = leaf(1.0, 2.0)
        y = (x * x).sum()
        y.backward()
        x.data -= 0.1 * x.grad
        (x * x).sum().backward()

    def test_results_are_read_only(self):
        x = leaf(1.0, 2.0)
        for y in (x + 1, x.reshape(1, 2), x[:1], x.T, ag.softmax(x), x.sum(), ag.broadcast_to(x, (2, 2))):
            with pytest.raises(ValueError, match="read-only"):
                y.data[...] = 0
            with pytest.raises(ValueError, match="leaf"):
                y.data = np.zeros(y.shape)
        x.data[0] = 5  # a view of it being read-only does not make the leaf so
        assert x.data[0] == 5


class TestShapes:
    A, B = (2, 3), (4, 2)

    @pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "matmul"])
    def test_binary_operations_name_themselves_and_both_shapes(self, name):
        with pytest.raises(ValueError, match=rf"{name}: shapes \(2, 3\) and \(4, 2\)"):
            getattr(ag, name)(np.ones(self.A), Tensor(np.ones(self.B)))

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda a, b: ag.where(True, a, b), r"where: shapes \(2, 3\) and \(4, 2\)"),
            (lambda a, b: ag.concatenate([a, b]), r"concatenate: .*\(2, 3\).*\(4, 2\).*axis 0"),
            (lambda a, b: ag.stack([a, b]), r"stack: .*\(2, 3\).*\(4, 2\)"),
            (lambda a, b: ag.einsum("ij,jk->ik", a, b), r"einsum.*\(2, 3\), \(4, 2\)"),
            (lambda a, b: ag.einsum("ij->i", a, b), "1 operands and was given 2"),
            (lambda a, b: ag.einsum("ijk->i", a), "3 axes of an operand that has 2"),
            (lambda a, b: ag.split(a, 2, axis=1), r"split: axis 1 of shape \(2, 3\)"),
            (lambda a, b: ag.matmul(a, 2.0), r"matmul: shapes \(2, 3\) and \(\)"),
            (lambda a, b: ag.linear(a, b), r"linear: x \(2, 3\).*\(4, 2\).*\(in, out\)"),
            (lambda a, b: ag.linear(a, b, transposed=True), r"linear: x \(2, 3\).*\(4, 2\).*\(out, in\)"),
            (lambda a, b: ag.linear(a, a.T, np.ones(3)), r"linear: bias \(3,\).*\(3, 2\)"),
            (lambda a, b: ag.layer_norm(a, np.ones(2)), r"layer_norm: weight \(2,\).*\(2, 3\)"),
            (lambda a, b: ag.embedding([0], np.ones(3)), r"embedding: .*\(3,\)"),
            (lambda a, b: ag.cross_entropy(a, np.zeros(3, int)), r"cross_entropy: logits \(2, 3\).*\(3,\)"),
            (lambda a, b: ag.attention(a, b, b), r"attention: q \(2, 3\), k \(4, 2\)"),
        ],
    )
    def test_others(self, call, message):
        with pytest.raises(ValueError, match=message):
            call(Tensor(np.ones(self.A)), Tensor(np.ones(self.B)))

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: x.sum(axis=2), lambda x: x.max(axis=-3), lambda x: x.transpose(0, 2), lambda x: x.transpose(0),
            lambda x: ag.transpose(x, 0, 0), lambda x: ag.split(x, 1, axis=2), lambda x: ag.stack([x], axis=4),
            lambda x: ag.concatenate([x], axis=2), lambda x: x.reshape(7),
        ],
    )  # fmt: skip
    def test_axes_that_do_not_exist(self, call):
        with pytest.raises((ValueError, IndexError)):
            call(Tensor(np.ones(self.A), requires_grad=True))

    def test_attention_heads_masks_and_biases(self):
        q, k, two = np.ones((1, 4, 2, 3)), np.ones((1, 3, 2, 3)), np.ones((1, 2, 2, 3))
        with pytest.raises(ValueError, match="multiple"):
            ag.attention(q, k, k)
        with pytest.raises(TypeError, match="boolean"):
            ag.attention(q, two, two, mask=np.ones((2, 2)))
        for extra in ({"mask": np.ones((3, 2), dtype=bool)}, {"bias": np.ones((1, 1, 1, 2, 2))}):
            with pytest.raises(ValueError, match=r"does not broadcast to .* \(1, 4, 2, 2\)"):
                ag.attention(q, two, two, **extra)


class TestValues:
    @pytest.mark.parametrize("wrong", [-1, 3])
    def test_ids_outside_the_table(self, wrong):
        with pytest.raises(IndexError, match=rf"embedding: id {wrong} is outside 0 … 2"):
            ag.embedding([0, wrong], np.ones((3, 2)))
        with pytest.raises(IndexError, match=rf"cross_entropy: id {wrong} is outside 0 … 2"):
            ag.cross_entropy(np.ones((2, 3)), [0, wrong])

    def test_ids_that_are_no_integers(self):
        with pytest.raises(TypeError, match="embedding: ids must be integers"):
            ag.embedding([0.0], np.ones((3, 2)))

    @pytest.mark.parametrize("depth", DEPTHS)
    @pytest.mark.parametrize(
        ("name", "more"),
        [("softmax", ()), ("log_softmax", ()), ("gelu", ()), ("layer_norm", ()), ("rms_norm", (np.ones(3),)),
         ("dropout", (0.5, ag.Key(0))), ("cross_entropy", (0,)), ("attention", (np.ones((1, 1, 1, 3)),) * 2)],
    )  # fmt: skip
    def test_integers_where_there_must_be_fractions(self, depth, name, more):
        x = np.arange(3).reshape((1, 1, 1, 3) if name == "attention" else 3)
        with ag.use(depth), pytest.raises(TypeError, match=rf"{name}: it needs floating-point .* int64"):
            getattr(ag, name)(x, *more)

    @pytest.mark.parametrize("nothing", [None, "abc", {}, object()])
    def test_what_is_no_array(self, nothing):
        with pytest.raises(TypeError, match=rf"array of numbers.*{type(nothing).__name__}"):
            Tensor(nothing)

    def test_no_target_counts(self):
        with pytest.raises(ValueError, match="no target counts"):
            ag.cross_entropy(np.ones((2, 3)), [-100, -100])

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: ag.cross_entropy(x, [0], label_smoothing=2), lambda x: ag.cross_entropy(x, [0], reduction="avg"),
            lambda x: ag.gelu(x, approximate="exact"), lambda x: ag.dropout(x, 1.5, ag.Key(0)),
            lambda x: ag.dropout(x, -0.1, None),
        ],
    )  # fmt: skip
    def test_options_out_of_range(self, call):
        with pytest.raises(ValueError, match=r"must be|probability"):
            call(np.ones((1, 3)))


class TestDevices:
    """A second array library, as far as the check of devices looks."""

    @pytest.fixture
    def elsewhere(self, monkeypatch):
        library = types.ModuleType("elsewhere")

        class Array:
            __module__ = "elsewhere"
            shape, ndim, size, dtype = (2,), 1, 2, np.dtype(np.float64)
            device = types.SimpleNamespace(id=3)

        library.asarray = lambda x: x
        monkeypatch.setitem(sys.modules, "elsewhere", library)
        return Array()

    @pytest.mark.parametrize("name", ["add", "matmul", "maximum", "linear"])
    def test_mixed(self, elsewhere, name):
        with pytest.raises(TypeError, match=rf"{name}: operands are on cpu and cuda:3; move one with to_device"):
            getattr(ag, name)(Tensor(elsewhere), Tensor(np.ones(2)))

    def test_mixed_lists(self, elsewhere):
        for call in (ag.concatenate, ag.stack, lambda tensors: ag.einsum("i,i", *tensors)):
            with pytest.raises(TypeError, match="cpu and cuda:3"):
                call([Tensor(np.ones(2)), Tensor(elsewhere)])

    @pytest.mark.parametrize("device", ["gpu", "cuda:x", "tpu:0", ""])
    def test_unknown(self, device):
        with pytest.raises(ValueError, match="unknown device"):
            ag.use_device(device)
