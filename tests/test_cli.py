"""The command: what it makes of a small file, what it does where something is already, and its life as a process."""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import fields
from pathlib import Path

import pytest
from command_line import FILES, ROOT, SMALL, arrays_of, assert_refused, assert_same_run, everything, logged, some_text

import tinygpt
import tinygpt.commands.train as train_module
from tinygpt.cli import main
from tinygpt.commands.beams import BeamOptions
from tinygpt.commands.chat import ChatOptions
from tinygpt.commands.generate import GenerateOptions
from tinygpt.commands.parsers.whole import parser
from tinygpt.commands.tasks.task import TextTask
from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import load_tokenizer
from tinygpt.train.run import NEW

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]


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


def test_a_text_of_one_character(command, tmp_path):
    """Every guess of it is right: a loss of 0 is no measure for others."""
    (tmp_path / "a.txt").write_text("a" * 400)
    result = command("train", "--data", tmp_path / "a.txt", "--out", tmp_path / "run", *SMALL)
    assert result.status == 0, result.err
    assert "-0.000" not in result.out and "bits than" not in result.out


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


def test_what_cannot_be_drawn_takes_no_runs_place(command, data, run_copy, monkeypatch):
    def nothing(*_):
        raise BadInput("nothing can be drawn")

    before = everything(run_copy)
    monkeypatch.setattr(TextTask, "some_validation", nothing)
    assert_refused(command("train", "--data", data, "--out", run_copy, "--overwrite", *SMALL), "nothing can be drawn")
    assert everything(run_copy) == before


def test_what_the_data_refuses_takes_no_runs_place(command, data, run_copy):
    before = arrays_of(run_copy)
    line = ["train", "--data", data, "--out", run_copy, "--overwrite", *SMALL, "--task", "denoise", "--block-size", "2"]
    assert_refused(command(*line), "--block-size")
    assert arrays_of(run_copy).keys() == before.keys()


@pytest.mark.parametrize("end", [FloatingPointError("too large"), KeyboardInterrupt(), MemoryError(), SystemExit(137)])
def test_a_run_that_saves_nothing_takes_no_runs_place(command, data, run_copy, tmp_path, monkeypatch, end):
    def stop(*_, **__):
        raise end
        yield

    monkeypatch.setattr(train_module, "train", stop)
    before = everything(run_copy)
    for out in (run_copy, tmp_path / "fresh"):
        with contextlib.suppress(SystemExit):
            assert command("train", "--data", data, "--out", out, "--overwrite", *SMALL).status != 0
    assert everything(run_copy) == before and not (tmp_path / "fresh").exists()


def test_a_run_that_was_killed_before_its_first_save_may_be_overwritten(command, data, run_copy):
    (run_copy / NEW).mkdir()
    (run_copy / NEW / "config.json").write_text("{}")
    (run_copy / NEW / ".checkpoint.safetensors.123.tmp").write_bytes(b"part of it")
    assert command("train", "--data", data, "--out", run_copy, "--overwrite", *SMALL).status == 0
    assert sorted(os.listdir(run_copy)) == FILES and len(logged(run_copy)) == 15


def test_a_run_takes_not_the_place_of_what_it_begins_from(command, data, run_copy):
    before = everything(run_copy)
    for out in (run_copy, f"{run_copy}/../{run_copy.name}"):
        line = ["train", "--init-from", run_copy, "--data", data, "--out", out, "--overwrite"]
        assert_refused(command(*line), "choose another --out")
    assert everything(run_copy) == before


