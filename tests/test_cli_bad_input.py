"""Bad input to the command: one clear sentence, exit status 2, and nothing lost."""

import math
import subprocess
import sys

import numpy as np
import pytest
from command_line import ROOT, SMALL, assert_refused, everything, some_text

from tinygpt import safetensors
from tinygpt.commands.tasks.language import LanguageTask
from tinygpt.text.tokenizer import CharTokenizer
from tinygpt.train import causal_lm_loss

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.usefixtures("without_matplotlib")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--positions", "rotary", ["make --n-embd an even multiple of --n-head"]),
        ("--n-head", "3", ["--n-embd 8 cannot be divided among --n-head 3"]),
        ("--max-iters", "0", ["--max-iters", "at least 1"]),
        ("--batch-size", "-4", ["--batch-size", "-4"]),
        ("--n-layer", "1.5", ["--n-layer", "1.5"]),
        ("--n-layer", "nan", ["--n-layer", "nan"]),
        ("--vocab-size", "many", ["--vocab-size", "many"]),
        ("--learning-rate", "nan", ["--learning-rate", "nan"]),
        ("--learning-rate", "0", ["--learning-rate", "above 0"]),
        ("--learning-rate", "inf", ["--learning-rate must be above 0 and a finite number"]),
        ("--min-lr", "1", ["--min-lr", "at most --learning-rate 0.01"]),
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
        ("--block-size", "100000", ["100000", "--block-size"]),
        ("--data", "nowhere.txt", ["nowhere.txt", "does not exist"]),
    ],
)
def test_options_that_make_no_sense(command, data, tmp_path, option, value, words):
    odd = ["--n-head", "8"] if value == "rotary" else []
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL, *odd, option, value)
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
        ("latin-1", ["is not utf-8", "0xe9", "--encoding='latin-1'"]),
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

    seen = []
    monkeypatch.setattr(LanguageTask, "loss", staticmethod(explode))
    result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL)
    assert_refused(result, "not finite", "learning rate", "last save", quiet=False)
    assert int(safetensors.load(tmp_path / "run" / "checkpoint.safetensors")[1]["step"]) == 5


@pytest.mark.parametrize(
    ("option", "words"),
    [(["--learning-rate", "1e30"], "lower the learning rate"), (["--weight-decay", "1e300"], "lower --weight-decay")],
)
def test_numbers_that_are_too_large_are_one_sentence(data, tmp_path, option, words):
    """In a process of its own, where warnings are shown as a user sees them."""
    line = [sys.executable, "-m", "tinygpt", "train", "--data", data, "--out", tmp_path / "run", *SMALL, *option]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Warning" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert words in last and ("lower --weight-decay" in last) == ("--weight-decay" in option)


@pytest.mark.parametrize("arguments", [[], ["fly"], ["--fly"], ["train", "--data"], ["generate"], ["eval", "run"]])
def test_lines_that_are_no_command(command, arguments):
    assert_refused(command(*arguments), "--help")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["generate", "run", "--promt", "the"], ["--promt", "is --prompt meant?", "tinygpt generate --help"]),
        (["generate", "run", "The reader"], ["The reader; is --prompt meant?"]),
        (["train", "--max_iters", "5"], ["--max_iters", "is --max-iters meant?", "tinygpt train --help"]),
        (["tokenizer", "encode", "run", "a", "--oot", "x"], ["--oot", "is --out meant?", "encode --help"]),
        (["generate", "--ban", "cat", "run"], ["required: DIR", "--ban takes all words behind it"]),
        (["eval", "--data", "text", "run"], ["required: DIR", "--data takes all words behind it"]),
    ],
)
def test_what_was_perhaps_meant(command, line, words):
    assert_refused(command(*line), *words)


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


def test_actions_on_a_tokenizer_are_asked_for(command):
    assert_refused(command("tokenizer"), "ACTION")
    assert_refused(command("tokenizer", "stir", "x"), "stir")


def test_sentences_name_the_flags_that_were_typed(command, data, tmp_path):
    line = ["tokenizer", "train", "--data", data, "--vocab-size", "300", "--out", tmp_path / "x.json"]
    assert_refused(command(*line, "--special-token", "a", "a"), "--special-token: 'a' is named twice")
    assert_refused(command("fill", "run", "a [MASK]", "--top-k", "0"), "--top-k must be at least 1, not 0")
