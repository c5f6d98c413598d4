"""The theory markers: every link leads somewhere, every example runs its formula, and the README's table is theirs."""

from __future__ import annotations

import pytest
from reachable import Library
from theory_table import ROOT, MalformedMarker, Marker, markers, parse_marker, section, table, write

pytestmark = pytest.mark.core

MARKERS = markers()
EACH = pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: f"{marker.source}:{marker.name}")
README = ROOT / "README.md"
LIBRARY = Library(ROOT)


def test_there_are_markers():
    rooms = {marker.source.rpartition("/")[0] for marker in MARKERS}
    assert {"autograd/kernels/reference", "tinygpt/model", "tinygpt/train", "tinygpt/generate"} <= rooms


@EACH
def test_example_and_test_exist(marker: Marker):
    assert marker.example.startswith("examples/") and marker.example.endswith(".py")
    assert marker.test.startswith("tests/test_") and marker.test.endswith(".py")
    for path in (marker.example, marker.test):
        assert (ROOT / path).is_file(), f"{marker.source}: {marker.name} names {path}, which is not there"


@EACH
def test_example_runs_the_formula(marker: Marker):
    """It uses the function, or its class, or something that leads there."""
    module = marker.source.removesuffix(".py").replace("/", ".")
    used = LIBRARY.leads_to(ROOT / marker.example)
    assert (module, marker.name.partition(".")[0]) in used, f"{marker.example} does not use {marker.name}"


def test_a_use_is_told_from_none(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import autograd as ag\n\nag.linear([[1.0]], [[1.0]])\n", encoding="utf-8")
    used = {name for _, name in LIBRARY.leads_to(script)}
    assert {"linear", "linear_backward", "record"} <= used
    assert not {"softmax", "adam_step", "top_p", "GPT", "train_plain"} & used


def test_no_formula_has_two_homes():
    formulas = [marker.formula for marker in MARKERS]
    assert len(set(formulas)) == len(formulas)


@pytest.mark.parametrize(
    "docstring",
    [
        "Formula: y = x",
        "Formula: y = x\nPaper: p\nTest: tests/test_a.py\nExample: examples/a.py",
        "Formula: y = x\nPaper: p\nExample: examples/a.py\nTest: tests/test_a.py\n\nAnd a last word.",
    ],
)
def test_half_a_marker_is_an_error(docstring: str):
    with pytest.raises(MalformedMarker, match="here"):
        parse_marker(docstring, "here")


def test_parse_marker():
    assert parse_marker("Says.\n\nFormula: y\nPaper: p\nExample: e.py\nTest: t.py", "") == ("y", "p", "e.py", "t.py")
    assert parse_marker("Says what it does.", "") is None


def test_write_replaces_the_section_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- theory table -->\nold\n<!-- end of theory table -->\nafter\n", encoding="utf-8")
    marker = Marker("f", "p(a|b)", "Paper 1900", "a/b.py", "examples/01_a.py", "tests/test_a.py")
    write(readme, [marker])
    written = readme.read_text(encoding="utf-8")
    assert section(written).strip() == table([marker]).strip()
    assert written.startswith("before\n<!--") and written.endswith("-->\nafter\n") and "old" not in written
    assert r"p(a\|b)" in written
    readme.write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match="no line"):
        write(readme, [marker])


@pytest.fixture
def theory() -> str:
    found = section(README.read_text(encoding="utf-8")) if README.exists() else None
    if found is None:
        pytest.skip("README.md has no theory table yet")
    return found


def test_readme_has_the_table(theory: str):
    assert theory.strip() == table(MARKERS).strip(), "bring it up to date: python tests/theory_table.py --write"


@EACH
def test_formula_is_one_file_from_the_readme(marker: Marker, theory: str):
    """The README links to the very file that holds the formula, the example and the test."""
    for path in (marker.source, marker.example, marker.test):
        assert f"]({path})" in theory
