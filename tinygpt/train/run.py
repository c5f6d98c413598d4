"""The directory of a training run: which files it holds, and what may be overwritten.

    config.json             every option of the run, the corpus's fingerprint, what computed it
    tokenizer.json          text to token ids and back
    checkpoint.safetensors  parameters, moments, step: enough to continue or to generate
    log.jsonl               one line for each step and for each evaluation
    loss.svg                the loss curves of both (also loss.png if matplotlib is installed)

Until its first save a new run keeps its files in a directory inside, NEW, and those of a run that it replaces stay.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

from ..errors import BadInput
from ..files import replacing
from ..text.tokenizer import load_tokenizer
from .checkpoints import Checkpoint, load_checkpoint

OURS = ("config.json", "tokenizer.json", "checkpoint.safetensors", "log.jsonl", "loss.svg", "loss.png")
UNFINISHED = tuple(f".{name}." for name in OURS)  # prefixes of files that a killed run was writing
NEW = ".new-run"


class Run:
    """Paths of a run, and its log."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._made = False
        self._keep_files_in(self.path)

    def _keep_files_in(self, directory: Path) -> None:
        self.config, self.tokenizer, self.checkpoint, self.log, self.curve, self.curve_png = (
            directory / name for name in OURS
        )

    @classmethod
    def create(cls, path: str | os.PathLike[str], overwrite: bool) -> Run:
        """A new run without files. Those of the run that it replaces are removed by `settle`, and nothing else ever is.

        Raises BadInput as `require_room` does, and where nothing may be written.
        """
        run = cls(path)
        run.require_room(overwrite)
        run._keep_files_in(run.path / NEW)
        run._made = not run.path.exists()
        try:
            _remove(run.path / NEW)  # of a run that was killed before its first save
            (run.path / NEW).mkdir(parents=True)
        except OSError as error:
            raise BadInput(f"cannot make the run directory {run.path}: {error.strerror}") from None
        return run

    def require_room(self, overwrite: bool) -> None:
        """Raises BadInput if the directory is not empty, or, with overwrite, if it holds anything but a run."""
        try:
            if self.path.exists() and not self.path.is_dir():
                raise BadInput(f"{self.path} is a file, and a run needs a directory: choose another --out")
            there = sorted(entry.name for entry in self.path.iterdir()) if self.path.exists() else []
        except OSError as error:
            raise BadInput(f"cannot make the run directory {self.path}: {error.strerror}") from None
        foreign = [name for name in there if name not in (*OURS, NEW) and not name.startswith(UNFINISHED)]
        resumable = self.checkpoint.exists()
        if foreign and (overwrite or not resumable):
            raise BadInput(f"{self.path} holds {foreign[0]!r}, which is no part of a run: choose another --out")
        if there and not overwrite:
            go_on = "go on with --resume" if resumable else "nothing was saved in it to go on with"
            replace_it = "" if foreign else "replace it with --overwrite, "
            raise BadInput(f"the run directory {self.path} exists: {go_on}, {replace_it}or choose another --out")

    def settle(self) -> None:
        """Puts a new run, which has a checkpoint now, in the place of the former one; an older run stays as it is.

        The checkpoint goes before the other files. Should the process be killed on the way, it is whole, the former's
        or the new one, and holds a copy of what the others say.
        """
        if self.checkpoint.parent == self.path:
            return
        new, former = self.path / NEW, Run(self.path)
        try:
            for name in OURS:
                if name != former.checkpoint.name:
                    (self.path / name).unlink(missing_ok=True)
            os.replace(self.checkpoint, former.checkpoint)
            for file in new.iterdir():
                os.replace(file, self.path / file.name)
            new.rmdir()
        except OSError as error:
            raise BadInput(f"cannot write the run {self.path}: {error.strerror}") from None
        self._keep_files_in(self.path)
        self.remove_unfinished()

    def abandon(self) -> None:
        """Removes a new run that has not been settled; an older run stays as it is."""
        if self.checkpoint.parent != self.path:
            with suppress(OSError):
                _remove(self.path / NEW)
                if self._made:
                    self.path.rmdir()

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> Run:
        """A run that has a checkpoint. Raises BadInput if there is none."""
        run = cls(path)
        if run.path.is_file():
            raise BadInput(f"{run.path} is a file: name the directory of a run")
        if not run.path.is_dir():
            named = quote(str(path))
            raise BadInput(f"there is no run directory {run.path}: train one with tinygpt train --out {named}")
        if not run.checkpoint.exists():
            raise BadInput(
                f"{run.path} holds no {run.checkpoint.name}: it is no run, or stopped before its first save "
                "(train --overwrite begins it again)"
            )
        return run

    def remove_unfinished(self) -> None:
        """Removes what a killed run was writing, which may be as large as a checkpoint."""
        for path in self.path.glob(".*"):
            if path.name.startswith(UNFINISHED):
                with suppress(OSError):
                    path.unlink()
        with suppress(OSError):
            _remove(self.path / NEW)

    def load(self) -> Checkpoint:
        """The checkpoint. Raises BadInput if it is damaged, or if tokenizer.json is another tokenizer."""
        checkpoint = load_checkpoint(self.checkpoint)
        if self.tokenizer.exists() and load_tokenizer(self.tokenizer) != checkpoint.tokenizer:
            raise BadInput(
                f"{self.tokenizer} is not the tokenizer that this checkpoint was trained with: put the right one "
                "back, or remove it (the checkpoint holds a copy)"
            )
        return checkpoint

    def write_config(self, config: dict[str, Any]) -> None:
        with replacing(self.config) as file:
            file.write(json.dumps(config, indent=2).encode() + b"\n")

    def append_log(self, entries: list[dict[str, Any]]) -> None:
        """Adds lines to log.jsonl. Raises BadInput if they cannot be written."""
        try:
            with self.log.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)
        except OSError as error:
            raise BadInput(f"cannot write {self.log}: {error.strerror}") from None

    def read_log(self, before_step: int | None = None) -> list[dict[str, Any]]:
        """The log's entries; with before_step, those of earlier steps only. A line cut off at the end is dropped."""
        entries = []
        if self.log.exists():
            for line in self.log.read_text(encoding="utf-8").splitlines():
                with suppress(json.JSONDecodeError):
                    entries.append(json.loads(line))
        entries = [e for e in entries if isinstance(e, dict) and "step" in e]
        return [e for e in entries if before_step is None or e["step"] < before_step]

    def rewrite_log(self, entries: list[dict[str, Any]]) -> None:
        with replacing(self.log) as file:
            file.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())


def _remove(directory: Path) -> None:
    """Removes a directory that holds nothing but files of a run. Raises OSError where it holds more."""
    if directory.exists():
        for file in directory.iterdir():
            if file.name in OURS or file.name.startswith(UNFINISHED):
                file.unlink()
        directory.rmdir()
