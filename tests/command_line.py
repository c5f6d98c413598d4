"""What the tests of the command share: a small text, and what they ask of a run and of a refusal."""

import errno
import json
import os
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinygpt
import tinygpt.commands.train as train_module
from tinygpt import safetensors

ROOT = Path(tinygpt.__file__).parents[1]
FILES = ["checkpoint.safetensors", "config.json", "log.jsonl", "loss.svg", "tokenizer.json"]
CONTEXT = 16
SMALL = (
    f"--tokenizer char --n-layer 1 --n-head 2 --n-embd 8 --block-size {CONTEXT} --batch-size 4 --max-iters 12 "
    "--warmup-iters 2 --eval-interval 5 --eval-iters 2 --dropout 0.1 --learning-rate 1e-2 --min-lr 1e-3"
).split()


def some_text(n_words, seed=0):
    rng = np.random.default_rng(seed)
    words = [
        *[
            "the",
            "cat",
            "sat",
            "on",
            "a",
            "mat",
            "and",
            "then",
            "it",
            "saw",
            "another",
            "naïve",
            "dog,",
            "which",
            "ran",
            "home.",
        ]
    ]
    return "".join(words[i] + ("\n" if i % 13 == 3 else " ") for i in rng.integers(len(words), size=n_words))


class Result(NamedTuple):
    status: int
    out: str
    err: str


def everything(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def arrays_of(run):
    return {name: a.copy() for name, a in safetensors.load(run / "checkpoint.safetensors")[0].items()}


def assert_same_run(first, second):
    a, b = arrays_of(first), arrays_of(second)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert logged(first) == logged(second)


def logged(run):
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def assert_refused(result, *words, quiet=True):
    """One sentence on stderr and exit status 2. quiet: nothing else was shown before it."""
    assert result.status == 2, result
    lines = result.err.strip().splitlines()
    assert lines[-1].startswith("tinygpt: "), result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in lines[-1], result.err
    if quiet:
        assert len(lines) == 1, result.err


def interrupted_after(monkeypatch, step):
    """Ctrl-C arrives while step `step` (counted from 1) is being noted."""
    note = train_module._Job._note

    def note_and_interrupt(job, *arguments):
        begun = note(job, *arguments)
        if job.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return begun

    monkeypatch.setattr(train_module._Job, "_note", note_and_interrupt)


def fill_the_disk(monkeypatch, name, at):
    """The at-th file written that is called `name` finds no room."""
    replace, seen = os.replace, []

    def refuse(source, target):
        written = Path(source).suffix == ".tmp"  # a file that is only moved needs no room
        seen.append(Path(target).name if written else None)
        if written and seen.count(name) >= at and Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
