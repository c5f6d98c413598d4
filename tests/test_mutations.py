"""The suite notices seeded mistakes; see mutate.py."""

import subprocess
import sys

import pytest
from mutants import MUTANTS
from mutate import ROOT, mutated


@pytest.mark.core
def test_every_mistake_still_finds_its_place():
    for mutant in MUTANTS:
        assert mutated((ROOT / mutant.file).read_text(encoding="utf-8"), mutant)
        assert (ROOT / "tests" / f"{mutant.test}.py").exists()


@pytest.mark.core
def test_there_are_enough_of_them_and_no_two_alike():
    assert len(set(MUTANTS)) == len(MUTANTS) >= 50


@pytest.mark.slow
def test_every_mistake_is_caught():
    run = subprocess.run([sys.executable, "tests/mutate.py"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
