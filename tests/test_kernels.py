"""The kernels at speed equal the reference: any shape, layout, precision and number of threads, and no warnings.

Shapes: N rows, V classes, C channels, B batch, T time, H heads, G key heads, D channels of a head.
"""

import math
import sys
import threading
import time

import numpy as np
import pytest
from kernel_cases import CASES, LAYOUTS, SPLIT, TOLERANCE, bare, compare, normal

from autograd import Key
from autograd.kernels import cpu, on_cupy, on_numpy, reference
from autograd.kernels.cpu import BLOCK

pytestmark = pytest.mark.core

DTYPES = ["float32", "float64"]


def test_all_rooms_have_the_same_names():
    assert set(reference.__all__) == set(on_numpy.__all__) == set(on_cupy.__all__)
    tested = {*CASES, "adam_step", "squared_norm"}
    assert tested == {name.removesuffix("_backward") for name in reference.__all__}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_equals_reference(name, dtype, layout):
    for case in CASES[name](dtype, SPLIT):
        compare(on_numpy, case, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_attention_that_keeps_no_weights_equals_reference(monkeypatch, dtype, layout):
    monkeypatch.setattr(sys.modules[on_numpy.attention.__module__], "KEPT", -1)
    for case in CASES["attention"](dtype, SPLIT):
        compare(on_numpy, case, layout)


def for_tasks(n, task):
    cpu.for_tasks(n, task, elements=cpu.WORTH_SHARING)


class TestThreads:
    """Blocks are the same whatever the number of threads, so sums over them are the same bits."""

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_one_and_many_give_the_same_bits(self, set_cores, monkeypatch, dtype):
        monkeypatch.setattr(cpu, "WORTH_SHARING", 1)
        results = []
        for cores in (1, 3):
            set_cores(cores)
            results.append(list(self.everything(dtype)))
        for one, many in zip(*results, strict=True):
            np.testing.assert_array_equal(one, many)

    @staticmethod
    def everything(dtype):
        x, c = normal(SPLIT, dtype), SPLIT[1]
        assert x.size > BLOCK  # or there would be nothing to share
        targets = np.random.default_rng(0).integers(c, size=len(x))
        calls = [("softmax", [x]), ("log_softmax", [x]), ("gelu", [x]), ("cross_entropy", [x, targets]),
                 ("layer_norm", [x, x[0], x[1]]), ("rms_norm", [x, x[0]]), ("dropout", [x, 0.5, Key(3)]),
                 ("attention", [normal((2, 4, 200, 16), dtype)] * 3)]  # fmt: skip
        for name, arguments in calls:
            needs = {"needs": (True, True, True, False)} if name == "attention" else {}
            y, saved = getattr(on_numpy, name)(*arguments, **needs)
            yield y
            gradients = getattr(on_numpy, f"{name}_backward")(normal(y.shape, dtype, 1), saved)
            for g in gradients if isinstance(gradients, tuple) else [gradients]:
                if g is not None:
                    yield bare(g)
        yield on_numpy.squared_norm(x)
        p, m, v = x.copy(), 0 * x, 0 * x
        on_numpy.adam_step(p, x, m, v, 1, 1e-3, 0.9, 0.99, 1e-8, 0.1)
        yield from (p, m, v)

    def test_the_gradient_of_a_bias_that_tasks_share_is_added_up_in_one_of_them(self, set_cores, monkeypatch):
        monkeypatch.setattr(cpu, "WORTH_SHARING", 1)
        set_cores(4)
        module, threads = sys.modules[on_numpy.attention.__module__], set()
        add = module._BiasGradient.add

        def watched(*arguments):
            threads.add(threading.get_ident())
            time.sleep(0.001)  # long enough for another thread to come, if one were asked
            add(*arguments)

        monkeypatch.setattr(module._BiasGradient, "add", watched)
        arrays = [normal((8, 8, 200, 4), "float64", n) for n in range(3)]
        y, saved = on_numpy.attention(*arrays, bias=normal((1, 1, 200, 200), "float64"))
        on_numpy.attention_backward(y, saved)
        assert len(threads) == 1

    def test_the_norm_does_not_depend_on_blas(self):
        if cpu.blas_threads() is None:
            pytest.skip("NumPy's matrix library is not OpenBLAS here")
        usual, found = cpu.blas_threads(), []
        try:
            for n in (1, 2):
                cpu.set_blas_threads(n)
                found.append([on_numpy.squared_norm(normal(BLOCK, "float64", seed)) for seed in range(5)])
        finally:
            cpu.set_blas_threads(usual)
        assert found[0] == found[1]

    def test_each_task_once(self, set_cores):
        set_cores(3)
        done = []
        for_tasks(100, done.append)
        assert sorted(done) == list(range(100))

    def test_tasks_inside_tasks(self, set_cores):
        set_cores(3)
        done = []
        for_tasks(5, lambda i: for_tasks(5, lambda j: done.append((i, j))))
        assert len(set(done)) == 25

    def test_an_error_in_a_task_is_raised(self, set_cores):
        set_cores(3)

        def task(number):
            if number == 7:
                raise KeyError(number)

        with pytest.raises(KeyError):
            for_tasks(10, task)
        done = []
        for_tasks(10, done.append)
        assert len(done) == 10


class TestErf:
    def test_within_two_units_in_the_last_place(self):
        generator = np.random.default_rng(0)
        x = np.concatenate([generator.uniform(-7, 7, 12_000), 10.0 ** generator.uniform(-300, 1, 6_000),
                            np.linspace(-1.001, 1.001, 1_000), np.linspace(5.9, 6.1, 1_000)])  # fmt: skip
        expected = np.array([math.erf(value) for value in x])
        assert len(x) == 20_000
        units = np.abs(reference.erf(x)[0] - expected) / np.spacing(np.abs(expected))
        assert units.max() <= 2

    def test_special_values(self):
        x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 30.0])
        expected = np.array([math.erf(value) for value in x])
        computed = reference.erf(x)[0]
        np.testing.assert_allclose(computed, expected, rtol=1e-13, atol=1e-323)
        np.testing.assert_array_equal(np.signbit(computed[:2]), [False, True])

    def test_float32(self):
        x = np.linspace(-5, 5, 2001).astype(np.float32)
        y = reference.erf(x)[0]
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, [math.erf(value) for value in x], rtol=1e-6)

    def test_odd(self):
        x = np.linspace(0, 7, 500)
        np.testing.assert_array_equal(reference.erf(-x)[0], -reference.erf(x)[0])


