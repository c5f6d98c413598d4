"""Another package is called autograd: installed before ours, after it, or removed again, the message says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinygpt

pytestmark = pytest.mark.core

ROOT = Path(tinygpt.__file__).parents[1]
THEIRS = "from .core import make_vjp\n\ngrad = make_vjp\n"
THEIR_CORE = "make_vjp = None\n"


def site(tmp_path, name, files):
    """A directory of installed packages; a value that is a Path is linked to."""
    directory = tmp_path / name
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            target.symlink_to(content, target_is_directory=content.is_dir())
        else:
            target.write_text(content)
    return directory


def our_files(*left_out):
    """Our two packages, autograd file by file, as an installation lays them."""
    ours = {f"autograd/{entry.name}": entry for entry in (ROOT / "autograd").iterdir() if entry.name not in left_out}
    return {"tinygpt": ROOT / "tinygpt", **ours}


def try_import(directory, *sites, code="import tinygpt; print('fine')", flags=()):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sites)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


def assert_refused(result):
    assert result.returncode == 1
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError: another package named autograd is installed here")
    assert "fresh environment" in message
    assert result.stdout == ""


def test_ours_alone_is_fine(tmp_path):
    result = try_import(
        tmp_path, site(tmp_path, "ours", our_files()), code="import tinygpt.cli, autograd; print('fine')"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "fine\n", "")


def test_theirs_earlier_on_the_path(tmp_path):
    theirs = site(tmp_path, "theirs", {"autograd/__init__.py": THEIRS, "autograd/core.py": THEIR_CORE})
    ours = site(tmp_path, "ours", our_files())
    result = try_import(tmp_path, theirs, ours)
    assert_refused(result)
    assert str(theirs / "autograd") in result.stderr
    assert try_import(tmp_path, ours, theirs).stdout == "fine\n", "a package that hides behind ours does no harm"


def test_theirs_installed_after_ours_into_the_same_directory(tmp_path):
    files = our_files("__init__.py", "numpy") | {
        "autograd/__init__.py": THEIRS,
        "autograd/core.py": THEIR_CORE,
    }
    assert_refused(try_import(tmp_path, site(tmp_path, "mixed", files)))


def test_theirs_installed_before_ours_and_overwritten(tmp_path):
    files = our_files() | {
        "autograd/core.py": THEIR_CORE,
        "autograd/numpy/__init__.py": "raise RuntimeError\n",
    }
    assert try_import(tmp_path, site(tmp_path, "mixed", files)).stdout == "fine\n"


def test_theirs_removed_again_and_our_init_with_it(tmp_path):
    mixed = site(tmp_path, "mixed", our_files("__init__.py"))
    result = try_import(tmp_path, mixed)
    assert_refused(result)
    assert str(mixed / "autograd") in result.stderr


def test_ours_gone_altogether(tmp_path):
    lone = site(tmp_path, "lone", {"tinygpt": ROOT / "tinygpt"})
    assert_refused(try_import(tmp_path, lone, flags=["-S"]))  # without what is installed: ours may be


@pytest.mark.parametrize("content", ["raise SystemExit('theirs was run')\n", "", "def broken(:\n"])
def test_theirs_is_not_run_to_find_out(tmp_path, content):
    theirs = site(tmp_path, "theirs", {"autograd/__init__.py": content})
    assert_refused(try_import(tmp_path, theirs, site(tmp_path, "ours", our_files())))


def test_theirs_in_an_encoding_of_its_own(tmp_path):
    theirs = site(tmp_path, "theirs", {"autograd/__init__.py": ""})
    (theirs / "autograd/__init__.py").write_bytes(b"# -*- coding: latin-1 -*-\nname = '\xe9'\n")
    assert_refused(try_import(tmp_path, theirs, site(tmp_path, "ours", our_files())))


def test_the_command_says_it_too(tmp_path):
    theirs = site(tmp_path, "theirs", {"autograd/__init__.py": THEIRS})
    code = "import runpy, sys; sys.argv = ['tinygpt', '--help']; runpy.run_module('tinygpt', run_name='__main__')"
    result = try_import(tmp_path, theirs, site(tmp_path, "ours", our_files()), code=code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("tinygpt: another package named autograd is installed here")
    assert result.stderr.count("\n") == 1 and "fresh environment" in result.stderr
