"""Standard streams that are closed, full, or not text: one sentence, and no work lost."""

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from command_line import ROOT, SMALL, assert_refused

from tinygpt import safetensors
from tinygpt.cli import main

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.usefixtures("without_matplotlib")

LINE = [sys.executable, "-m", "tinygpt"]


class Closing:
    """An output whose reader goes away when it has read `words`."""

    def __init__(self, words):
        self.words, self.seen = words, ""

    def write(self, text):
        if self.words in self.seen:
            raise BrokenPipeError
        self.seen += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("words", "step"), [("step 5:", 5), ("whole held-out", 12), ("", None)], ids=["on the way", "at the end", "at once"]
)
def test_training_does_not_end_quietly_when_its_output_is_closed(
    data, tmp_path, monkeypatch, capsys, words, step
):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closing(words))
        assert main(["train", "--data", str(data), "--out", str(out), *SMALL]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    if step is None:
        assert said == "tinygpt: the output was closed: stopped before the first save" and not out.exists()
    else:
        assert f"stopped after step {step}; go on with: tinygpt train --out {out} --resume" in said
        assert int(safetensors.load(out / "checkpoint.safetensors")[1]["step"]) == step


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_training_in_a_pipe(data, tmp_path):
    line = [*LINE, "train", "--data", str(data), "--out", str(tmp_path / "run"), *SMALL]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 2
    assert err == "tinygpt: the output was closed: stopped before the first save\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of another kind")
def test_closed_streams(trained):
    def closed(command, which):
        return subprocess.run(["sh", "-c", f"{command} {which}"], cwd=ROOT, capture_output=True, text=True)

    tinygpt = f"'{sys.executable}' -m tinygpt"
    done = closed(f"{tinygpt} models gpt2", ">&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert closed(f"{tinygpt} models none", "2>&-").returncode == 2


def test_ctrl_c_while_the_command_is_being_imported(command, monkeypatch):
    class Pressed:
        def find_spec(self, name, *_):
            if name == "tinygpt.commands.parsers.whole":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "tinygpt.commands.parsers.whole", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    assert command("models") == (130, "", "tinygpt: interrupted\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_vocabulary_from_a_pipe(command, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        pool.submit((tmp_path / "pipe").write_text, "the cat sat on the mat " * 9)
        line = ["tokenizer", "train", "--data", tmp_path / "pipe", "--vocab-size", "270", "--out", tmp_path / "v.json"]
        assert command(*line).status == 0


@pytest.mark.parametrize("line", [["score"], ["chat"], ["tokenizer", "encode"], ["tokenizer", "decode"]])
def test_a_closed_input_is_one_sentence(command, trained, monkeypatch, line):
    monkeypatch.setattr(sys, "stdin", None)
    assert_refused(command(*line, trained), "standard input is closed")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (["generate", "run", "--prompt", "caf\udce9"], "--prompt"),
        (["generate", "run", "--ban", "tea", "caf\udce9"], "--ban"),
        (["score", "run", "caf\udce9"], "TEXT"),
        (["tokenizer", "train", "--special-token", "caf\udce9", "--data", "a", "--vocab-size", "9", "--out", "b"],
         "--special-token"),
    ],
)  # fmt: skip
def test_a_text_on_the_command_line_that_could_not_be_decoded(command, line, name):
    assert_refused(command(*line), f"{name} 'caf\\udce9' is not utf-8", "in a file")


@pytest.mark.parametrize(
    "line",
    [["train", "--data", ""], ["train", "--out", ""], ["train", "--init-from", ""], ["score", "run", "--data", ""],
     ["generate", ""], ["tokenizer", "encode", ""], ["eval", "run", "--data", "a", ""]],
)  # fmt: skip
def test_an_empty_path_is_not_the_directory_here(command, line):
    assert_refused(command(*line), "is empty: name a file or a directory")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["score"], "--encoding='latin-1'"),
        (["tokenizer", "encode"], "--encoding='latin-1'"),
        (["tokenizer", "encode", "--data", "-"], "--encoding='latin-1'"),
    ],
)
def test_an_input_in_another_encoding(command, trained, monkeypatch, line, words):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
    assert_refused(command(*line, trained), "standard input is not utf-8", words)
