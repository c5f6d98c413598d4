"""Plants mistakes in a copy of the repository, one at a time, and reports which of them the tests notice.

    python tests/mutate.py [TEXT]      only those whose file or replacement contains TEXT

Exit status 1 if a mistake survives. The mistakes stand in mutants.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutant import Mutant
from mutants import MUTANTS
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("autograd", "tinygpt", "tests", "pyproject.toml")
TIME_LIMIT = 180  # seconds: a mistake may also make the tests run forever, and is noticed then
PASSED, FAILED = 0, 1  # pytest's exit statuses; any other says that the tests did not run as meant


def copy_repository(target: Path) -> None:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target / name)


def forget_compiled(path: Path) -> None:
    """Python takes a compiled file for current when size and second of the source agree: ours may agree by chance."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def mutated(source: str, mutant: Mutant) -> str:
    """Raises ValueError where the text to replace is not there exactly once."""
    times = source.count(mutant.old)
    if times != 1:
        raise ValueError(f"mutants.py replaces {mutant.old!r}, which stands {times} times in {mutant.file}")
    return source.replace(mutant.old, mutant.new)


def status_of_tests(root: Path, test: str, keyword: str) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-q", f"tests/{test}.py"]
    without = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]  # plugins that take half of the time
    try:
        run = subprocess.run(
            [*command, *without, *(["-k", keyword] if keyword else [])],
            cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, timeout=TIME_LIMIT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return FAILED
    return run.returncode


def status_with(root: Path, mutant: Mutant) -> int:
    path = root / mutant.file
    source = path.read_text(encoding="utf-8")
    try:
        forget_compiled(path)
        path.write_text(mutated(source, mutant), encoding="utf-8")
        return status_of_tests(root, mutant.test, mutant.keyword)
    finally:
        path.write_text(source, encoding="utf-8")
        forget_compiled(path)


def main() -> int:
    chosen = [m for m in MUTANTS if not sys.argv[1:] or sys.argv[1] in f"{m.file} {m.old} {m.new}"]
    if not chosen:
        print(f"no mistake in mutants.py mentions {sys.argv[1]!r}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        copy_repository(root)
        for mutant in chosen:
            mutated((root / mutant.file).read_text(encoding="utf-8"), mutant)
        for test in tqdm(sorted({m.test for m in chosen}), desc="without mistakes", unit="file"):
            if status_of_tests(root, test, "") != PASSED:
                print(f"tests/{test}.py must pass before mistakes are planted", file=sys.stderr)
                return 2
        survivors = 0
        for mutant in tqdm(chosen, desc="with one mistake", unit="mistake"):
            status = status_with(root, mutant)
            if status != FAILED:
                survivors += 1
                how = "survived" if status == PASSED else f"was not tested (pytest ended with {status})"
                place = f"{mutant.test} -k {mutant.keyword!r}"
                tqdm.write(f"{mutant.file}: {mutant.old!r} -> {mutant.new!r} {how}: {place}")
    print(f"{len(chosen) - survivors} of {len(chosen)} mistakes caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