def test_cross_entropy_is_minus_log_softmax_of_the_target():
    logits, targets = normal((20, 6)), np.random.default_rng(1).integers(6, size=20)
    for room in (reference, on_numpy):
        log_p = room.log_softmax(logits)[0]
        np.testing.assert_allclose(room.cross_entropy(logits, targets)[0], -log_p[np.arange(20), targets], rtol=1e-12)


class TestAdam:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("arrange", [
        lambda x: x, lambda x: x.reshape(-1), lambda x: x.T, lambda x: x[::2], lambda x: x[:, ::2], lambda x: x[0],
        lambda x: x[:, 0], lambda x: x[:0],
    ], ids=["matrix", "flat", "transposed", "rows", "columns", "row", "column", "empty"])  # fmt: skip
    def test_equals_reference(self, dtype, arrange):
        """In place through any view: what the optimizer is handed may be a part of something larger."""
        wholes = {room: [normal((6, 4), dtype, i) for i in range(3)] + [normal((6, 4), dtype, 3) ** 2]
                  for room in (reference, on_numpy)}  # fmt: skip
        for room, arrays in wholes.items():
            for step in (1, 2, 3):
                room.adam_step(*map(arrange, arrays), step, 0.01, 0.9, 0.99, 1e-8, 0.1, 0.5)
        for computed, expected in zip(wholes[on_numpy], wholes[reference], strict=True):
            np.testing.assert_allclose(computed, expected, rtol=100 * TOLERANCE[dtype], atol=TOLERANCE[dtype])
        assert np.array_equal(wholes[on_numpy][1], normal((6, 4), dtype, 1)), "the gradient is read, not changed"

    def test_first_step_moves_by_the_learning_rate(self):
        """After bias correction m̂/√v̂ is the gradient's sign, whatever its size."""
        for room in (reference, on_numpy):
            p, g = np.zeros(3), np.array([1e-3, -5.0, 100.0])
            room.adam_step(p, g, np.zeros(3), np.zeros(3), 1, 0.1, 0.9, 0.99, 1e-12, 0.0)
            np.testing.assert_allclose(p, [-0.1, 0.1, -0.1], rtol=1e-6)

    def test_squared_norm(self):
        for dtype in DTYPES:
            for x in (normal(SPLIT, dtype), normal((5, 4), dtype).T, normal(0, dtype), normal((), dtype)):
                expected = float((x.astype(np.float64) ** 2).sum())
                for room in (reference, on_numpy):
                    assert room.squared_norm(x) == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 1e-12)
