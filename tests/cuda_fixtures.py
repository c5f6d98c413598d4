"""`gpu`: the emulator of cuda_emulator.py in the place of a GPU."""

import hashlib
from pathlib import Path

import cuda_emulator
import pytest
from cuda_emulator import Emulator

from autograd.kernels.on_cupy import launch


@pytest.fixture(scope="module")
def built(request, tmp_path_factory) -> Emulator:
    """Libraries are kept from run to run, under a name that the sources decide."""
    texts = [path.read_bytes() for path in sorted(launch.HERE.glob("*.cu*"))]
    texts += [Path(cuda_emulator.__file__).read_bytes(), cuda_emulator.HEADER.read_bytes()]
    name = hashlib.sha256(b"".join(texts)).hexdigest()[:16]
    cache = getattr(request.config, "cache", None)
    return Emulator((cache.mkdir("cuda") if cache else tmp_path_factory.mktemp("cuda")) / name)


@pytest.fixture
def gpu(built, monkeypatch) -> Emulator:
    built.install(monkeypatch)
    built.backwards = False
    return built
