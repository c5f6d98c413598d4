"""What is said of a machine that something outside makes slow."""

import builtins
import io
import itertools
import os
import subprocess
import sys

import pytest

from autograd.kernels import cpu

pytestmark = pytest.mark.core


@pytest.fixture
def running(monkeypatch):
    """running(3, 4, …): so many threads run whenever somebody looks, one look after the other."""
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(cpu, "PAUSE", 0)

    def pretend(*counts):
        looks = itertools.cycle(counts)
        plain = builtins.open

        def opened(path, *arguments, **options):
            if path != "/proc/loadavg":
                return plain(path, *arguments, **options)
            return io.StringIO(f"0.50 0.75 1.00 {next(looks)}/512 6438\n")

        monkeypatch.setattr(builtins, "open", opened)

    return pretend


def test_other_programs_that_keep_cores_busy_are_noticed(running, set_cores, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    set_cores(4)
    running(3)
    assert cpu.busy_cores() == 2
    assert "2 of this machine's 4 cores" in cpu.advice() and "OMP_NUM_THREADS=2" in cpu.advice()
    running(9)
    assert "OMP_NUM_THREADS=1 " in cpu.advice()


def test_nobody_is_told_where_there_are_cores_enough(running, set_cores, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    set_cores(4)
    for counts in ((1,), (4, 1), (0,)):  # alone; others that come and go; a system that does not count
        running(*counts)
        assert cpu.busy_cores() == 0 and cpu.advice() is None
    set_cores(2)
    running(3)  # two run, and this one uses two of the four
    assert cpu.advice() is None
    set_cores(1)
    running(9)
    assert cpu.advice() is None, "one thread waits for no other"


def test_where_the_system_says_nothing_no_core_is_taken(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(builtins, "open", missing)
    assert cpu.busy_cores() == 0


def test_kernels_chosen_by_hand_are_named():
    if cpu._openblas() is None:
        pytest.skip("NumPy's matrix library is not OpenBLAS here")
    script = "from autograd import advice; print(advice())"
    set_by_hand = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
    said = subprocess.run([sys.executable, "-c", script], env=set_by_hand, capture_output=True, text=True, check=True)
    assert "unset OPENBLAS_CORETYPE" in said.stdout
