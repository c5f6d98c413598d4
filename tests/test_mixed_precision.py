"""Training with 16 bits: losses beside those of float32, the scale of float16's losses, checkpoints, the command."""

import json
import os
import sys

import numpy as np
import pytest
import standin
from command_line import SMALL, assert_refused
from test_precision import HALF, PLACES, missing
from test_train_on_device import TASKS

import autograd as ag
from autograd import Key
from tinygpt import safetensors
from tinygpt.commands import doctor
from tinygpt.errors import BadInput
from tinygpt.generate import generate, score
from tinygpt.model import GPT, GPTConfig, Parameter
from tinygpt.text.batches import random_windows
from tinygpt.text.tokenizer import CharTokenizer
from tinygpt.train import AdamW, causal_lm_loss, scaling, train
from tinygpt.train.checkpoints import load_checkpoint, save_checkpoint
from tinygpt.train.scaling import LossScale

pytest_plugins = ["command_fixtures"]
V, T = 11, 6
TOKENIZER = CharTokenizer.train(["abcdefghijk"])
TOKENS = np.cumsum(np.random.default_rng(3).integers(1, 3, size=300)) % V
EPS = 1e-3  # so that a gradient that is all rounding, such as that of the keys' biases, is no step of the whole rate
BFLOAT16 = pytest.param("bfloat16", marks=missing)


def gpt(place="cpu"):
    return GPT(GPTConfig(V, T, n_layer=2, n_head=2, n_embd=8, dropout=0.1), Key(4)).to(place)


def windows(index):
    return random_windows(TOKENS, 16, T, seed=2, index=index)


def optimizer_of(model, dtype, scale=None):
    optimizer = AdamW(model.parameters(), grad_clip=0.5, eps=EPS, dtype=dtype)
    if scale is not None and optimizer.scaling is not None:
        optimizer.scaling = LossScale(optimizer.group.values, scale)
    return optimizer


def steps_of(dtype, place="cpu", n=10, scale=2.0**6, **options):
    """(model, optimizer, steps) after n steps on a place."""
    model = gpt(place)
    optimizer = optimizer_of(model, dtype, scale)
    return model, optimizer, steps_with(model, optimizer, n, **options)


def steps_with(model, optimizer, n, **options):
    with np.errstate(over="ignore", invalid="ignore"):  # of which NumPy tells where a scale is too large
        return list(train(model, causal_lm_loss, windows, optimizer, n, 1e-2, **options))


@PLACES
@HALF
@pytest.mark.parametrize("options", [{}, {"accumulate": 3}])
def test_ten_steps_are_those_of_float32_but_for_rounding(half, place, options, device):
    """To 0.02% of the loss in float16 and 0.1% in bfloat16; and nothing waits for the device."""
    _, exact, known = steps_of("float32", **options)
    with standin.no_waits():
        model, optimizer, steps = steps_of(half, place, **options)
    assert not any(step.skipped for step in steps)
    assert model.wte.weight.dtype.name == half and steps[0].losses[0].dtype == np.float32
    tolerance = {"float16": 2e-4, "bfloat16": 1e-3}[half]
    assert [s.loss for s in steps] == pytest.approx([s.loss for s in known], rel=tolerance)
    assert [s.grad_norm for s in steps] == pytest.approx([s.grad_norm for s in known], rel=10 * tolerance)
    moved = exact.group.values - AdamW(gpt().parameters()).group.values
    apart = ag.to_numpy(optimizer.group.values) - exact.group.values
    assert np.linalg.norm(apart) < 50 * tolerance * np.linalg.norm(moved), "and the weights have gone the same way"


@HALF
@pytest.mark.parametrize("task", TASKS)
def test_every_model_and_task(task, half, device):
    make, loss, batches = TASKS[task]
    found = {}
    for dtype, place in (("float32", "cpu"), (half, device)):
        model = make().to(place)
        optimizer = optimizer_of(model, dtype, 2.0**6)
        with standin.no_waits():
            found[dtype] = list(train(model, loss, batches, optimizer, 3, 1e-2))
        if dtype == half:
            assert {p.dtype.name for p in model.parameters()} == {half}
    assert [s.loss for s in found[half]] == pytest.approx([s.loss for s in found["float32"]], rel=1e-2)


