"""The cores, threads and BLAS of the process, and what is said of a machine that something outside makes slow."""

import builtins
import io
import itertools
import os
import subprocess
import sys
import time

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


def run_alone(script, **environment):
    """What a process of its own prints, in an environment that says nothing of threads but what is given."""
    silent = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_THREAD_TIMEOUT")
    there = {name: value for name, value in os.environ.items() if name not in silent} | environment
    done = subprocess.run(
        [sys.executable, "-c", script], env=there, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


needs_openblas = pytest.mark.skipif(cpu._openblas() is None, reason="NumPy's matrix library is not OpenBLAS here")


class TestCores:
    @pytest.fixture
    def groups(self, monkeypatch, tmp_path):
        """groups(line, {file: text}): the control groups of this process, and what their files say."""

        def pretend(lines, files):
            (tmp_path / "cgroup").write_text(lines)
            for name, text in files.items():
                path = tmp_path / "fs" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            monkeypatch.setattr(cpu, "PROCESS_CGROUPS", tmp_path / "cgroup")
            monkeypatch.setattr(cpu, "CGROUPS", tmp_path / "fs")
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
            cpu.cores.cache_clear()
            return cpu.cores()

        yield pretend
        monkeypatch.undo()
        cpu.cores.cache_clear()

    def test_quotas_of_version_2_are_those_of_all_groups_around(self, groups):
        assert groups("0::/\n", {}) == 16
        assert groups("0::/\n", {"cpu.max": "max 100000\n"}) == 16
        assert groups("0::/\n", {"cpu.max": "350000 100000\n"}) == 4
        assert groups("0::/a/b\n", {"a/cpu.max": "250000 100000\n", "a/b/cpu.max": "max 100000\n"}) == 3
        assert groups("0::/a/b\n", {"a/b/cpu.max": "1000 100000\n"}) == 1

    def test_quotas_of_version_1(self, groups):
        lines = "3:cpuset:/x\n2:cpu,cpuacct:/x\n0::/\n"
        quota, period = "cpu/x/cpu.cfs_quota_us", "cpu/x/cpu.cfs_period_us"
        assert groups(lines, {quota: "-1\n", period: "100000\n"}) == 16
        assert groups(lines, {quota: "150000\n"}) == 2
        assert groups("damaged\n", {}) == 16

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinities here")
    def test_affinity(self):
        one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import autograd.kernels.cpu as c"
        assert run_alone(f"{one}; print(c.cores())") == "1"

    @pytest.mark.parametrize(("said", "cores"), [("3", 3), ("3,2", 3), (" 5 ", 5), ("0", 0), ("²", 0), ("", 0)])
    def test_what_the_user_says(self, said, cores, monkeypatch):
        cpu.cores.cache_clear()
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        otherwise = cpu.cores()
        cpu.cores.cache_clear()
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert cpu.cores() == (cores or otherwise)
        cpu.cores.cache_clear()


@needs_openblas
class TestConfigure:
    SET_UP = "import os, autograd.kernels.cpu as c; c.configure(); "

    def test_idle_threads_of_openblas_sleep_sooner(self):
        said = "print(os.environ['OPENBLAS_THREAD_TIMEOUT'], c.blas_threads() == min(c.cores(), c.blas_threads()))"
        assert run_alone(self.SET_UP + said) == "20 True"

    def test_what_the_user_has_set_stays(self):
        said = "print(os.environ['OPENBLAS_THREAD_TIMEOUT'], c.blas_threads())"
        assert run_alone(self.SET_UP + said, OPENBLAS_THREAD_TIMEOUT="7", OPENBLAS_NUM_THREADS="1") == "7 1"

    def test_blas_keeps_to_the_cores_of_the_process(self):
        script = "import autograd.kernels.cpu as c; c.cores = lambda: 1; c.configure(); print(c.blas_threads())"
        assert run_alone(script) == "1"

    def test_beside_a_thread_that_multiplies(self):
        """OpenBLAS's threads may not be restarted then: who waits for them would wait for ever."""
        script = """
import threading, numpy as np, autograd.kernels.cpu as c
a, stop = np.ones((300, 300)), threading.Event()
def multiply():
    while not stop.is_set():
        a @ a
others = [threading.Thread(target=multiply) for _ in range(2)]
[each.start() for each in others]
for _ in range(20):
    c.configure()
stop.set()
[each.join() for each in others]
print("done")
"""
        assert run_alone(script) == "done"

    def test_freed_memory_is_kept(self):
        """A page that is not given back is not zeroed again by the kernel: minor faults tell."""
        if "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") if sys.platform == "linux" else ""):
            pytest.skip("mallopt is glibc's")
        script = self.SET_UP + """
import resource, numpy as np
def faults(n):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n): np.ones(1 << 22)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(2)
print(faults(10))
"""
        assert int(run_alone(script)) < 1000


class TestTasks:
    @pytest.fixture(autouse=True)
    def several(self, set_cores):
        set_cores(4)

    @needs_openblas
    def test_blas_has_its_threads_again_afterwards_and_after_an_error(self):
        usual = cpu.blas_threads()
        try:
            cpu.set_blas_threads(2)
            inside = []
            cpu.for_tasks(8, lambda _: inside.append(cpu.blas_threads()), cpu.WORTH_SHARING)
            assert set(inside) == {1} and cpu.blas_threads() == 2
            with pytest.raises(ZeroDivisionError):
                cpu.for_tasks(8, lambda n: 1 / (n - 3), cpu.WORTH_SHARING)
            assert cpu.blas_threads() == 2
        finally:
            cpu.set_blas_threads(usual)

    def test_nobody_works_on_when_an_error_is_raised(self):
        finished = []

        def task(n):
            if n == 0:
                raise ValueError("the first")
            time.sleep(0.05)
            finished.append(n)

        with pytest.raises(ValueError, match="the first"):
            cpu.for_tasks(12, task, cpu.WORTH_SHARING)
        seen = len(finished)
        time.sleep(0.1)
        assert len(finished) == seen

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_after_a_fork(self):
        """In the child there are no threads but its own, and nobody who held the lock."""
        with cpu.one_blas_thread(), cpu._lock:
            child = os.fork()
            if child == 0:
                done = []
                cpu.for_tasks(8, done.append, cpu.WORTH_SHARING)
                os._exit(0 if sorted(done) == list(range(8)) and cpu._users == 0 else 1)
        until = time.monotonic() + 20
        while (found := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
            time.sleep(0.01)
        if found == (0, 0):
            os.kill(child, 9)
            os.waitpid(child, 0)
        assert found == (child, 0)