def test_overwriting_is_offered_only_where_it_is_allowed(command, data, run_copy, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused = command("train", "--data", data, "--out", tmp_path / "mine", *SMALL)
    assert_refused(refused, "thesis.txt")
    (run_copy / "notes.txt").write_text("what I tried")
    noted = command("train", "--data", data, "--out", run_copy, *SMALL)
    assert_refused(noted, "--resume")
    assert "--overwrite" not in refused.err + noted.err


def test_what_a_user_calls_like_an_option_keeps_its_name(command, data, tmp_path):
    assert_refused(command("generate", "top_k"), "no run directory top_k")
    assert_refused(command("train", "--resume", "--out", "weight_decay"), "no run directory weight_decay")
    assert_refused(command("train", "--data", "max_iters", "--out", tmp_path / "run"), "max_iters does not exist")


def test_files_named_one_by_one_are_all_read(command, data, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("a text of its own, " * 40)
    for out, given in (("one", ["--data", data, other]), ("two", ["--data", data, "--data", other])):
        assert command("train", *given, "--out", tmp_path / out, *SMALL, "--max-iters", "2").status == 0
    one, two = (json.loads((tmp_path / out / "config.json").read_text())["corpus"] for out in ("one", "two"))
    assert one == two and one["bytes"] > other.stat().st_size > 0


def test_a_file_named_twice_is_read_once(command, data, trained):
    result = command("eval", trained, "--data", data, data)
    assert result.status == 0 and "more" not in result.out and f"{data}: named more than once" in result.err
    assert "named more than once" not in command("eval", trained, "--data", data).err


def test_as_many_heads_of_keys_as_of_queries_is_the_usual_form(command, run_copy):
    assert command("train", "--out", run_copy, "--resume", "--max-iters", "151", "--n-kv-head", "2").status == 0
    assert_refused(command("train", "--out", run_copy, "--resume", "--n-kv-head", "1"), "--n-kv-head 1 cannot change")


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


def in_a_process(*arguments, **environment):
    line = [sys.executable, "-m", "tinygpt", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, env={**os.environ, **environment}, capture_output=True)


def test_help():
    result = in_a_process("--help")
    assert result.returncode == 0 and result.stderr == b""
    assert all(word in result.stdout for word in (b"train", b"generate", b"eval", b"tokenizer"))


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"tinygpt {tinygpt.__version__}\n"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == tinygpt.__version__


def test_help_names_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert "--block-size" in out and "(default: 128)" in out and "--no-bias" in out


def commands_of(whole):
    """Every command's parser, and those of its actions."""
    for action in whole._actions:
        for each in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield each
            yield from commands_of(each)


@pytest.mark.parametrize("command", list(commands_of(parser())), ids=lambda each: each.prog)
def test_every_flag_says_what_it_does_and_its_default(command):
    assert command.description
    for action in command._actions:
        assert action.help or isinstance(action, argparse._SubParsersAction), action.dest
        if action.option_strings and (action.nargs != 0 or isinstance(action, argparse.BooleanOptionalAction)):
            assert ("required" if action.required else "(default: ") in action.help, action.dest


@pytest.mark.parametrize(
    ("name", "options"), [("generate", GenerateOptions), ("chat", ChatOptions), ("translate", BeamOptions)]
)
def test_the_defaults_in_the_help_are_those_of_the_command(name, options):
    command = next(each for each in commands_of(parser()) if each.prog == f"tinygpt {name}")
    said = {action.dest: action.help for action in command._actions}
    for each in fields(options):
        if each.type != "bool" and each.default not in (None, "", ()):
            assert f"(default: {each.default}" in said[each.name], each.name


def test_bad_input_in_a_process(tmp_path):
    result = in_a_process("generate", tmp_path / "none")
    assert result.returncode == 2 and result.stdout == b""
    assert result.stderr.startswith(b"tinygpt: ") and result.stderr.count(b"\n") == 1


def test_a_terminal_that_cannot_show_every_character(tmp_path, command):
    (tmp_path / "é.txt").write_text(some_text(300), encoding="utf-8")
    options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "260"]
    assert command("train", "--data", tmp_path / "é.txt", "--out", tmp_path / "run", *options).status == 0
    result = in_a_process(
        "generate", tmp_path / "run", "--prompt", "café", "--max-new-tokens", "10", PYTHONIOENCODING="ascii"
    )
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, an output that is always full")
def test_an_output_that_cannot_be_written_is_one_sentence():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "tinygpt", "models"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr == "tinygpt: standard output: No space left on device\n"