@PLACES
def test_a_scale_that_is_too_large_is_found_and_training_goes_on(place, device):
    with standin.no_waits():
        _, optimizer, steps = steps_of("float16", place, 60, scale=2.0**24)
    skipped = [step.skipped for step in steps]
    assert 5 < sum(skipped) < 20 and not any(skipped[20:])
    assert float(optimizer.loss_scale) == 2.0 ** (24 - sum(skipped)) == float(steps[-1].scale)
    _, _, known = steps_of("float32", n=60)
    mean = lambda steps: np.mean([s.loss for s in steps[-10:]])  # noqa: E731
    assert mean(steps) < 0.9 * steps[0].loss and mean(steps) == pytest.approx(mean(known), rel=0.1)


def test_a_small_gradient_that_float16_cannot_hold_arrives_with_a_scale():
    for scale, arrives in ((1.0, False), (2.0**12, True)):
        w, x = Parameter(np.ones((1, 1), dtype=np.float32)), np.ones((1, 1), dtype=np.float16)
        optimizer = optimizer_of_one(w, scale)
        y = ag.linear(x, w)
        (y * np.float16(1.0) * np.float32(1e-5) * np.float32(1e-3)).sum().backward(optimizer.loss_scale)
        assert bool(optimizer.step(0.0) > 0) == arrives
        assert not arrives or optimizer.step(0.0) == 0, "and is forgotten after a step"


def optimizer_of_one(parameter, scale):
    optimizer = AdamW([parameter], weight_decay=0, grad_clip=0, dtype="float16")
    optimizer.scaling = LossScale(optimizer.group.values, scale)
    return optimizer


def test_weights_are_loaded_before_the_optimizer_keeps_its_own():
    model = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=1, n_embd=4), Key(0))
    before = {name: array.copy() for name, array in model.state_dict().items()}
    AdamW(model.parameters(), dtype="float16")
    kept = {name: array.copy() for name, array in model.state_dict().items()}
    with pytest.raises(BadInput, match="before the optimizer"):
        model.load_state_dict({name: array + 1 for name, array in before.items()})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])


class TestScale:
    @PLACES
    def test_it_halves_at_once_and_doubles_after_good_steps_in_a_row(self, place, device, monkeypatch):
        monkeypatch.setattr(scaling, "INTERVAL", 3)
        rng = np.random.default_rng(1)
        found = LossScale(ag.to_device(np.zeros(1), place), 2.0**10)
        scale, good, counted, doublings = 2.0**10, 0, 0, 0
        for finite in rng.random(200) < 0.7:
            with standin.no_waits():
                found.adjust(ag.to_device(np.asarray(finite), place))
            if finite:
                good, counted = good + 1, counted + 1
                if good == 3:
                    scale, good, doublings = 2 * scale, 0, doublings + 1
            else:
                scale, good = scale / 2, 0
            assert (float(found.scale), float(found.good), float(found.counted)) == (scale, good, counted)
        assert doublings > 10

    @PLACES
    @pytest.mark.parametrize("bad", [np.inf, np.nan])
    @pytest.mark.parametrize("grad_clip", [0.0, 0.5])
    def test_a_step_that_is_skipped_leaves_no_trace_but_a_smaller_scale(self, bad, grad_clip, place, device):
        """The optimizer that met it and one that did not then take the very same steps, bias correction and all."""
        rng = np.random.default_rng(0)
        start, gradients = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(4, 3, 4)).astype(np.float32)
        values = []
        for meets_it in (True, False):
            p = Parameter(ag.to_device(start, place))
            optimizer = AdamW([p], grad_clip=grad_clip, dtype="float16")
            optimizer.scaling = LossScale(optimizer.group.values, 2.0**9 if meets_it else 2.0**8)
            for number, gradient in enumerate(gradients):
                if meets_it and number in (0, 2):
                    self.meet(optimizer, p, bad, place)
                    scale = 2.0 ** (8 if number == 0 else 7)
                    assert float(optimizer.loss_scale) == scale
                p.accumulate(ag.to_device(gradient, place) * optimizer.loss_scale)
                with standin.no_waits():
                    optimizer.step(0.01, count=2)
            values.append([ag.to_numpy(x).copy() for x in (optimizer.group.values, optimizer.m, optimizer.v, p.data)])
        for met, did_not in zip(*values, strict=True):
            np.testing.assert_array_equal(met, did_not)

    @staticmethod
    def meet(optimizer, p, bad, place):
        kept = [ag.to_numpy(x).copy() for x in (optimizer.group.values, optimizer.m, optimizer.v)]
        p.accumulate(ag.to_device(np.full(p.shape, bad, dtype=np.float32), place))
        with standin.no_waits():
            norm = optimizer.step(0.01)
        assert not np.isfinite(float(norm))
        for x, before in zip((optimizer.group.values, optimizer.m, optimizer.v), kept, strict=True):
            np.testing.assert_array_equal(ag.to_numpy(x), before)

    @pytest.mark.parametrize("scale", [1.0, 2.0**-7, 2.0**15])
    def test_the_scale_is_divided_out_before_clipping(self, scale):
        gradient = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
        plain, scaled = (Parameter(np.ones((3, 4), dtype=np.float32)) for _ in range(2))
        first = AdamW([plain], eps=0.1, grad_clip=0.7)
        second = AdamW([scaled], eps=0.1, grad_clip=0.7, dtype="float16")
        second.scaling = LossScale(second.group.values, scale)
        plain.accumulate(gradient)
        scaled.accumulate(gradient * np.float32(scale))
        assert second.step(0.1, count=3) == pytest.approx(first.step(0.1, count=3))
        np.testing.assert_allclose(second.group.values, first.group.values, rtol=1e-6)

    @PLACES
    def test_what_no_scale_can_help_is_an_error_when_it_is_read(self, place, device):
        def poisoned(value, slope):
            def loss(model, batch, key=None):
                total, count = causal_lm_loss(model, batch, key)
                return ag.record(total.data * value, (total,), lambda g: (g * slope,)), count

            return loss

        cases = (np.nan, 1.0, 2.0**15, True), (1.0, np.inf, 2.0**15, False), (1.0, np.inf, scaling.LEAST, True)
        for value, slope, scale, error in cases:
            model = gpt(place)
            optimizer = optimizer_of(model, "float16", scale)
            with np.errstate(all="ignore"):
                (step,) = train(model, poisoned(value, slope), windows, optimizer, 1, 1e-2)
            if error:
                with pytest.raises(FloatingPointError, match=r"step 0, loss \S+: the gradients are not finite"):
                    _ = step.grad_norm
            else:
                assert step.skipped and np.isfinite(step.loss)


