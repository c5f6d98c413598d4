"""Every CUDA source compiles for every type of numbers and the GPUs in use, without a GPU. Needs nvidia-cuda-nvrtc."""

import re
import tomllib

import nvrtc
import pytest

from autograd.kernels.on_cupy import launch

needs_nvrtc = pytest.mark.skipif(nvrtc.library() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc")

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")  # A100, H100 and H200, B200
CUPYS_OWN = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds to the options of every source
SOURCES = sorted(path.stem for path in launch.HERE.glob("*.cu"))
OTHER_TYPES = [dtype for dtype in launch.DTYPES if dtype != "float16"]
KERNEL = re.compile(r"^KERNEL (\w+)\(", re.M)


def compiled(name: str, dtype: str, architecture: str, text: str | None = None) -> bytes:
    options = (*launch.options(dtype), *CUPYS_OWN, f"--gpu-architecture={architecture}")
    return nvrtc.compile_source(text or launch.source(name), f"{name}.cu", options)


@needs_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", ["float16", *(pytest.param(t, marks=pytest.mark.slow) for t in OTHER_TYPES)])
@pytest.mark.parametrize("name", SOURCES)
def test_compiles_for_each_architecture(name, dtype, architecture):
    code = compiled(name, dtype, architecture)
    for kernel in KERNEL.findall(launch.source(name)):
        assert f".text.{kernel}".encode() in code


@needs_nvrtc
@pytest.mark.parametrize("dtype", OTHER_TYPES)
@pytest.mark.parametrize("name", SOURCES)
def test_compiles_for_each_type(name, dtype):
    """As far as PTX, which all architectures share and which takes half the time."""
    code = compiled(name, dtype, "compute_80")
    for kernel in KERNEL.findall(launch.source(name)):
        assert f".entry {kernel}(".encode() in code


@needs_nvrtc
@pytest.mark.parametrize("name", SOURCES)
def test_no_double_precision_where_it_is_not_asked_for(name):
    """A literal 1.0 or a call of a double function would be many times as slow, and go unnoticed."""
    ptx = compiled(name, "float32", "compute_90").decode()
    for kernel in re.split(r"\.entry ", ptx)[1:]:
        if not kernel.startswith("squares"):
            arithmetic = re.findall(r"(?:add|mul|fma|div|sub|sqrt|ex2|rcp)\.(?:rn\.)?f64[^\n]*", kernel)
            assert not arithmetic, (name, arithmetic)


@needs_nvrtc
def test_an_error_is_reported_with_its_line():
    text = (launch.HERE / "softmax.cu").read_text(encoding="utf-8")
    broken = launch.source("softmax").replace("A log_sum = log(all.sum);", "A log_sum = lob(all.sum);")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "log(all.sum)" in each)
    with pytest.raises(nvrtc.CompileError, match=rf'softmax.cu\({line}\): error: identifier "lob" is undefined'):
        compiled("softmax", "float32", "sm_90", broken)


def test_every_source_is_packaged():
    settings = tomllib.loads((launch.HERE.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["setuptools"]["package-data"]["autograd.kernels.on_cupy"] == ["*.cu", "*.cuh"]
    assert {path.suffix for path in launch.HERE.iterdir() if path.is_file()} == {".cu", ".cuh", ".py"}
