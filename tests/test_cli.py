"""The command: what it makes of a small file, what it says of bad input, and that nothing is ever lost."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tinygpt
import tinygpt.commands.train as train_module
from tinygpt import safetensors
from tinygpt.cli import main
from tinygpt.text.tokenizer import CharTokenizer, load_tokenizer

pytestmark = pytest.mark.core

ROOT = Path(tinygpt.__file__).parents[1]
FILES = ["checkpoint.safetensors", "config.json", "log.jsonl", "loss.svg", "tokenizer.json"]
CONTEXT = 16
SMALL = (
    f"--tokenizer char --n-layer 1 --n-head 2 --n-embd 8 --block-size {CONTEXT} --batch-size 4 --max-iters 12 "
    "--warmup-iters 2 --eval-interval 5 --eval-iters 2 --dropout 0.1 --learning-rate 1e-2 --min-lr 1e-3"
).split()


def some_text(n_words, seed=0):
    rng = np.random.default_rng(seed)
    words = "the cat sat on a mat and then it saw another naïve dog, which ran home.".split()
    return "".join(words[i] + ("\n" if i % 13 == 3 else " ") for i in rng.integers(len(words), size=n_words))


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys):
    """tinygpt with these arguments, in this process."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def without_matplotlib(monkeypatch):
    """It takes seconds to import; test_view.py draws with it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "story.txt"
    path.write_text(some_text(900), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """A run that has learned a little; tests that change it take a copy."""
    path = tmp_path_factory.mktemp("runs") / "trained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        longer = ["--max-iters", "150", "--eval-interval", "100", "--dropout", "0"]
        assert main(["train", "--data", str(data), "--out", str(path), *SMALL, *longer]) == 0
    return path


@pytest.fixture
def run_copy(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def everything(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def arrays_of(run):
    return {name: a.copy() for name, a in safetensors.load(run / "checkpoint.safetensors")[0].items()}


def assert_same_run(first, second):
    a, b = arrays_of(first), arrays_of(second)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert logged(first) == logged(second)


def logged(run):
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def assert_refused(result, *words, quiet=True):
    """One sentence on stderr and exit status 2. quiet: nothing else was shown before it."""
    assert result.status == 2, result
    lines = result.err.strip().splitlines()
    assert lines[-1].startswith("tinygpt: "), result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in lines[-1], result.err
    if quiet:
        assert len(lines) == 1, result.err


def interrupted_after(monkeypatch, step):
    """Ctrl-C arrives while step `step` (counted from 1) is being noted."""
    note = train_module._Job._note

    def note_and_interrupt(job, *arguments):
        begun = note(job, *arguments)
        if job.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return begun

    monkeypatch.setattr(train_module._Job, "_note", note_and_interrupt)


def fill_the_disk(monkeypatch, name, at):
    """The at-th file called `name` finds no room."""
    replace, seen = os.replace, []

    def refuse(source, target):
        seen.append(Path(target).name)
        if seen.count(name) >= at and Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)


# Training


def test_training_writes_everything(command, data, tmp_path):
    out = tmp_path / "a" / "run"
    result = command("train", "--data", data, "--out", out, *SMALL)
    assert result.status == 0, result.err
    assert sorted(os.listdir(out)) == FILES
    config = json.loads((out / "config.json").read_text())
    assert config["options"]["n_embd"] == 8 and config["options"]["data"] == [str(data)]
    assert config["corpus"]["bytes"] == len(data.read_bytes())
    ET.parse(out / "loss.svg")
    steps = [entry for entry in logged(out) if "loss" in entry]
    looks = [entry for entry in logged(out) if "validation_loss" in entry]
    assert [entry["step"] for entry in steps] == list(range(12))
    assert [entry["step"] for entry in looks] == [4, 9, 11]
    assert all(math.isfinite(value) for entry in steps for value in entry.values())
    vocabulary = load_tokenizer(out / "tokenizer.json").vocab_size
    for words in (f"ln {vocabulary} = {math.log(vocabulary):.3f}", "parameters", "uniform guess", "counted bigram"):
        assert words in result.out
    assert f"{out}" in result.out and "bits per byte" in result.out


def test_byte_pairs_and_a_directory_of_documents(command, tmp_path):
    for n in range(12):
        (tmp_path / f"{n}.txt").write_text(some_text(150, seed=n))
    options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "300", "--no-bias"]
    out = tmp_path / "run"
    assert command("train", "--data", tmp_path, "--out", out, *options).status == 0
    tokenizer = load_tokenizer(out / "tokenizer.json")
    assert tokenizer.vocab_size == 300 and tokenizer.end_of_text == 299
    assert not any(name.endswith("bias") for name in arrays_of(out))
    assert command("generate", out, "--max-new-tokens", "8", "--prompt", "猫").status == 0


def test_the_same_command_makes_the_same_run(command, data, tmp_path):
    for name in ("one", "two"):
        assert command("train", "--data", data, "--out", tmp_path / name, *SMALL).status == 0
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_a_text_without_line_ends(command, tmp_path):
    (tmp_path / "line.txt").write_text("abcab" * 100)
    result = command("train", "--data", tmp_path / "line.txt", "--out", tmp_path / "run", *SMALL)
    assert result.status == 0, result.err
    assert command("generate", tmp_path / "run", "--max-new-tokens", "5").status == 0


def test_a_file_whose_name_is_no_text(command, tmp_path):
    name = os.fsdecode(b"\xff<&\x1b.txt")
    try:
        (tmp_path / name).write_text(some_text(300))
    except OSError:
        pytest.skip("no such file names here")
    assert command("train", "--data", tmp_path / name, "--out", tmp_path / "run", *SMALL).status == 0
    ET.parse(tmp_path / "run" / "loss.svg")


def test_the_embedded_corpus_is_the_default(command, tmp_path, monkeypatch):
    from tinygpt.commands import prepare
    from tinygpt.text.corpus import Corpus, Document

    own = Corpus("own English", tuple(Document(str(n), some_text(150, n)) for n in range(9)))
    monkeypatch.setattr(prepare, "embedded_english", lambda: own)
    monkeypatch.chdir(tmp_path)
    result = command("train", *SMALL)
    assert result.status == 0 and "own English" in result.out and own.fingerprint[:12] in result.out
    assert sorted(os.listdir("runs/english")) == FILES


# What is there already


def test_a_run_that_exists_is_refused_and_unchanged(command, data, run_copy):
    before = everything(run_copy)
    refused = command("train", "--data", data, "--out", run_copy, *SMALL)
    assert_refused(refused, str(run_copy), "--resume", "--overwrite")
    assert everything(run_copy) == before


def test_overwriting_replaces_the_run(command, data, run_copy):
    (run_copy / "loss.png").write_bytes(b"old")
    (run_copy / ".checkpoint.safetensors.123.tmp").write_bytes(b"left behind by a run that was killed")
    assert command("train", "--data", data, "--out", run_copy, *SMALL, "--overwrite").status == 0
    assert sorted(os.listdir(run_copy)) == FILES and len(logged(run_copy)) == 15


def test_overwriting_where_we_stand(command, data, run_copy, monkeypatch):
    monkeypatch.chdir(run_copy)
    assert command("train", "--data", data, "--out", ".", *SMALL, "--overwrite").status == 0
    assert sorted(os.listdir(run_copy)) == FILES


def test_overwriting_through_a_link(command, data, run_copy, tmp_path):
    (tmp_path / "link").symlink_to(run_copy, target_is_directory=True)
    assert command("train", "--data", data, "--out", tmp_path / "link", *SMALL, "--overwrite").status == 0
    assert sorted(os.listdir(run_copy)) == FILES


@pytest.mark.parametrize("wrong", [["--data", "nowhere.txt"], ["--block-size", "1000000"], ["--device", "tpu"]])
def test_bad_input_while_overwriting_loses_nothing(command, data, run_copy, wrong):
    before = everything(run_copy)
    assert_refused(command("train", "--data", data, "--out", run_copy, *SMALL, "--overwrite", *wrong))
    assert everything(run_copy) == before


@pytest.mark.parametrize("option", [[], ["--overwrite"]])
def test_a_directory_that_holds_other_things_is_never_touched(command, data, tmp_path, option):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "config.json").write_text("{}")
    assert_refused(command("train", "--data", data, "--out", tmp_path, *SMALL, *option), str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["config.json", "thesis.txt"]


def test_an_empty_directory_will_do(command, data, tmp_path):
    (tmp_path / "run").mkdir()
    assert command("train", "--data", data, "--out", tmp_path / "run", *SMALL).status == 0


def test_a_file_where_the_run_should_be(command, data, tmp_path):
    (tmp_path / "file").write_text("text")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        assert_refused(command("train", "--data", data, "--out", out, *SMALL), "file")
    assert (tmp_path / "file").read_text() == "text"


# Going on


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


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_in_a_process_of_its_own(command, data, tmp_path):
    options = [*SMALL, "--max-iters", "400", "--eval-interval", "20"]
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
    assert 20 <= int(safetensors.load(broken / "checkpoint.safetensors")[1]["step"]) < 400
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


def test_a_finished_run_may_be_finished_again(command, trained, run_copy):
    assert command("train", "--out", run_copy, "--resume").status == 0
    assert_same_run(trained, run_copy)


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
        (["--no-bias"], ["bias"]),
        (["--overwrite"], ["choose one"]),
        (["--learning-rate", "-1"], ["--learning-rate", "above 0"]),
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


# Bad input


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--n-head", "3", ["--n-embd 8 cannot be divided among --n-head 3"]),
        ("--max-iters", "0", ["--max-iters", "at least 1"]),
        ("--batch-size", "-4", ["--batch-size", "-4"]),
        ("--n-layer", "1.5", ["--n-layer", "1.5"]),
        ("--n-layer", "nan", ["--n-layer", "nan"]),
        ("--vocab-size", "many", ["--vocab-size", "many"]),
        ("--learning-rate", "nan", ["--learning-rate", "nan"]),
        ("--learning-rate", "0", ["--learning-rate", "above 0"]),
        ("--learning-rate", "inf", ["--learning-rate"]),
        ("--min-lr", "1", ["--min-lr", "at most the learning rate"]),
        ("--dropout", "1", ["--dropout", "below 1"]),
        ("--dropout", "nan", ["--dropout"]),
        ("--beta2", "1", ["--beta2"]),
        ("--grad-clip", "nan", ["--grad-clip"]),
        ("--weight-decay", "-0.1", ["--weight-decay"]),
        ("--warmup-iters", "-1", ["--warmup-iters"]),
        ("--eval-iters", "0", ["--eval-iters"]),
        ("--gradient-accumulation-steps", "0", ["--gradient-accumulation-steps"]),
        ("--seed", "-1", ["--seed"]),
        ("--seed", str(1 << 64), ["--seed"]),
        ("--max-iters", "1" + "0" * 400, ["--max-iters"]),
        ("--n-embd", "100000000000000", ["memory"]),
        ("--tokenizer", "words", ["--tokenizer", "words"]),
        ("--device", "tpu", ["--device tpu", "cuda"]),
        ("--colour", "red", ["--colour"]),
        ("--encoding", "klingon", ["klingon"]),
        ("--block-size", "100000", ["100000", "block size"]),
        ("--data", "nowhere.txt", ["nowhere.txt", "does not exist"]),
    ],
)
def test_options_that_make_no_sense(command, data, tmp_path, option, value, words):
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL, option, value)
    assert_refused(result, *words)
    assert not (tmp_path / "run").exists()


def test_a_vocabulary_too_small_for_bytes(command, data, tmp_path):
    options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "200"]
    assert_refused(command("train", "--data", data, "--out", tmp_path / "run", *options), "200", "257")
    assert not (tmp_path / "run").exists()


def test_a_gpu_without_cupy(command, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL, "--device", "cuda")
    assert_refused(result, "--device cuda", "CuPy", "pip install")
    assert not (tmp_path / "run").exists()


def bad_data(tmp_path, kind):
    path = tmp_path / "data.txt"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "blank":
        path.write_bytes(b" \n\n")
    elif kind == "short":
        path.write_text("too short")
    elif kind == "latin-1":
        path.write_bytes(some_text(300).encode("latin-1").replace(b"na\xefve", b"naive") + b"caf\xe9 and more")
    elif kind == "directory":
        (tmp_path / "data.txt").mkdir()
        (path / "picture.png").write_bytes(b"\x89PNG")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", ["does not exist"]),
        ("empty", ["is empty"]),
        ("blank", ["is empty"]),
        ("short", ["too few for a context of 16"]),
        ("latin-1", ["is not utf-8", "0xe9", "--encoding latin-1"]),
        ("directory", ["has no text to read"]),
    ],
)
def test_data_that_cannot_be_read(command, trained, tmp_path, kind, words):
    path = bad_data(tmp_path, kind)
    assert_refused(command("train", "--data", path, "--out", tmp_path / "run", *SMALL), *words)
    assert not (tmp_path / "run").exists()
    if kind == "latin-1":
        assert f"byte {path.read_bytes().index(0xE9)}" in command("eval", trained, "--data", path).err
    if kind != "short":
        assert_refused(command("eval", trained, "--data", path), *words)


def test_an_encoding_may_be_named(command, trained, tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(some_text(300).encode("latin-1"))
    assert command("eval", trained, "--data", path, "--encoding", "latin-1", "--json").status == 0


def test_numbers_that_grow_beyond_all_bounds_stop_the_run(command, data, tmp_path, monkeypatch):
    def explode(model, batch, key=None):
        total, count = causal_lm_loss(model, batch, key)
        return total * (math.nan if key is not None and len(seen) > 7 else 1.0), seen.append(0) or count

    seen, causal_lm_loss = [], train_module.causal_lm_loss
    monkeypatch.setattr(train_module, "causal_lm_loss", explode)
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL)
    assert_refused(result, "not finite", "learning rate", "last save", quiet=False)
    assert int(safetensors.load(tmp_path / "run" / "checkpoint.safetensors")[1]["step"]) == 5


@pytest.mark.parametrize("arguments", [[], ["fly"], ["--fly"], ["train", "--data"], ["generate"], ["eval", "run"]])
def test_lines_that_are_no_command(command, arguments):
    assert_refused(command(*arguments), "--help")


# Runs that are damaged


def damage(run, kind):
    checkpoint = run / "checkpoint.safetensors"
    if kind == "cut off":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    elif kind == "empty":
        checkpoint.write_bytes(b"")
    elif kind == "gone":
        checkpoint.unlink()
    elif kind == "foreign":
        safetensors.save(checkpoint, {"weight": np.zeros(3)}, {"format": "pt"})
    elif kind == "pickle":
        checkpoint.write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.")
    elif kind == "other tokenizer":
        CharTokenizer("abc").save(run / "tokenizer.json")
    elif kind == "broken tokenizer":
        (run / "tokenizer.json").write_text('{"format": "tinygpt-tok')


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("cut off", ["cut off"]),
        ("empty", ["cut off"]),
        ("gone", ["holds no checkpoint.safetensors"]),
        ("foreign", ["no checkpoint of tinygpt"]),
        ("pickle", ["not a safetensors file"]),
        ("other tokenizer", ["tokenizer.json", "not the tokenizer"]),
        ("broken tokenizer", ["tokenizer.json", "damaged"]),
    ],
)
def test_a_damaged_run_is_refused_and_unchanged(command, run_copy, data, kind, words):
    damage(run_copy, kind)
    before = everything(run_copy)
    for line in (["generate", run_copy], ["eval", run_copy, "--data", data], ["train", "--out", run_copy, "--resume"]):
        assert_refused(command(*line), *words)
    assert everything(run_copy) == before


@pytest.mark.parametrize("run", ["{}", '{"options": {}}', '{"options": 3, "corpus": {}}', '{"options": {"data": 3}}'])
def test_a_checkpoint_without_a_run_cannot_be_resumed(command, run_copy, run):
    path = run_copy / "checkpoint.safetensors"
    arrays, metadata = safetensors.load(path)
    safetensors.save(path, {name: a.copy() for name, a in arrays.items()}, {**metadata, "run": run})
    assert command("generate", run_copy, "--max-new-tokens", "3").status == 0
    assert_refused(command("train", "--out", run_copy, "--resume"), "resume")


# Evaluating and writing


def test_eval_ends_with_json(command, trained, tmp_path):
    text = some_text(300, seed=8)
    (tmp_path / "held_out.txt").write_text(text, encoding="utf-8")
    result = command("eval", trained, "--data", tmp_path / "held_out.txt")
    assert result.status == 0
    found = json.loads(result.out.splitlines()[-1])
    assert list(found) == ["loss", "perplexity", "bits_per_byte", "tokens"]
    assert found["tokens"] == len(text) - 1
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["bits_per_byte"] == pytest.approx(found["loss"] * found["tokens"] / math.log(2) / len(text.encode()))
    alone = command("eval", trained, "--data", tmp_path / "held_out.txt", "--json")
    assert json.loads(alone.out) == found and alone.err == ""


def test_a_smaller_stride_gives_more_context(command, trained, tmp_path):
    (tmp_path / "held_out.txt").write_text(some_text(300, seed=8), encoding="utf-8")

    def loss(*stride):
        out = command("eval", trained, "--data", tmp_path / "held_out.txt", "--json", *stride).out
        return json.loads(out)["loss"]

    assert loss() == loss("--stride", CONTEXT)
    assert loss("--stride", "1") <= loss("--stride", "4") <= loss()


@pytest.mark.parametrize("stride", ["0", "-1", "17", "x"])
def test_strides_that_make_no_sense(command, trained, data, stride):
    assert_refused(command("eval", trained, "--data", data, "--stride", stride), "--stride", stride)


def test_a_text_too_short_to_score(command, trained, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    assert_refused(command("eval", trained, "--data", tmp_path / "a.txt"), "a.txt", "at least 2")


def test_a_character_the_model_does_not_know(command, trained, tmp_path):
    (tmp_path / "cat.txt").write_text("the 猫 sat", encoding="utf-8")
    for line in (["eval", trained, "--data", tmp_path / "cat.txt"], ["generate", trained, "--prompt", "a 猫"]):
        assert_refused(command(*line), "猫", "U+732B")


def test_the_same_seed_writes_the_same_text(command, trained):
    options = ["--prompt", "the ", "--max-new-tokens", "40"]
    first = command("generate", trained, *options)
    assert first.status == 0 and first.out.startswith("the ")
    assert len(first.out.rstrip("\n")) <= 44
    assert command("generate", trained, *options, "--seed", "1337").out == first.out
    assert command("generate", trained, *options, "--seed", "2").out != first.out


def test_several_samples_differ_and_the_first_is_the_only_one(command, trained):
    options = ["--prompt", "it ", "--max-new-tokens", "30", "--temperature", "1.5"]
    samples = command("generate", trained, *options, "--num-samples", "3").out
    texts = [part.partition("\n")[2].strip() for part in samples.split("sample ")[1:]]
    assert len(texts) == len(set(texts)) == 3
    assert command("generate", trained, *options).out.strip() == texts[0]


def test_rules_reach_the_draw(command, trained):
    def text(*options):
        return command("generate", trained, "--prompt", "the ", "--max-new-tokens", "25", *options).out

    likeliest = text("--top-k", "1")
    assert text("--temperature", "0.0001") == text("--top-p", "0.0001") == likeliest
    assert text("--temperature", "3") != likeliest


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--temperature", "0"], "temperature"),
        (["--temperature", "nan"], "temperature"),
        (["--top-k", "0"], "top_k"),
        (["--top-p", "1.5"], "top_p"),
        (["--top-p", "nan"], "top_p"),
        (["--max-new-tokens", "0"], "--max-new-tokens"),
        (["--num-samples", "-1"], "--num-samples"),
        (["--seed", "-1"], "--seed"),
        (["--prompt", "the cat " * 9], "context is 16"),
        (["--warmth", "3"], "--warmth"),
    ],
)
def test_generation_options_that_make_no_sense(command, trained, options, words):
    result = command("generate", trained, *options)
    assert_refused(result, words)
    assert result.out == "", "nothing is written before the input is known to be good"


def test_no_run_to_write_with(command, tmp_path):
    assert_refused(command("generate", tmp_path / "none"), "no run directory")
    (tmp_path / "file").write_text("text")
    assert_refused(command("generate", tmp_path / "file"), "file")


# As a process


def in_a_process(*arguments, **environment):
    line = [sys.executable, "-m", "tinygpt", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, env={**os.environ, **environment}, capture_output=True)


def test_help():
    result = in_a_process("--help")
    assert result.returncode == 0 and result.stderr == b""
    assert all(word in result.stdout for word in (b"train", b"generate", b"eval"))


def test_help_names_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert "--block-size" in out and "(default: 128)" in out and "--no-bias" in out


def test_bad_input_in_a_process(tmp_path):
    result = in_a_process("generate", tmp_path / "none")
    assert result.returncode == 2 and result.stdout == b""
    assert result.stderr.startswith(b"tinygpt: ") and result.stderr.count(b"\n") == 1


def test_a_terminal_that_cannot_show_every_character(tmp_path, command):
    (tmp_path / "é.txt").write_text(some_text(300), encoding="utf-8")
    options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "260"]
    assert command("train", "--data", tmp_path / "é.txt", "--out", tmp_path / "run", *options).status == 0
    result = in_a_process(
        "generate", tmp_path / "run", "--prompt", b"caf\xc3\xa9 \xff".decode("utf-8", "surrogateescape"),
        "--max-new-tokens", "10", PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"caf")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_a_reader_who_has_seen_enough(trained):
    line = [sys.executable, "-m", "tinygpt", "generate", str(trained), "--max-new-tokens", "400"]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(3)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0 and err == b""
