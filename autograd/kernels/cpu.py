"""The processor's cores, threads, BLAS library and memory: everything that is shared by the whole process.

Work is divided into blocks of a fixed size, whatever the number of threads, so that sums over blocks give the same
bits. Importing this module changes no setting; `configure` does, and only entry points call that.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy

BLOCK = 3 << 16  # elements of a block: 768 KB in float32, few enough for the cache, many enough to be worth a call
WORTH_SHARING = 1 << 20  # elements: waking another thread costs 60 to 90 µs, sharing the interpreter some more


@functools.cache
def cores() -> int:
    """Cores this process may use: OMP_NUM_THREADS, else the least of its affinity and the quotas of its cgroups."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    return min([allowed, *_quotas()])


PROCESS_CGROUPS, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")  # of Linux


def _quotas() -> Iterator[int]:
    """The cores, rounded up, that each control group around this process leaves to it."""
    with suppress(OSError, ValueError):
        for line in PROCESS_CGROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)  # of version 2, which is one hierarchy, no controllers are named
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = CGROUPS / "cpu" if controllers else CGROUPS
            place = root / path.lstrip("/")
            for directory in (place, *place.parents):
                if directory.is_relative_to(root):
                    yield from _quota(directory)


def _quota(directory: Path) -> Iterator[int]:
    files = (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"])  # of version 2 and of version 1
    for names in files:
        with suppress(OSError, ValueError):  # there is no such file, or no limit: "max"
            quota, period = (int(word) for name in names for word in (directory / name).read_text().split())
            if quota > 0:
                yield max(1, -(-quota // period))


def for_blocks(n: int, size: int, body: Callable[[int, int, int], None], elements: int | None = None) -> None:
    """Calls body(number, start, stop) for blocks of `size` items that cover 0 … n, on every core if that pays.

    elements: the whole work, in elements (default n), which decides whether other threads are worth waking.
    """
    if 0 < n <= size:
        return body(0, 0, n)
    blocks = -(-n // size)

    def block(number: int) -> None:
        body(number, number * size, min(n, (number + 1) * size))

    for_tasks(blocks, block, n if elements is None else elements)


def for_tasks(n: int, task: Callable[[int], None], elements: int) -> None:
    """Calls task(0) … task(n − 1), each once, on every core if the `elements` of all tasks are worth it.

    Matrix products inside then use one thread each.
    """
    workers = min(cores(), n) if elements >= WORTH_SHARING else 1
    if workers <= 1 or _inside.active:
        for number in range(n):
            task(number)
        return
    numbers = itertools.count()  # next() is atomic: a thread that is free takes the next task

    def work() -> None:
        _inside.active = True
        try:
            for number in numbers:
                if number >= n:
                    return
                task(number)
        finally:
            _inside.active = False

    with one_blas_thread():
        others = [_pool().submit(work) for _ in range(workers - 1)]
        try:
            work()
        finally:
            for other in others:
                other.exception()  # waits: nobody writes into the arrays any more when an error reaches the caller
        for other in others:
            other.result()


class _Inside(threading.local):
    """Whether this thread is running a task of `for_tasks`: a task starts no further threads."""

    active = False


_inside = _Inside()


POOL = "autograd's kernels"  # what its threads are called


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, cores() - 1), thread_name_prefix=POOL)


@functools.cache
def _openblas() -> tuple[ctypes.CDLL, str, str] | None:
    """NumPy's bundled OpenBLAS and the prefix and suffix of its names; None where NumPy uses another library."""
    here = os.path.dirname(numpy.__file__)
    for path in glob.glob(os.path.join(here, "..", "numpy.libs", "*openblas*")) + glob.glob(
        os.path.join(here, ".dylibs", "*openblas*")
    ):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "")):
            if hasattr(library, f"{prefix}openblas_set_num_threads{suffix}"):
                return library, prefix, suffix
    return None


def blas_threads() -> int | None:
    """How many threads matrix products use; None where that cannot be known."""
    if _openblas() is None:
        return None
    library, prefix, suffix = _openblas()
    return int(library[f"{prefix}openblas_get_num_threads{suffix}"]())


def set_blas_threads(n: int) -> None:
    """Sets it for the whole process; does nothing where the BLAS library is not OpenBLAS."""
    if _openblas() is not None:
        library, prefix, suffix = _openblas()
        library[f"{prefix}openblas_set_num_threads{suffix}"](n)


