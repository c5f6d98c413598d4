"""The CUDA sources, run on the processor (cuda_emulator.py), equal the reference; no order of threads changes a bit.

Where there is a GPU, tests/test_gpu_kernels.py asks the same of it. Skipped without a C++ compiler.
"""

import sys
import types

import numpy as np
import pytest
from cuda_emulator import COMPILER, KERNELS
from kernel_cases import CASES, LAYOUTS, TOLERANCE, Case, bare, compare, normal

import autograd as ag
from autograd import Key, functional, kernels
from autograd.kernels import on_cupy, reference, rounded
from autograd.kernels.on_cupy import columns, launch, products
from tinygpt.model import GPT, GPTConfig

pytest_plugins = ["cuda_fixtures"]
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler (g++ or clang++)")

LARGE = (70, 300)  # more rows than a chunk of an embedding's places, more columns than a block has threads
slow = pytest.mark.slow
DTYPES = ["float32", pytest.param("float64", marks=slow), pytest.param("float16", marks=slow),
          pytest.param("bfloat16", marks=slow)]  # fmt: skip


@pytest.fixture
def dtype(request) -> str:
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return request.param


each_type = pytest.mark.parametrize("dtype", DTYPES, indirect=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"], indirect=True)
def test_16_bit_numbers_are_read_and_rounded_as_numpy_does(gpu, dtype):
    """Every one of them, plus small and large others: the sum is one of float32, rounded once."""
    y = np.arange(2**16, dtype=np.uint16).view(dtype).reshape(-1, 64)
    with np.errstate(over="ignore", invalid="ignore"):
        bias = (normal(64, "float32") * 10.0 ** np.arange(-8, 8, 0.25, dtype=np.float32)).astype(dtype)
        expected = (y.astype("float32") + bias.astype("float32")).astype(dtype)
    columns.add_to_rows(y, bias)
    is_nan = np.isnan(expected.astype("float32"))
    np.testing.assert_array_equal(np.isnan(y.astype("float32")), is_nan)
    np.testing.assert_array_equal(y.view(np.uint16)[~is_nan], expected.view(np.uint16)[~is_nan])


@each_type
@pytest.mark.parametrize("name", CASES)
def test_equals_reference(gpu, name, dtype):
    for case in CASES[name](dtype, LARGE):
        compare(on_cupy, case, exact="float64")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_any_layout(gpu, name, layout):
    for case in list(CASES[name]("float32", (3, 40)))[::3]:
        compare(on_cupy, case, layout, exact="float64")


def module(name):
    """The file, whose name in the room is that of its function."""
    return sys.modules[f"autograd.kernels.on_cupy.{name}"]


def everything(dtype):
    """Results of every kernel on inputs that keep several blocks and warps busy."""
    for name, cases in CASES.items():
        for case in list(cases(dtype, LARGE))[-2:]:
            y, saved = getattr(on_cupy, name)(*case.arguments, **case.options)
            yield name, y
            gradients = getattr(on_cupy, f"{name}_backward")(normal(y.shape, dtype, 1), saved)
            for g in gradients if isinstance(gradients, tuple) else (gradients,):
                if g is not None:
                    yield name, bare(g)
    p, m, v = normal(LARGE, dtype), normal(LARGE, dtype, 1), normal(LARGE, dtype, 2) ** 2
    yield "squared_norm", on_cupy.squared_norm(p)
    on_cupy.adam_step(p, m.copy(), m, v, 3, 1e-3, 0.9, 0.99, 1e-8, 0.1)
    yield from (("adam_step", x) for x in (p, m, v))


def test_the_order_of_threads_changes_no_bit(gpu):
    gpu.ran.clear()
    forwards = list(everything("float32"))
    gpu.backwards = True
    for (name, one), (_, other) in zip(forwards, everything("float32"), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes(), name
    assert gpu.ran == set(KERNELS), "every kernel was run"


class TestAttention:
    """Cut into blocks of any size, attention is the same."""

    def test_blocks_of_queries_and_heads(self, gpu, monkeypatch):
        monkeypatch.setattr(module("attention"), "QUERIES", 3)
        for scores in (1, 100):
            monkeypatch.setattr(module("attention"), "SCORES", scores)
            for case in list(CASES["attention"]("float32", LARGE))[::2]:
                compare(on_cupy, case, exact="float64")

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_bias_of_every_score_in_any_layout(self, gpu, layout):
        q, k, v = (normal((2, 2, 3, 4), "float32", i) for i in range(3))
        mask = np.random.default_rng(0).random((3, 3, 2, 2)).T < 0.7
        case = Case("attention", [q, k, v, mask, normal((2, 2, 3, 3), "float32", 4)])
        compare(on_cupy, case, layout, exact="float64")

    def test_scores_that_would_overflow(self, gpu):
        q = np.full((1, 1, 2, 4), 300, np.float32)
        k = np.stack([np.full((1, 1, 4), 300), np.full((1, 1, 4), -300)], axis=2).astype(np.float32)
        v = normal((1, 1, 2, 3), "float32")
        compare(on_cupy, Case("attention", [q, k, v], {"needs": (True, True, True, False)}))

    def test_no_keys(self, gpu):
        q, k = normal((1, 2, 3, 4), "float32"), normal((1, 2, 0, 4), "float32")
        y, saved = on_cupy.attention(q, k, k)
        assert not y.any() and y.shape == q.shape
        dq, dk, dv, dbias = on_cupy.attention_backward(y, saved)
        assert not dq.any() and dk.shape == dv.shape == k.shape and dbias is None


class TestRandomBits:
    def test_beyond_the_low_32_bits(self, gpu):
        """Elements on both sides of number 2³², whose high words differ."""
        start, n, key = 2**32 - 5, 11, Key(7)
        x, y = np.ones(n, np.float32), np.empty(n, np.float32)
        constants = start, launch.threshold(0.4), 1.0, *launch.random_words(key, start)
        launch.over_elements("dropout", "dropout", x, n, x, y, n, *constants)
        np.testing.assert_array_equal(y, key.bits(n, start=start) >= round(0.4 * 2**32))

    def test_pieces(self, gpu, monkeypatch):
        monkeypatch.setattr(module("dropout"), "WHOLE", 7)  # a piece; the words' own 2³² stays
        compare(on_cupy, Case("dropout", [normal((5, 6), "float32"), 0.3, Key(5)]))


class TestAdam:
    @each_type
    @pytest.mark.parametrize(
        "arrange", [lambda x: x, lambda x: x.T, lambda x: x[:, ::2], lambda x: x[1], lambda x: x[:0]],
        ids=["whole", "transposed", "strided", "row", "empty"],
    )  # fmt: skip
    def test_equals_reference(self, gpu, dtype, arrange):
        if np.dtype(dtype).itemsize == 2 and arrange(np.empty((6, 4))).strides[-1] != 8:
            pytest.skip("through views the reference itself serves, with its own rounding")
        fast = [normal((6, 4), dtype, i) for i in range(3)] + [normal((6, 4), dtype, 3) ** 2]
        exact = [x.astype("float64") for x in fast]
        for step, scale in ((2, 0.5), (2, np.asarray(0.5, dtype="float32")), (2, 1), (np.asarray(3.0), 1)):
            for room, arrays in ((on_cupy, fast), (reference, exact)):
                there = (step, scale) if room is on_cupy else (float(step), float(scale))
                room.adam_step(*map(arrange, arrays), there[0], 0.01, 0.9, 0.99, 1e-8, 0.1, there[1])
        for computed, expected in zip(fast, exact, strict=True):
            np.testing.assert_allclose(computed.astype("float64"), expected, rtol=30 * TOLERANCE[dtype], atol=1e-4)

    @pytest.mark.parametrize("scale", [np.nan, np.inf])
    def test_nothing_changes_where_the_scale_is_no_number(self, gpu, scale):
        arrays = [normal((6, 4), "float32", i) ** 2 for i in range(4)]
        before = [x.copy() for x in arrays]
        on_cupy.adam_step(*arrays, 2, 0.01, 0.9, 0.99, 1e-8, 0.1, np.asarray(scale, dtype="float32"))
        for x, unchanged in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(x, unchanged)

    @each_type
    def test_squared_norm(self, gpu, dtype):
        for x in (normal((3000, 5), dtype), normal((5, 4), dtype).T, normal(0, dtype), normal((), dtype)):
            norm = on_cupy.squared_norm(x)
            assert norm.dtype == "float64" and norm.shape == ()
            assert float(norm) == pytest.approx(float((x.astype(np.float64) ** 2).sum()), rel=1e-7)


class TestEmbedding:
    """Runs of equal ids that lie in a chunk, end at its border, cross it, or span several."""

    @pytest.mark.parametrize("runs", [[64, 64], [63, 1, 64], [10, 200, 3], [300], [1] * 130, [60, 8, 60, 8], [128, 1]])
    def test_runs(self, gpu, runs):
        ids = np.repeat(np.arange(len(runs)), runs)
        ids = np.random.default_rng(0).permutation(ids)
        compare(on_cupy, Case("embedding", [ids, normal((len(runs) + 2, 3), "float32")]))

    def test_adds_to_what_is_there(self, gpu):
        ids, dy, buffer = np.array([3, 1, 3]), normal((3, 2), "float32"), np.ones((4, 2), np.float32)
        on_cupy.embedding_backward(dy, (ids, (4, 2))).add_to(buffer)
        np.testing.assert_allclose(buffer, [[1, 1], 1 + dy[1], [1, 1], 1 + dy[0] + dy[2]], rtol=1e-6)

    def test_adds_to_a_buffer_of_another_type(self, gpu):
        ids, dy, buffer = np.zeros(3000, dtype=int), np.ones((3000, 2), "float16") / 2, np.zeros((2, 2), "float32")
        on_cupy.embedding_backward(dy * np.float16(0.75), (ids, (2, 2))).add_to(buffer)
        np.testing.assert_array_equal(buffer[0], 1125)  # float16 would have stood still at 1,024

    def test_sums_of_columns_are_float32(self, gpu):
        x, w = np.ones((5000, 3), "float16"), np.ones((3, 2), "float16")
        _, saved = on_cupy.linear(x, w, np.zeros(2, "float16"))
        _, _, dbias = on_cupy.linear_backward(np.ones((5000, 2), "float16"), saved)
        assert dbias.dtype == np.float32 and (dbias == 5000).all()


class TestProducts:
    def operands(self, m, k, p):
        base = normal((3, 40, 40), "float32")
        strided, turned = base[:, : 2 * m : 2, : 2 * k : 2], base[:, :k, :m].swapaxes(1, 2)
        for left in (base[:, :m, :k], turned, strided, base[1:2, :m, :k]):
            for right in (base[:, 1 : k + 1, 2 : p + 2], base[:, :p, :k].swapaxes(1, 2)):
                yield left, right[: len(left)]

    @pytest.mark.parametrize(
        "sizes", [(5, 4, 3), (1, 4, 3), (5, 1, 3), (5, 4, 1), (1, 1, 1), (2, 0, 3), (0, 2, 3), (3, 2, 0)]
    )
    def test_layouts(self, gpu, sizes):
        m, k, p = sizes
        for left, right in self.operands(m, k, p):
            for alpha, beta in ((1.0, 0.0), (0.5, 1.0)):
                out = normal((len(left), m, p), "float32")
                expected = alpha * (left @ right) + beta * out
                products.product(left, right, out, alpha, beta)
                np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)

    def test_an_empty_sum_is_0_whatever_the_memory_held(self, gpu):
        out = np.full((2, 3), np.nan, np.float32)
        products.product(np.ones((2, 0), np.float32), np.ones((0, 3), np.float32), out)
        assert not out.any()

    def test_a_wider_result(self, gpu):
        left, right = normal((2, 3, 5), "float16"), normal((2, 5, 4), "float16")
        out = np.empty((2, 3, 4), np.float32)
        products.product(left, right, out)
        np.testing.assert_allclose(out, left.astype("float32") @ right.astype("float32"), rtol=1e-6)

    def test_a_result_whose_rows_are_scattered_is_an_error(self, gpu):
        with pytest.raises(ValueError, match="contiguous"):
            products.product(np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 2)).T)

    def test_tf32_is_asked_for(self, gpu, monkeypatch):
        assert products._compute_type(np.ones(1, np.float32)) == products.COMPUTE_FLOAT32
        monkeypatch.setenv("CUPY_TF32", "1")
        assert products._compute_type(np.ones(1, np.float32)) == products.COMPUTE_TF32
        assert products._compute_type(np.ones(1, np.float16)) == products.COMPUTE_FLOAT32
        assert products._compute_type(np.ones(1)) == products.COMPUTE_FLOAT64