class TestCheckpoints:
    @PLACES
    @pytest.mark.parametrize("dtype", ["float16", BFLOAT16])
    @pytest.mark.parametrize("stop", [1, 4])
    def test_a_resumed_run_equals_one_that_never_stopped(self, dtype, place, stop, device, tmp_path):
        """Also where the steps before, and those after, find the scale too large."""
        unbroken, optimizer, steps = steps_of(dtype, place, 8, scale=2.0**15)
        assert dtype == "bfloat16" or (steps[1].skipped and not steps[-1].skipped)
        again, its_optimizer, _ = steps_of(dtype, place, stop, scale=2.0**15)
        save_checkpoint(tmp_path / "c", stop, again, its_optimizer, {}, TOKENIZER)
        checkpoint = load_checkpoint(tmp_path / "c")
        model = checkpoint.model(place)
        its_optimizer = optimizer_of(model, dtype, scale=1.0)
        checkpoint.restore(its_optimizer)
        rest = steps_with(model, its_optimizer, 8, start=stop)
        assert [s.loss for s in rest] == [s.loss for s in steps[stop:]]
        for name, array in optimizer.state().items():
            np.testing.assert_array_equal(ag.to_numpy(its_optimizer.state()[name]), ag.to_numpy(array), err_msg=name)
        for a, b in zip(model.parameters(), unbroken.parameters(), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
            np.testing.assert_array_equal(
                ag.to_numpy(its_optimizer.value_of(a)), ag.to_numpy(optimizer.value_of(b))
            )

    @pytest.mark.parametrize("before", ["float32", "float16", BFLOAT16])
    @pytest.mark.parametrize("after", ["float32", "float16", BFLOAT16])
    def test_any_precision_goes_on_from_any_other(self, before, after, tmp_path):
        model, optimizer, _ = steps_of(before, n=5)
        save_checkpoint(tmp_path / "c", 5, model, optimizer, {}, TOKENIZER)
        checkpoint = load_checkpoint(tmp_path / "c")
        assert all(array.dtype in (np.float32, np.float64) for array in checkpoint.arrays.values())
        again = checkpoint.model()
        its_optimizer = optimizer_of(again, after, scale=2.0**10)
        checkpoint.restore(its_optimizer)
        np.testing.assert_array_equal(its_optimizer.group.values, optimizer.group.values)
        np.testing.assert_array_equal(its_optimizer.m, optimizer.m)
        assert its_optimizer.steps == 5 and (after != "float16" or float(its_optimizer.scaling.counted) == 5)
        _, _, known = steps_of("float32", n=8)
        rest = steps_with(again, its_optimizer, 8, start=5)
        assert not any(step.skipped for step in rest)
        assert [step.loss for step in rest] == pytest.approx([step.loss for step in known[5:]], rel=2e-3)

    def test_the_file_is_the_same_on_either_device(self, device, tmp_path):
        for place in ("cpu", device):
            model = gpt(place)
            save_checkpoint(tmp_path / place, 0, model, optimizer_of(model, "float16"), {}, TOKENIZER)
        assert (tmp_path / "cpu").read_bytes() == (tmp_path / device).read_bytes()


@PLACES
@HALF
def test_a_model_is_used_in_half_the_memory(half, place, device):
    model, _, _ = steps_of("float32", n=30)
    expected = score(model, TOKENS[:40])
    greedy = list(generate(model, [1, 2], 12))
    model.to(place, half)
    assert {p.dtype.name for p in model.parameters()} == {half}
    found = score(model, TOKENS[:40])
    assert found.dtype == np.float64 and abs(found - expected).max() < {"float16": 0.01, "bfloat16": 0.1}[half]
    sample = list(generate(model, [1, 2], 12))
    assert len(sample) == len(greedy) and sample[0] == greedy[0]


class TestCommand:
    def test_half_and_tf32_are_for_a_gpu(self, command, data, trained, tmp_path):
        for dtype in ("tf32", "bfloat16", "float16"):
            arguments = ("train", "--data", data, "--out", tmp_path / "run", *SMALL, "--dtype", dtype)
            assert_refused(command(*arguments), f"--dtype {dtype}", "--device cuda")
            assert_refused(command("generate", trained, "--dtype", dtype), f"--dtype {dtype}", "--device cuda")
        assert not (tmp_path / "run").exists()
        assert_refused(command("generate", trained, "--dtype", "float8"), "float8")

    @pytest.mark.usefixtures("without_matplotlib")
    @pytest.mark.parametrize("dtype", ["tf32", "float16", BFLOAT16])
    def test_a_run_on_a_device(self, dtype, command, data, device, tmp_path, monkeypatch):
        monkeypatch.delenv("CUPY_TF32", raising=False)
        run = tmp_path / "run"
        arguments = ("train", "--data", data, "--out", run, *SMALL, "--max-iters", "6", "--device", device)
        result = command(*arguments, "--dtype", dtype)
        assert result.status == 0 and f"on cuda in {dtype}" in result.out, result.err
        assert (os.environ.get("CUPY_TF32") == "1") == (dtype == "tf32")
        monkeypatch.delenv("CUPY_TF32", raising=False)
        lines = (run / "log.jsonl").read_text().splitlines()
        log = [json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) for line in lines]
        assert [entry["step"] for entry in log if "lr" in entry] == list(range(6))
        arrays, _ = safetensors.load(run / "checkpoint.safetensors")
        assert ("adam.scale" in arrays) == (dtype == "float16")
        assert arrays["model.wte.weight"].dtype == np.float32
        for place in (("--device", device), ("--device", "cpu", "--dtype", "float32")):
            longer = command("train", "--out", run, "--resume", "--max-iters", "8", *place)
            assert longer.status == 0, longer.err
        assert_refused(command("train", "--out", run, "--resume", "--dtype", "tf32"), "--dtype tf32")
        half = ("--device", device, "--dtype", dtype)
        for name, *rest in (("generate", "--max-new-tokens", "4"), ("score", "the cat"), ("eval", "--data", data)):
            assert command(name, run, *rest, *half).status == 0

    @pytest.mark.parametrize(
        ("name", "module"),
        [("generate", "generate"), ("chat", "chat"), ("score", "score"), ("eval", "evaluate"), ("fill", "fill"),
         ("translate", "translate"), ("summarize", "translate")],
    )  # fmt: skip
    def test_each_command_passes_it_on(self, name, module, command, monkeypatch):
        asked = []

        def open_model(*arguments):
            asked.append(arguments)
            raise BadInput("seen")

        monkeypatch.setattr(f"tinygpt.commands.{module}.open_model", open_model)
        text = ["--data", "x"] if name == "eval" else [] if name in ("generate", "chat") else ["x"]
        assert_refused(command(name, "run", *text, "--device", "cuda:1", "--dtype", "bfloat16"), "seen")
        assert asked[0][2:] == ("cuda:1", "bfloat16")

    def test_bfloat16_without_its_package(self, command, trained, device, monkeypatch):
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)
        arguments = ("generate", trained, "--device", device, "--dtype", "bfloat16")
        assert_refused(command(*arguments), "--dtype bfloat16", "pip install ml_dtypes")

    def test_doctor_says_what_bfloat16_needs(self, command, device, monkeypatch):
        installed = doctor._version
        monkeypatch.setattr(doctor, "_version", lambda name: None if name == "ml_dtypes" else installed(name))
        assert "bfloat16 needs: pip install ml_dtypes" in command("doctor").out