_lock = threading.Lock()
_users = 0
_usual = 1


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Matrix products inside use one thread each, because the other cores have work already."""
    global _users, _usual
    with _lock:
        _users += 1
        if _users == 1 and _openblas() is not None:
            _usual = blas_threads()
            set_blas_threads(1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _openblas() is not None:
                set_blas_threads(_usual)


def _is_alone() -> bool:
    """Whether no other thread of this process can be in a matrix product: there is none, or only our idle ones."""
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    return _users == 0 and all(thread.name.startswith(POOL) for thread in others)


def _after_fork() -> None:
    """Threads do not survive a fork: there is no pool, and whoever held the lock or used one thread is not here."""
    global _lock, _users
    _pool.cache_clear()
    _lock = threading.Lock()
    if _users and _openblas() is not None:
        set_blas_threads(_usual)
    _users = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def blas_info() -> dict[str, str | int | None]:
    """Name, kernel (the instruction set it chose) and threads of the library behind matrix products."""
    if _openblas() is None:
        return {"library": numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"],
                "kernel": None, "threads": None}  # fmt: skip
    library, prefix, suffix = _openblas()
    name = library[f"{prefix}openblas_get_corename{suffix}"]
    config = library[f"{prefix}openblas_get_config{suffix}"]
    name.restype = config.restype = ctypes.c_char_p
    return {
        "library": " ".join(config().decode().split()[:2]),
        "kernel": name().decode(),
        "threads": blas_threads(),
    }


def advice() -> str | None:
    """What slows this machine down from outside, and the remedy; None where nothing is found."""
    core = os.environ.get("OPENBLAS_CORETYPE")
    if core and _openblas() is not None:
        return (
            f"OPENBLAS_CORETYPE={core} is set, which chooses the matrix library's kernels by hand: without it "
            "OpenBLAS picks the fastest that this processor has, often twice as fast (unset OPENBLAS_CORETYPE)"
        )
    taken = busy_cores() - ((os.cpu_count() or 1) - cores()) if cores() > 1 else 0
    if taken > 0:
        return (
            f"other programs keep {min(taken, cores())} of this machine's {cores()} cores busy: the threads of a "
            f"matrix product then wait for one that has no core, and a small one takes many times as long; until they "
            f"end, OMP_NUM_THREADS={max(1, cores() - taken)} is likely faster"
        )
    return None


LOOKS, PAUSE = 4, 0.01  # samples, and seconds between: a thread that wakes up now and then occupies no core


def busy_cores() -> int:
    """How many threads of other programs run all the time; 0 where that cannot be known (anywhere but on Linux)."""
    others = []
    for look in range(LOOKS):
        time.sleep(PAUSE if look else 0)
        try:
            with open("/proc/loadavg", encoding="ascii") as file:
                running = int(file.read().split()[3].partition("/")[0])  # 3/512: three of 512 threads run
        except (OSError, ValueError, IndexError):
            return 0
        others.append(running - 1)  # one is this thread
        if others[-1] <= 0:
            return 0
    return min(others)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEEP = 1 << 30  # bytes: free memory up to this is kept instead of being given back and zeroed page by page
KEEP_OLD = 1 << 25  # the most that older versions of glibc accept
IDLE = "20"  # OpenBLAS's waiting threads sleep after 2**20 clock ticks: ready for a product that comes soon


def configure() -> None:
    """Changes settings of the whole process that make training faster, except those that the user has set.

    Keeps freed memory for reuse (glibc), limits OpenBLAS to `cores()` and lets its idle threads sleep. Without it all
    works, but slower. OpenBLAS's threads are left as they are where other threads run, which may be in a product.
    """
    if not any(name.startswith("MALLOC_") for name in os.environ):
        try:
            libc = ctypes.CDLL(None)
            libc.mallopt(M_MMAP_THRESHOLD, KEEP) or libc.mallopt(M_MMAP_THRESHOLD, KEEP_OLD)
            libc.mallopt(M_TRIM_THRESHOLD, KEEP)
        except (OSError, AttributeError, TypeError):  # not glibc
            pass
    if _openblas() is None:
        return
    if not os.environ.get("OPENBLAS_NUM_THREADS") and blas_threads() > cores():
        set_blas_threads(cores())
    if os.environ.get("OPENBLAS_THREAD_TIMEOUT") or not _is_alone():
        return
    library, _, _ = _openblas()
    os.environ["OPENBLAS_THREAD_TIMEOUT"] = IDLE
    if all(hasattr(library, name) for name in ("openblas_read_env", "blas_thread_shutdown_")):
        threads = blas_threads()
        library.openblas_read_env()  # OpenBLAS reads its environment when it is loaded: have it read again,
        library.blas_thread_shutdown_()  # and restart its threads, which took the old value
        set_blas_threads(threads)