def test_the_emulator_notices_what_is_wrong(gpu):
    x = normal((2, 3), "float32")
    run = gpu.function("softmax", "softmax", "float32")
    three = np.int64(3)
    for arguments, complaint in [((x, x), "number of arguments"), ((x, x, np.float64(3)), "argument 3"),
                                 ((x.astype("float64"), x, three), "argument 1")]:  # fmt: skip
        with pytest.raises(AssertionError, match=complaint):
            run((2,), (32,), arguments)
    with pytest.raises(AssertionError, match="no such kernel"):
        gpu.function("softmax", "softmin", "float32")((1,), (32,), ())


def test_the_room_is_chosen_by_the_arrays_library(monkeypatch):
    """A type whose library is called cupy is all that is needed to tell."""
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    for dtype, textbook in (("float32", reference), ("float16", rounded)):
        there = type("ndarray", (), {"__module__": "cupy", "dtype": np.dtype(dtype)})()
        assert kernels.room(there) is on_cupy
        for depth in ("reference", "composed"):
            with ag.use(depth):
                assert kernels.room(there) is textbook


def test_constants_are_the_same_in_both_languages():
    assert f"CHUNK = {module('embedding').CHUNK};" in launch.source("embedding")
    assert f"#define MOST_THREADS {launch.MOST_THREADS}\n" in launch.source("softmax")
    assert max(launch.THREADS, launch.MOST_THREADS) == launch.MOST_THREADS


def test_a_type_without_kernels_is_refused():
    with pytest.raises(TypeError, match="int64"):
        launch.launch("softmax", "softmax", np.arange(3), 1, 32)


def test_a_model_trains_as_in_the_reference_room(gpu, monkeypatch):
    """The room as the engine uses it: what kernels save, deposits, and gradients that are not needed."""
    config = GPTConfig(vocab_size=11, block_size=6, n_layer=2, n_head=2, n_embd=8)
    ids = np.random.default_rng(0).integers(11, size=(2, 6))
    found = []
    for room in (reference, on_cupy):
        monkeypatch.setattr(functional, "room", lambda x, room=room: room)
        model = GPT(config, Key(0))
        loss = ag.cross_entropy(model(ids), ids, label_smoothing=0.1)
        loss.backward()
        found.append([loss.data, *(p.grad for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
