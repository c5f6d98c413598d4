"""What every test shares: this checkout comes first on the path, and what a test switches is switched back."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import autograd as ag  # noqa: E402
from autograd.kernels import cpu  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too (a few minutes each)")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: pytest --slow runs it"))


@pytest.fixture(autouse=True)
def fast_depth():
    """Every test begins at the depth a user begins at, and leaves it behind."""
    with ag.use("fast"):
        yield


@pytest.fixture
def set_cores(monkeypatch):
    """set_cores(n): kernels share their blocks among n threads, however many cores this machine has."""

    def forget():
        if cpu._pool.cache_info().currsize:
            cpu._pool().shutdown()
        cpu._pool.cache_clear()
        cpu.cores.cache_clear()

    def choose(n):
        forget()
        monkeypatch.setenv("OMP_NUM_THREADS", str(n))
        assert cpu.cores() == n

    yield choose
    monkeypatch.undo()
    forget()


@pytest.fixture
def device(monkeypatch):
    """The name of a GPU, "cuda", with tests/standin in CuPy's place: its rules on a machine that has none."""
    import standin

    monkeypatch.setitem(sys.modules, "cupy", standin)
    monkeypatch.setitem(sys.modules, "cupy.cuda", standin.cuda)
    return "cuda"
