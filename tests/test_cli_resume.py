"""A run that was stopped, by Ctrl-C or a full disk, goes on as if it had not been, or says why it cannot."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from command_line import (
    ROOT,
    SMALL,
    assert_refused,
    assert_same_run,
    everything,
    fill_the_disk,
    interrupted_after,
    logged,
    some_text,
)

import tinygpt.commands.train as train_module
from tinygpt import safetensors
from tinygpt.train.run import Run

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
@pytest.mark.parametrize("step", [1, 7])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(command, data, tmp_path, monkeypatch, step):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert command("train", "--data", data, "--out", whole, *SMALL).status == 0
    with monkeypatch.context() as patch:
        interrupted_after(patch, step)
        result = command("train", "--data", data, "--out", broken, *SMALL)
    assert result.status == 130
    assert f"stopped after step {step}; go on with: tinygpt train --out {broken} --resume" in result.out
    assert result.err.rstrip().endswith("tinygpt: interrupted") and "Traceback" not in result.err
    assert command("train", "--out", broken, "--resume").status == 0
    assert_same_run(whole, broken)


def test_a_run_that_was_killed_during_a_save_goes_on_without_a_gap(command, data, tmp_path, monkeypatch):
    """As if by SIGKILL: the second save leaves the old checkpoint, part of the new one, and nobody cleans up."""
    whole, broken, saves = tmp_path / "whole", tmp_path / "broken", []
    assert command("train", "--data", data, "--out", whole, *SMALL).status == 0
    save = train_module.save_checkpoint

    def killed_at_the_second(path, *rest):
        saves.append(path)
        if len(saves) == 2:
            path.with_name(f".{path.name}.1.tmp").write_bytes(b"part of it")
            raise SystemExit(137)
        save(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "save_checkpoint", killed_at_the_second)
        with pytest.raises(SystemExit):
            command("train", "--data", data, "--out", broken, *SMALL)
    assert command("train", "--out", broken, "--resume").status == 0
    assert_same_run(whole, broken)
    assert everything(broken).keys() == everything(whole).keys()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_in_a_process_of_its_own(command, data, tmp_path):
    options = [*SMALL, "--max-iters", "120", "--eval-interval", "20"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    line = [sys.executable, "-m", "tinygpt", "train", "--data", str(data), "--out", str(broken), *options]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not (broken / "checkpoint.safetensors").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err and "--resume" in out.splitlines()[-1]
    assert 20 <= int(safetensors.load(broken / "checkpoint.safetensors")[1]["step"]) < 120
    assert command("train", "--out", broken, "--resume").status == 0
    assert command("train", "--data", data, "--out", whole, *options).status == 0
    assert_same_run(whole, broken)


def test_ctrl_c_in_the_last_evaluation_keeps_every_step(command, data, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_module._Job, "_look", lambda *_: None)
        patch.setattr(train_module, "evaluate", interrupt)
        assert command("train", "--data", data, "--out", tmp_path / "run", *SMALL).status == 130
    assert int(safetensors.load(tmp_path / "run" / "checkpoint.safetensors")[1]["step"]) == 12
    assert command("train", "--out", tmp_path / "run", "--resume").status == 0
    assert "loss.svg" in os.listdir(tmp_path / "run")


def test_a_disk_that_fills_keeps_the_last_save(command, data, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert command("train", "--data", data, "--out", whole, *SMALL).status == 0
    with monkeypatch.context() as patch:
        fill_the_disk(patch, "checkpoint.safetensors", at=2)
        result = command("train", "--data", data, "--out", broken, *SMALL)
    assert_refused(result, "checkpoint.safetensors", "No space left", quiet=False)
    assert int(safetensors.load(broken / "checkpoint.safetensors")[1]["step"]) == 5
    assert not [name for name in os.listdir(broken) if name.startswith(".")]
    assert command("train", "--out", broken, "--resume").status == 0
    assert_same_run(whole, broken)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "checkpoint.safetensors"])
def test_a_disk_that_is_full_from_the_start(command, data, tmp_path, monkeypatch, name):
    fill_the_disk(monkeypatch, name, at=1)
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL)
    assert_refused(result, name, "No space left", quiet=False)


def test_a_run_may_be_made_longer(command, run_copy):
    before = logged(run_copy)
    result = command("train", "--out", run_copy, "--resume", "--max-iters", "153", "--dropout", "0.2")
    assert result.status == 0, result.err
    steps = [entry["step"] for entry in logged(run_copy) if "loss" in entry]
    assert steps == list(range(153))
    assert logged(run_copy)[: len(before) - 1] == before[:-1]
    assert json.loads((run_copy / "config.json").read_text())["options"]["dropout"] == 0.2
    assert Run(run_copy).load().model_config.dropout == 0.2


def test_dropout_that_begins_late_is_felt(command, trained, tmp_path):
    losses = []
    for name, more in (("as before", []), ("dropped", ["--dropout", "0.5"])):
        out = shutil.copytree(trained, tmp_path / name)
        assert command("train", "--out", out, "--resume", "--max-iters", "152", *more).status == 0
        losses.append([entry["loss"] for entry in logged(out) if entry.get("step") == 151 and "loss" in entry])
    assert losses[0] != losses[1]


def test_a_finished_run_may_be_finished_again(command, trained, run_copy):
    assert command("train", "--out", run_copy, "--resume").status == 0
    assert_same_run(trained, run_copy)


def test_a_finished_run_has_no_use_for_options_of_steps(command, run_copy):
    before = everything(run_copy)
    for given in (["--learning-rate", "1"], ["--max-iters", "150", "--recompute", "--dropout", "0.1"]):
        refused = command("train", "--out", run_copy, "--resume", *given)
        assert_refused(refused, given[-2], "would change nothing", "all its 150 steps", "a larger --max-iters")
    assert everything(run_copy) == before
    assert "has all its 150 steps" in command("train", "--out", run_copy, "--resume").err


def test_a_corpus_may_move_while_a_run_rests(command, run_copy, data, tmp_path):
    moved = shutil.copy(data, tmp_path / "moved.txt")
    result = command("train", "--out", run_copy, "--resume", "--data", moved, "--max-iters", "151")
    assert result.status == 0, result.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--n-embd", "16"], ["--n-embd 16", "it was 8"]),
        (["--tokenizer", "bpe"], ["--tokenizer bpe", "it was char"]),
        (["--seed", "1"], ["--seed 1"]),
        (["--bias"], ["--bias on", "it was off"]),
        (["--init-from", "gpt2"], ["--init-from gpt2", "it was not given"]),
        (["--overwrite"], ["choose one"]),
        (["--learning-rate", "-1"], ["--learning-rate", "above 0"]),
        (["--max-iters", "1"], ["--max-iters 1", "steps behind it"]),
        (["--device", "tpu"], ["tpu"]),
    ],
)
def test_what_cannot_change_when_a_run_is_resumed(command, run_copy, given, words):
    before = everything(run_copy)
    assert_refused(command("train", "--out", run_copy, "--resume", *given), *words)
    assert everything(run_copy) == before


def test_another_corpus_is_refused_when_a_run_is_resumed(command, run_copy, tmp_path):
    (tmp_path / "other.txt").write_text(some_text(900, seed=5))
    before = everything(run_copy)
    result = command("train", "--out", run_copy, "--resume", "--data", tmp_path / "other.txt")
    assert_refused(result, "corpus is not the one")
    assert everything(run_copy) == before


def test_no_run_to_go_on_with(command, tmp_path):
    assert_refused(command("train", "--out", tmp_path / "none", "--resume"), "no run directory")
    assert_refused(command("train", "--out", tmp_path, "--resume"), "checkpoint.safetensors")
