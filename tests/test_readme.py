"""What the README shows is true: its Python runs, its commands are commands, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from tinygpt.commands.parsers.whole import parser

pytestmark = pytest.mark.core

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("tinygpt ")]


def test_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    whole = [block for block in blocks("python") if "import numpy" in block]
    assert whole
    for block in whole:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "graph.svg").exists()


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_are_understood(command):
    parser().parse_args(command[1:])


def test_commands_are_shown():
    assert {command[1] for command in commands()} == {
        "train", "generate", "chat", "score", "eval", "tokenizer", "fetch", "fill", "translate", "models"
    }  # fmt: skip


def test_nothing_is_said_twice():
    titles = re.findall("^## .*", README, re.MULTILINE)
    rooms = re.findall("^tinygpt/\\w+/(?= )", README, re.MULTILINE)
    assert len(set(titles)) == len(titles) > 5 and len(set(rooms)) == len(rooms) > 5


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 50
    missing = {link for link in links if not link.startswith("http") and not (ROOT / link).exists()}
    assert not missing
