"""Fixtures for the tests of the command: a way to call it, a small file, and a run that has learned from it."""

import shutil
import sys
from pathlib import Path

import pytest
from command_line import SMALL, Result, some_text

from tinygpt.cli import main


@pytest.fixture
def command(capsys):
    """tinygpt with these arguments, in this process."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def without_matplotlib(monkeypatch):
    """It takes seconds to import; test_view.py draws with it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "story.txt"
    path.write_text(some_text(900), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
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
