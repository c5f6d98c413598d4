"""Downloads a model from the hub of Hugging Face. Their library shows the progress and resumes broken downloads."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadInput, MissingExtra
from .directories import INDEX, MERGES, SETTINGS, VOCABULARIES, WEIGHTS, read_object
from .gpt2 import SHORT_NAMES
from .pretrained import architecture_of

HUB = "https://huggingface.co"
PART = re.compile(r"model-\d+-of-\d+\.safetensors")
NOTED = Path(".cache", "huggingface")  # where their library notes, inside a directory, what it has downloaded
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


def fetch(name: str, out: str | os.PathLike[str] | None = None) -> Path:
    """Downloads what `load` needs of gpt2, gpt2-medium, gpt2-large, gpt2-xl or any OWNER/NAME; returns the directory.

    It downloads settings, weights and vocabulary only, all of one version. The settings come first, so that a model
    that could not be loaded is refused before its weights are downloaded. Afterwards each file is compared with the
    hub's checksum: SHA-256 for large files, git's SHA-1 for the others. Called again, it resumes where it stopped.

    Raises MissingExtra without the package huggingface_hub. Raises BadInput where the hub cannot be reached (saying
    what to download by other means), has no such model or sends another file than it describes, and for a directory
    that holds other things.
    """
    repository = SHORT_NAMES.get(name, name)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository):
        raise BadInput(f"{name!r} is no model: give {', '.join(SHORT_NAMES)}, or OWNER/NAME as the hub has it")
    target = Path(out) if out is not None else Path("models", repository.partition("/")[2])
    if target.exists() and not (target.is_dir() and (_is_empty(target) or (target / NOTED).exists())):
        raise BadInput(f"{target} holds something that was not fetched: choose another --out")
    hub = _require_hub(repository, target)
    with _explained(hub, repository, target):
        info = hub.HfApi().model_info(repository, files_metadata=True)
        files = _needed(repository, {each.rfilename: each for each in info.siblings})
        settings = Path(hub.hf_hub_download(repository, SETTINGS, revision=info.sha))
        architecture_of(read_object(settings), Path(repository, SETTINGS)).read_config(read_object(settings), 0.0)
        hub.snapshot_download(repository, revision=info.sha, allow_patterns=list(files), local_dir=target)
    for file in files.values():
        _check(target / file.rfilename, file)
    return target


def _is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


def _require_hub(repository: str, target: Path) -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise MissingExtra(
            f"fetching needs huggingface_hub: pip install -e '.[hf]'; or {_by_hand(repository, target)}"
        ) from None
    return huggingface_hub


def _by_hand(repository: str, target: Path) -> str:
    return (
        f"download {SETTINGS}, {WEIGHTS} and {VOCABULARIES[0]} from {HUB}/{repository}/tree/main on a machine that "
        f"can, and put them into {target}"
    )


@contextmanager
def _explained(hub: Any, repository: str, target: Path) -> Iterator[None]:
    """Turns each error of a download into one sentence. The errors of the hub's library have no common base class."""
    try:
        yield
    except BadInput:
        raise
    except hub.errors.RepositoryNotFoundError:
        raise BadInput(
            f"{HUB} has no model {repository}, or it is not public: check the name, and whether it needs a login"
        ) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise BadInput(f"cannot write {error.filename or target}: {error.strerror}") from None
        raise BadInput(
            f"the download of {repository} failed ({type(error).__name__}: {_first_line(error)}): run it again to go "
            f"on where it stopped; without a network, {_by_hand(repository, target)}"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _needed(repository: str, there: dict[str, Any]) -> dict[str, Any]:
    """The files that `load` reads. Raises BadInput for a repository that lacks one."""
    if WEIGHTS in there:
        weights = [WEIGHTS]
    else:
        weights = [INDEX, *filter(PART.fullmatch, there)] if INDEX in there else []
    if SETTINGS not in there or not weights:
        raise BadInput(f"{repository} has no {SETTINGS if weights else WEIGHTS}: it cannot be loaded here")
    vocabulary = _first_there([(VOCABULARIES[0],), (VOCABULARIES[1], MERGES)], there)
    if not vocabulary:
        raise BadInput(f"{repository} has no {VOCABULARIES[0]}, nor {VOCABULARIES[1]} with {MERGES}: no tokenizer")
    return {name: there[name] for name in (SETTINGS, *weights, *vocabulary)}


def _first_there(choices: Iterable[tuple[str, ...]], there: dict[str, Any]) -> tuple[str, ...]:
    return next((names for names in choices if all(name in there for name in names)), ())


def _check(path: Path, file: Any) -> None:
    """Raises BadInput, and removes the file, where it is not the one that the hub described."""
    if file.lfs is not None:
        expected, start = file.lfs.sha256, hashlib.sha256()
    else:
        size = path.stat().st_size if path.exists() else 0
        expected, start = file.blob_id, hashlib.sha1(b"blob %d\0" % size)
    try:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, lambda: start).hexdigest()
    except OSError as error:
        raise BadInput(f"cannot read {path}, which was downloaded: {error.strerror}") from None
    if found != expected:
        path.unlink()
        raise BadInput(
            f"{path} arrived damaged (its checksum is {found}, and should be {expected}) and was removed: fetch again"
        )
