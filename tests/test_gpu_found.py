"""Which GPU is used, what is said where there is none, and the command on a device from training to writing."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import standin
from command_line import SMALL, assert_refused

import autograd as ag
from autograd import gpu
from tinygpt.cli import main
from tinygpt.train.checkpoints import load_checkpoint

pytest_plugins = ["command_fixtures"]


@pytest.mark.parametrize(
    ("driver", "made_for", "said"),
    [
        (None, 13, "no NVIDIA driver"), ((11, 8), 12, "too old"), ((12, 4), 13, "pip install 'cupy-cuda12x[ctk]>=14'"),
        ((13, 0), 13, "CUDA_VISIBLE_DEVICES"), ((13, 1), 12, "CUDA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_driver_and_wheel(driver, made_for, said):
    assert said in gpu.driver_problem(driver, made_for)


@pytest.mark.parametrize(
    ("driver", "package"), [(None, "13"), ((11, 0), "12"), ((12, 9), "12"), ((13, 2), "13"), ((14, 0), "13")]
)
def test_the_wheel_follows_the_driver(driver, package):
    assert gpu.wheel(driver) == f"'cupy-cuda{package}x[ctk]>=14' ml_dtypes"


def test_the_driver_is_asked_for_the_cuda_it_serves(monkeypatch):
    def version_of(pointer):
        pointer._obj.value = 12040
        return 0

    monkeypatch.setattr(gpu.ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=version_of))
    assert gpu.driver_version() == (12, 4)
    monkeypatch.setattr(gpu.ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=lambda pointer: 3))
    assert gpu.driver_version() is None


def test_a_gpu_beyond_the_last(device):
    ag.use_device("cuda:1")
    with pytest.raises(RuntimeError, match=r"cuda:2: this machine has 2 GPU\(s\), of which the last is cuda:1"):
        ag.to_device(np.ones(2), "cuda:2")


@pytest.fixture
def without_libraries(monkeypatch):
    """What CuPy's plain wheel says of a machine with a driver and nothing else of CUDA."""

    def ones(shape):
        raise RuntimeError("Failed to find CUDA headers.\nPlease install them.")

    monkeypatch.setattr(standin, "ones", ones)


def test_training_is_refused_at_once_without_cudas_libraries(command, device, without_libraries, data, tmp_path):
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL, "--device", "cuda")
    assert_refused(result, "--device cuda", "Failed to find CUDA headers", "[ctk]")
    assert not (tmp_path / "run").exists()


class TestDoctor:
    def test_without_cupy(self, command, monkeypatch):
        monkeypatch.setitem(sys.modules, "cupy", None)
        monkeypatch.setattr(gpu, "driver_version", lambda: (12, 8))
        result = command("doctor")
        assert result.status == 0
        for said in ("numpy", "OpenBLAS", "for CUDA 12.8", "pip install 'cupy-cuda12x[ctk]>=14'", "mpi4py"):
            assert said in result.out

    def test_with_gpus(self, command, device):
        result = command("doctor")
        for said in ("14.2.0, made for CUDA 13.2", "cuda:0", "cuda:1", "Stand-in, 16 GiB", "nvidia-nccl-cu13"):
            assert said in result.out

    def test_nccl_which_cupy_itself_does_not_import(self, command, device, monkeypatch):
        nccl = SimpleNamespace(available=True, get_version=lambda: 22907)
        monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", nccl)
        assert "2.29.7" in command("doctor").out
        nccl.available = False
        assert "nvidia-nccl-cu13" in command("doctor").out

    def test_a_wheel_without_cudas_libraries(self, command, device, without_libraries):
        out = command("doctor").out
        assert "cannot compute on it (Failed to find CUDA headers.)" in out and "[ctk]" in out and "cuda:1" in out

    def test_with_the_wrong_wheel(self, command, device, monkeypatch):
        monkeypatch.setattr(standin.cuda, "is_available", lambda: False)
        monkeypatch.setattr(gpu, "driver_version", lambda: (12, 2))
        assert "made for CUDA 13: pip install 'cupy-cuda12x[ctk]>=14'" in command("doctor").out


COMMANDS = {
    "lm": [("generate", "--prompt", "the ", "--max-new-tokens", "5"), ("score", "the cat"), ("eval", "--data", "DATA")],
    "mlm": [("fill", "the [MASK] sat")],
    "seq2seq": [("translate", "one")],
}


SHORT = ("--max-iters", "6", "--eval-interval", "6")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    words = ("one", "two", "three", "four", "five", "six")
    path.write_text("".join(f"{a} {b}\t{b} {a}\n" for a in words for b in words), encoding="utf-8")
    return path


@pytest.mark.usefixtures("without_matplotlib")
@pytest.mark.parametrize("task", COMMANDS)
def test_a_run_on_a_device_is_one_on_the_cpu(task, command, data, pairs, device, tmp_path):
    """From the same command: the same losses to rounding, and a run that the other device can use."""
    sources = pairs if task == "seq2seq" else data
    runs = {}
    with ag.use("reference"):
        for place in ("cpu", device):
            runs[place] = tmp_path / place
            arguments = ("--data", sources, "--out", runs[place], *SMALL, *SHORT, "--task", task, "--device", place)
            result = command("train", *arguments)
            assert result.status == 0, result.err
        logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in runs.values()]
        for a, b in zip(*logs, strict=True):
            assert a.keys() == b.keys()
            for name in a.keys() & {"loss", "grad_norm", "validation_loss"}:
                assert a[name] == pytest.approx(b[name], rel=1e-3)
        assert load_checkpoint(runs[device] / "checkpoint.safetensors").step > 0
        for name, *rest in COMMANDS[task]:
            arguments = [str(data) if each == "DATA" else each for each in rest]
            said = [command(name, runs["cpu"], *arguments, "--device", place) for place in ("cpu", device)]
            assert said[0].status == said[1].status == 0
            assert said[0].out == said[1].out or name in ("score", "eval", "fill"), "numbers differ by rounding"


@pytest.mark.parametrize("name", ["generate", "score", "fill", "translate", "summarize", "eval"])
def test_a_device_that_is_not_there(name, command, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    text = ["--data", "x"] if name == "eval" else [] if name == "generate" else ["x"]
    assert_refused(command(name, tmp_path, *text, "--device", "cuda:1"), "--device cuda:1", "pip install", "doctor")
    assert_refused(command(name, tmp_path, *text, "--device", "tpu"), "--device tpu", "unknown device")


def test_out_of_memory_is_one_sentence(capsys, monkeypatch):
    def failing(*_):
        raise MemoryError("Out of memory allocating 1,024 bytes (allocated so far: 512 bytes).")

    monkeypatch.setattr("tinygpt.commands.doctor.doctor_command", failing)
    assert main(["doctor"]) == 2
    assert "lower the batch" in (err := capsys.readouterr().err) and "allocating 1,024 bytes" in err
