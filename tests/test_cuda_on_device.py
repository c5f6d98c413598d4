"""Training in the GPU's room, on arrays with CuPy's rules (tests/standin): all of a step but CuPy and a GPU.

The kernels are the emulator's, so that this needs a C++ compiler.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import standin
from cuda_emulator import COMPILER
from test_mixed_precision import optimizer_of
from test_precision import missing
from test_train_on_device import TASKS, gpt, pairs, seq2seq

from autograd import device, kernels
from tinygpt.generate import generate, greedy_search, translations
from tinygpt.train import train

pytest_plugins = ["cuda_fixtures"]
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler (g++ or clang++)")

BFLOAT16 = pytest.param("bfloat16", marks=missing)


@pytest.fixture
def cuda(gpu, device, monkeypatch):
    """The name of a device whose arrays are the stand-in's and whose kernels are those of on_cupy."""
    monkeypatch.setattr(kernels, "array_module", library_of)
    return device


def library_of(x):
    return SimpleNamespace(__name__="cupy") if isinstance(x, standin.ndarray) else device.array_module(x)


@pytest.mark.parametrize("dtype", ["float32", "float16", BFLOAT16])
@pytest.mark.parametrize("task", TASKS)
def test_steps_are_those_of_the_cpu_and_wait_for_nothing(task, dtype, cuda, gpu):
    gpu.ran.clear()
    make, loss, batches = TASKS[task]
    found = {}
    for place, precision in (("cpu", "float32"), (cuda, dtype)):
        model = make().to(place)
        optimizer = optimizer_of(model, precision, 2.0**6)
        with standin.no_waits():
            found[place] = list(train(model, loss, batches, optimizer, 2, 1e-2))
    assert {"adam", "squares", "cross_entropy", "cross_entropy_backward"} <= gpu.ran
    tolerance = 1e-4 if dtype == "float32" else 1e-2
    for one, other in zip(*found.values(), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=tolerance)
        assert one.grad_norm == pytest.approx(other.grad_norm, rel=10 * tolerance)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_texts_are_those_of_the_cpu(positions, cuda):
    model = gpt(positions=positions)
    expected = list(generate(model, [1, 2], 9))
    assert list(generate(model.to(cuda), [1, 2], 9)) == expected


def test_translations_are_those_of_the_cpu(cuda):
    model, batch = seq2seq(), pairs(0)
    expected = greedy_search(translations(model, batch.source, batch.source_mask, 0, 5), [1])
    assert greedy_search(translations(model.to(cuda), batch.source, batch.source_mask, 0, 5), [1]) == expected
    assert np.size(expected)
