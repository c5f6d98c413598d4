"""The kernels at speed equal the reference: any shape, layout, precision and number of threads, and no warnings.

Shapes: N rows, V classes, C channels, B batch, T time, H heads, G key heads, D channels of a head.
"""

import math

import numpy as np
import pytest

from autograd import Key
from autograd.kernels import cpu, on_numpy, reference
from autograd.kernels.cpu import BLOCK
from autograd.kernels.deposit import Deposit

pytestmark = pytest.mark.core

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
SPLIT = (2 * BLOCK // 300 + 1, 300)  # rows and columns of an array large enough to be shared among threads
ROWS = [(5, 7), (1, 9), (4, 1), (2, 3, 4), (6,), (0, 5), (2, 0, 3), SPLIT]


def transposed(x):
    return np.asfortranarray(x) if x.ndim else x


def strided(x):
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def backwards(x):
    return np.ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x


def broadcast(x):
    """As the gradient of a sum is: one number, seen everywhere."""
    return np.broadcast_to(np.asarray(0.7, x.dtype), x.shape)


LAYOUTS = {  # of the arguments, and of the gradient that comes back
    "contiguous": (np.asarray, np.asarray),
    "transposed": (transposed, transposed),
    "strided": (strided, strided),
    "backwards": (backwards, backwards),
    "broadcast": (np.asarray, broadcast),
}
DTYPES = ["float32", "float64"]


def normal(shape, dtype="float64", seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def bare(x):
    return x.array() if isinstance(x, Deposit) else x


def assert_equal(computed, expected, tolerance):
    assert (computed is None) == (expected is None)
    if computed is not None:
        computed = bare(computed)
        assert computed.shape == expected.shape and computed.dtype == expected.dtype
        np.testing.assert_allclose(computed, expected, rtol=10 * tolerance, atol=tolerance * magnitude(expected))


def magnitude(x):
    finite = np.abs(x[np.isfinite(x)])
    return max(1.0, float(finite.max())) if finite.size else 1.0


def compare(name, arguments, options, arrange, arrange_gradient):
    """Runs a pair of kernels of both rooms on the same numbers, forward and backward."""
    dtype = next(a.dtype for a in arguments if isinstance(a, np.ndarray) and a.dtype.kind == "f")
    tolerance = TOLERANCE[str(dtype)]
    changed = [arrange(a) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arguments]
    expected, saved = getattr(reference, name)(*arguments, **options)
    computed, fast_saved = getattr(on_numpy, name)(*changed, **options)
    assert_equal(computed, expected, tolerance)
    dy = arrange_gradient(normal(expected.shape, dtype, seed=1))
    gradients = getattr(reference, f"{name}_backward")(dy, saved)
    fast = getattr(on_numpy, f"{name}_backward")(dy, fast_saved)
    if not isinstance(gradients, tuple):
        gradients, fast = (gradients,), (fast,)
    for g, f in zip(gradients, fast, strict=True):
        assert_equal(f, g, tolerance)


def test_both_rooms_have_the_same_names():
    assert set(reference.__all__) == set(on_numpy.__all__)
    tested = {"adam_step", "attention", "cross_entropy", "dropout", "embedding", "erf", "gelu", "layer_norm", "linear",
              "log_softmax", "rms_norm", "softmax", "squared_norm"}  # fmt: skip
    assert tested == {name.removesuffix("_backward") for name in reference.__all__}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
class TestEqualsReference:
    @pytest.fixture
    def check(self, layout):
        def check(name, arguments, **options):
            compare(name, arguments, options, *LAYOUTS[layout])

        return check

    def test_softmax(self, check, dtype):
        for name in ("softmax", "log_softmax"):
            for shape in ROWS:
                for axis in {-1, 0, len(shape) // 2}:
                    if shape[axis] > 0:
                        check(name, [3 * normal(shape, dtype)], axis=axis)

    def test_gelu_and_erf(self, check, dtype):
        for shape in ROWS + [()]:
            x = np.asarray(2 * normal(shape, dtype))
            if x.size > 3:
                x.reshape(-1)[:4] = [0.0, 1e-38, -1e-3, 9.0]
            for approximate in ("tanh", "none"):
                check("gelu", [x], approximate=approximate)
            check("erf", [x])

    def test_cross_entropy(self, check, dtype):
        for n, v in [(5, 7), (1, 3), (4, 1), (0, 5), SPLIT]:
            targets = np.random.default_rng(2).integers(v, size=n)
            targets[n // 2 :: 3] = -100
            for smoothing in (0.0, 0.1):
                check("cross_entropy", [2 * normal((n, v), dtype), targets], label_smoothing=smoothing)

    def test_rms_norm(self, check, dtype):
        for shape in ROWS:
            x, c = 3 * normal(shape, dtype) + 1, shape[-1]
            for needs in [(True, True), (True, False), (False, True)]:
                check("rms_norm", [x, normal(c, dtype)], eps=1e-3, needs=needs)

    def test_layer_norm(self, check, dtype):
        for shape in ROWS:
            x, c = 3 * normal(shape, dtype) + 1, shape[-1]
            for weight in (None, normal(c, dtype, 3)):
                for bias in (None, normal(c, dtype, 4)):
                    needs = (True, weight is not None, bias is not None)
                    check("layer_norm", [x, weight, bias], eps=1e-3, needs=needs)
            check("layer_norm", [x, normal(c, dtype), normal(c, dtype)], needs=(False, True, False))
            check("layer_norm", [x, normal(c, dtype), normal(c, dtype)], needs=(False, False, True))

    def test_linear(self, check, dtype):
        for shape in ROWS:
            weight = normal((shape[-1], 3), dtype, 3)
            for bias in (None, normal(3, dtype, 4)):
                for needs in [(True, True, bias is not None), (True, False, False), (False, True, False)]:
                    check("linear", [normal(shape, dtype), weight, bias], needs=needs)
                    check("linear", [normal(shape, dtype), weight.T, bias], transposed=True, needs=needs)
        check("linear", [normal((BLOCK, 2), dtype), normal((2, 3), dtype), normal(3, dtype)])

    def test_embedding(self, check, dtype):
        for rows in (4, 600):  # below and above the vocabulary that a product with one-hot rows serves
            for shape in [(5,), (2, 3), (1,), (), (0,), (700,)]:
                check("embedding", [np.random.default_rng(2).integers(rows, size=shape), normal((rows, 3), dtype)])

    def test_dropout(self, check, dtype):
        for shape in ROWS + [()]:
            for p in (0.3, 1.0):
                check("dropout", [normal(shape, dtype), p, Key(5)])

    def test_attention(self, check, dtype):
        generator = np.random.default_rng(3)
        for b, h, g, tq, tk, d in [(1, 1, 1, 1, 1, 1), (2, 4, 2, 5, 5, 3), (1, 2, 1, 3, 6, 4), (1, 2, 2, 6, 3, 2),
                                   (1, 2, 2, 150, 140, 8), (0, 2, 2, 3, 3, 2), (2, 3, 1, 0, 4, 2)]:  # fmt: skip
            q, k, v = (normal(s, dtype, i) for i, s in enumerate([(b, h, tq, d), (b, g, tk, d), (b, g, tk, d + 1)]))
            for causal in (False, True):
                mask = generator.random((h, tq, tk)) < 0.7
                mask[..., : tq // 2, :] &= generator.random((tq // 2, tk)) < 0.1  # some rows look nowhere
                everything = {"mask": mask, "dropout": 0.3, "key": Key(1), "causal": causal}
                check("attention", [q, k, v], causal=causal, needs=(True, True, True, False))
                check("attention", [q, k, v], **everything, needs=(True, True, True, False))
                for shape in [(b, h, tq, tk), (h, 1, tk), (tq, 1), ()]:
                    check("attention", [q, k, v, mask, normal(shape, dtype, 4)], causal=causal)
                for i in range(4):
                    needs = tuple(i == j for j in range(4))
                    check("attention", [q, k, v, mask, normal((tq, tk), dtype, 4)], causal=causal, needs=needs)


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
