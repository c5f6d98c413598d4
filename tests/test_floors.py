"""The plan of the house, held: which room may import which, where NumPy and CuPy are named, how long a file is."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

pytestmark = pytest.mark.core

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("autograd", "tinygpt")

# A module may import its own floor and those below it.
FLOORS = [
    {"tinygpt.errors", "tinygpt.forms", "tinygpt.version"},
    {"tinygpt.files", "tinygpt.safetensors"},
    {"autograd.device", "autograd.gpu", "autograd.precision", "autograd.random"},
    {"autograd.kernels"},
    {"autograd.guard", "autograd.modes"},
    {"autograd.tensor", "autograd.ops"},
    {"autograd.composed", "autograd.functional", "autograd.einsum", "autograd.recompute"},
    {"autograd.gradcheck", "autograd.draw"},
    {"autograd", "tinygpt.text"},
    {"tinygpt.model"},
    {"tinygpt.train", "tinygpt.generate", "tinygpt.interop"},
    {"tinygpt.view"},
    {"tinygpt.commands"},
    {"tinygpt.cli"},
    {"tinygpt.__main__", "tinygpt"},
]
STRANGERS = [("tinygpt.text", "autograd"), ("tinygpt.text", "tinygpt.model"), ("autograd", "tinygpt")]
UPWARDS = ("autograd.tensor", "autograd.ops")  # Tensor's operators call operations, which return Tensors

WITHOUT_NUMPY = [
    *(f"autograd/{name}.py" for name in ("tensor", "einsum", "composed", "functional", "recompute")),
    "autograd/ops",
    "tinygpt/model",
    *(f"tinygpt/train/{name}.py" for name in ("losses", "loop", "adam", "clip", "flat", "schedules", "evaluate")),
]
WITH_CUPY = ["autograd/gpu.py", "autograd/kernels/on_cupy", "tinygpt/parallel/comm.py"]
LONGEST = 350  # lines: DESIGN's measure of what can be read at a sitting


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def imports(name: str) -> Iterator[str]:
    """Every module that the file imports, wherever in it, by its whole name; of a package, the module inside."""
    path = FILES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inside = f"{base}.{alias.name}"
                yield inside if inside in FILES else base


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def floor_of(name: str) -> int:
    """The floor of the room with the longest matching name."""
    rooms = [(room, number) for number, floor in enumerate(FLOORS) for room in floor]
    exact = {"autograd", "tinygpt"}  # as packages these are their __init__ alone
    return max((len(room), n) for room, n in rooms if (name == room if room in exact else within(name, room)))[1]


GRAPH = {name: {target for target in imports(name) if target in FILES} for name in FILES}


def test_every_module_stands_on_a_floor():
    homeless = []
    for name in FILES:
        try:
            floor_of(name)
        except ValueError:
            homeless.append(name)
    assert not homeless, f"tell FLOORS where these stand: {homeless}"


def test_no_module_imports_a_floor_above():
    wrong = [f"{name} imports {target}" for name, targets in GRAPH.items() for target in targets
             if floor_of(target) > floor_of(name)]  # fmt: skip
    assert not wrong


def test_neighbours_that_do_not_know_each_other():
    wrong = [f"{name} imports {target}" for (room, other), (name, targets) in product(STRANGERS, GRAPH.items())
             for target in targets if within(name, room) and within(target, other)]  # fmt: skip
    assert not wrong


def test_imports_form_no_circle_but_through_the_known_one():
    """Modules are taken away while they import only what is gone: what remains stands in a circle, or above one."""
    left = {name: {t for t in targets if (name, t) != UPWARDS} for name, targets in GRAPH.items()}
    while free := {name for name, targets in left.items() if not targets & left.keys() - {name}}:
        left = {name: targets for name, targets in left.items() if name not in free}
    assert not left, f"in a circle, or above one: {sorted(left)}"


def test_the_known_circle_is_still_there():
    tensor, ops = UPWARDS
    assert ops in GRAPH[tensor]
    assert any(tensor in targets for name, targets in GRAPH.items() if within(name, ops))


def importers(library: str) -> set[str]:
    return {name for name in FILES if any(within(target, library) for target in imports(name))}


def files_under(places: list[str]) -> set[str]:
    return {name for name, path in FILES.items() for place in places
            if path == ROOT / place or (ROOT / place) in path.parents}  # fmt: skip


def test_no_numpy_where_any_array_library_serves():
    listed = files_under(WITHOUT_NUMPY)
    assert len(listed) > 15, "WITHOUT_NUMPY names files that are gone"
    assert not listed & importers("numpy")


def test_cupy_is_imported_in_its_places_alone():
    assert importers("cupy") <= files_under(WITH_CUPY)


def test_the_textbook_room_does_without_the_fast_ones():
    for name in files_under(["autograd/kernels/reference"]):
        assert not any("on_numpy" in t or "on_cupy" in t or within(t, "numpy") for t in imports(name)), name


@pytest.mark.parametrize(
    ("imported", "absent"),
    [("tinygpt", "numpy autograd"), ("tinygpt.cli", "numpy"), ("tinygpt.text.batches", "autograd"),
     ("autograd", "cupy tinygpt torch"), ("tinygpt.model", "cupy tinygpt.train tinygpt.text")],
)  # fmt: skip
def test_importing_one_does_not_import_the_other(imported, absent):
    found = f"import sys, {imported}; print(*(name for name in {absent.split()} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", found], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("name", FILES)
def test_length(name):
    lines = len(FILES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{FILES[name].relative_to(ROOT)} has {lines} lines: divide it"
