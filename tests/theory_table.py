"""The README's table theory → source → example → test, made from the markers in docstrings.

    python tests/theory_table.py            prints it
    python tests/theory_table.py --write    puts it between the two comments in README.md

A marker is the end of the docstring of a function or class that is a formula: four lines, in this order.

    Formula: y = x W + b
    Paper: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", equation 1
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "autograd", "tinygpt/text", "tinygpt/model", "tinygpt/train", "tinygpt/generate", "tinygpt",
)  # fmt: skip
"""The way of the data; a file belongs to the first room that holds it."""

BEGIN, END = "<!-- theory table -->", "<!-- end of theory table -->"
MARKER = re.compile(r"^Formula: (.+)\nPaper: (.+)\nExample: (\S+)\nTest: (\S+)\Z", re.MULTILINE)
Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Marker:
    """A formula and where it is: all paths relative to the root of the repository."""

    name: str  # "softmax", or "Evaluation.bits_per_byte" for a method
    formula: str
    paper: str
    source: str
    example: str
    test: str


class MalformedMarker(ValueError):
    """A docstring that has some of the four lines, but does not end with all of them in order."""


def markers(root: Path = ROOT) -> list[Marker]:
    """Every marker of autograd/ and tinygpt/, in the order of the rooms. Raises MalformedMarker."""
    found = []
    for path in source_files(root):
        source = path.relative_to(root).as_posix()
        found += [
            Marker(name, *(fields[:2]), source, *fields[2:])
            for name, node in definitions(ast.parse(path.read_text(encoding="utf-8")))
            if (fields := parse_marker(ast.get_docstring(node) or "", f"{source}: {name}"))
        ]
    return found


def source_files(root: Path = ROOT) -> list[Path]:
    """The modules of both packages, each once, sorted within its room."""
    files: dict[Path, None] = {}
    for room in ROOMS:
        files |= dict.fromkeys(sorted((root / room).rglob("*.py")))
    return list(files)


def definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions, classes and methods under their qualified names, in source order; not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, f"{prefix}{node.name}.")


def parse_marker(docstring: str, where: str) -> tuple[str, ...] | None:
    """(formula, paper, example, test); None for a docstring without any of the lines."""
    if match := MARKER.search(docstring.rstrip()):
        return match.groups()
    if re.search(r"^(Formula|Paper|Example|Test): ", docstring, re.MULTILINE):
        raise MalformedMarker(
            f"{where}: a marker is the end of a docstring, one line each for Formula, Paper, Example and Test"
        )
    return None


def table(found: list[Marker]) -> str:
    """The Markdown table, one row a formula."""
    head = ["| theory | source | example | test |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(_row(marker) for marker in found)]) + "\n"


def section(readme: str) -> str | None:
    """What stands between the two comments of a README; None where they are not there."""
    if BEGIN not in readme or END not in readme:
        return None
    return readme.partition(BEGIN)[2].partition(END)[0]


def write(path: Path, found: list[Marker]) -> None:
    """Replaces the section. Raises ValueError where the README has none."""
    readme = path.read_text(encoding="utf-8")
    if section(readme) is None:
        raise ValueError(f"{path} has no line {BEGIN} followed by a line {END}")
    before, after = readme.partition(BEGIN)[0], readme.partition(END)[2]
    new = path.with_name(path.name + ".new")
    new.write_text(f"{before}{BEGIN}\n{table(found)}{END}{after}", encoding="utf-8")
    os.replace(new, path)


def _row(marker: Marker) -> str:
    theory = f"**{marker.name}** {_code(marker.formula)}<br>{_escaped(marker.paper)}"
    links = (_link(path) for path in (marker.source, marker.example, marker.test))
    return f"| {theory} | {' | '.join(links)} |"


def _link(path: str) -> str:
    room, _, file = path.rpartition("/")
    shown = file.removesuffix(".py") if room in ("examples", "tests") else path
    return f"[{shown}]({path})"


def _code(text: str) -> str:
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    """A bar would end the cell, even inside code."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write(ROOT / "README.md", markers())
    else:
        print(table(markers()), end="")
