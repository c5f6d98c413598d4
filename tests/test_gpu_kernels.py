"""On a GPU: every kernel equals the float64 reference for every type of numbers, and a second run gives the same bits.

Where there is none these tests are skipped, and say so; tests/test_cuda_kernels.py runs the same sources on the
processor.
"""

import numpy as np
import pytest
from kernel_cases import CASES, LAYOUTS, TOLERANCE, Case, bare, compare, normal

import autograd as ag
from autograd import Key
from autograd.device import to_device, to_numpy
from autograd.kernels import on_cupy, reference
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import Batch
from tinygpt.train.adam import AdamW
from tinygpt.train.losses import causal_lm_loss

pytestmark = pytest.mark.gpu

LARGE = (700, 3000)
DTYPES = ("float32", "float64", "float16", "bfloat16")


@pytest.fixture(scope="module")
def cupy():
    found = pytest.importorskip("cupy", reason="CuPy is not installed")
    if not found.cuda.is_available():
        pytest.skip("CuPy finds no GPU")
    return found


@pytest.fixture
def dtype(request, cupy):
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return request.param


each_type = pytest.mark.parametrize("dtype", DTYPES, indirect=True)


@each_type
@pytest.mark.parametrize("name", CASES)
def test_equals_reference(cupy, name, dtype):
    for case in CASES[name](dtype, LARGE):
        compare(on_cupy, case, place=cupy.asarray, exact="float64")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_any_layout(cupy, name, layout):
    for case in CASES[name]("float32", LARGE):
        compare(on_cupy, case, layout, place=cupy.asarray, exact="float64")


@each_type
@pytest.mark.parametrize("shape", [(2, 4, 1000, 1030, 64), (1, 2, 513, 513, 128), (3, 2, 1, 700, 80)])
def test_long_attention(cupy, dtype, shape):
    b, h, tq, tk, d = shape
    q, k, v = (normal((b, heads, t, d), dtype, i) for i, (heads, t) in enumerate([(h, tq), (h // 2, tk), (h // 2, tk)]))
    for options in ({"causal": True}, {"causal": True, "dropout": 0.2, "key": Key(3)}, {}):
        case = Case("attention", [q, k, v], {**options, "needs": (True, True, True, False)})
        compare(on_cupy, case, place=cupy.asarray, exact="float64")


@each_type
@pytest.mark.parametrize("name", CASES)
def test_a_second_run_gives_the_same_bits(cupy, name, dtype):
    case = list(CASES[name](dtype, LARGE))[-1]
    arguments = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in case.arguments]
    runs = []
    for _ in range(2):
        y, saved = getattr(on_cupy, name)(*arguments, **case.options)
        gradients = getattr(on_cupy, f"{name}_backward")(cupy.asarray(normal(y.shape, dtype, 1)), saved)
        results = [y, *(gradients if isinstance(gradients, tuple) else (gradients,))]
        runs.append([to_numpy(bare(x)).tobytes() for x in results if x is not None])
    assert runs[0] == runs[1]


@each_type
def test_adam(cupy, dtype):
    arrays = [normal(LARGE, dtype, i) for i in range(3)] + [normal(LARGE, dtype, 3) ** 2]
    fast, exact = [cupy.asarray(x) for x in arrays], [x.astype("float64") for x in arrays]
    for scale in (0.5, cupy.asarray(0.5, dtype="float32")):
        on_cupy.adam_step(*fast, 2, 0.01, 0.9, 0.99, 1e-8, 0.1, scale)
        reference.adam_step(*exact, 2, 0.01, 0.9, 0.99, 1e-8, 0.1, 0.5)
    for computed, expected in zip(fast, exact, strict=True):
        np.testing.assert_allclose(
            to_numpy(computed).astype("float64"), expected, rtol=30 * TOLERANCE[dtype], atol=10 * TOLERANCE[dtype]
        )
    assert float(on_cupy.squared_norm(fast[0])) == pytest.approx(
        float((to_numpy(fast[0]).astype("float64") ** 2).sum()), rel=1e-9
    )


def test_the_room_is_chosen_by_the_array(cupy):
    from autograd.kernels import room

    assert room(cupy.zeros(1)) is on_cupy
    with ag.use("reference"):
        assert room(cupy.zeros(1)) is reference


def test_training_follows_the_processors(cupy):
    """Twenty steps from the same weights on the same batches: the same losses to rounding."""
    config = GPTConfig(vocab_size=101, block_size=64, n_layer=2, n_head=4, n_embd=64, dropout=0.1)
    losses = {"cpu": [], "cuda": []}
    for device, found in losses.items():
        model = GPT(config, Key(0)).to(device)
        optimizer = AdamW(model.parameters())
        for step in range(20):
            ids = to_device(np.random.default_rng(step).integers(101, size=(4, 65)), device)
            total, count = causal_lm_loss(model, Batch(ids[:, :-1], ids[:, 1:]), Key(1).fold(step))
            (total / count).backward()
            optimizer.step(1e-3)
            found.append(float(total.data) / count)
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=1e-4)
