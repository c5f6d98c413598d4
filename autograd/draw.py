"""A traced graph as a picture: a box for each value, with its gradient, and arrows from operands to results."""

from __future__ import annotations

from html import escape

import numpy

from .device import to_numpy
from .modes import Graph, Step

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 250, 66, 30, 44  # pixels
SHOWN = 4  # numbers written out for a small value


def draw(graph: Graph) -> str:
    """The graph of `with trace() as graph:` as an SVG document, operands above results.

    A box shows the operation, the source line that called it, shape, values and gradient. Write the document to a file
    that a browser can open:

        Path("graph.svg").write_text(draw(graph), encoding="utf-8")
    """
    rows = _rows(graph)
    place = {}
    for y, row in enumerate(rows):
        for x, step in enumerate(row):
            place[id(step)] = (GAP_X + x * (BOX_WIDTH + GAP_X), GAP_Y + y * (BOX_HEIGHT + GAP_Y))
    width = GAP_X + max((len(row) for row in rows), default=0) * (BOX_WIDTH + GAP_X)
    height = GAP_Y + len(rows) * (BOX_HEIGHT + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="monospace" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for step in graph.steps:
        parts += [_arrow(place[id(operand)], place[id(step)]) for operand in step.operands]
    parts += [_box(step, *place[id(step)]) for step in graph.steps]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rows(graph: Graph) -> list[list[Step]]:
    """Steps by depth: a leaf just above its first use, a result one row below its lowest operand."""
    depth: dict[int, int] = {}
    for step in graph.steps:
        depth[id(step)] = 1 + max((depth[id(operand)] for operand in step.operands), default=-1)
    first_use: dict[int, int] = {}
    for step in graph.steps:
        for operand in step.operands:
            first_use[id(operand)] = min(depth[id(step)], first_use.get(id(operand), depth[id(step)]))
    for step in graph.steps:
        if step.name == "leaf":
            depth[id(step)] = first_use[id(step)] - 1
    rows: list[list[Step]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for step in graph.steps:
        rows[depth[id(step)]].append(step)
    return rows


def _box(step: Step, x: int, y: int) -> str:
    fill = "#eef4ff" if step.name == "leaf" else "#fff8e8"
    lines = [
        f"{step.name}  {tuple(step.value.shape)}",
        step.source,
        f"value {_numbers(step.value)}",
        "gradient -" if step.cotangent is None else f"gradient {_numbers(step.cotangent)}",
    ]
    text = "".join(
        f'<text x="{x + 6}" y="{y + 14 + 15 * i}">{escape(line[:38])}</text>' for i, line in enumerate(lines)
    )
    rect = f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" fill="{fill}" stroke="#444"/>'
    return f"<g><title>{escape(step.source)}</title>{rect}{text}</g>"


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = start, end
    x1, y1, x2 = x1 + BOX_WIDTH // 2, y1 + BOX_HEIGHT, x2 + BOX_WIDTH // 2
    bend = (y1 + y2) // 2
    return (
        f'<path d="M{x1},{y1} C{x1},{bend} {x2},{bend} {x2},{y2 - 5}" fill="none" stroke="#888"/>'
        f'<path d="M{x2},{y2} l-4,-7 h8 z" fill="#888"/>'
    )


def _numbers(array: object) -> str:
    """Up to SHOWN values themselves, of more the mean and standard deviation (of those that are finite)."""
    values = numpy.asarray(to_numpy(array), dtype=numpy.float64).reshape(-1)
    if values.size <= SHOWN:
        return " ".join(f"{value:.3g}" for value in values)
    finite = values[numpy.isfinite(values)]
    if finite.size == 0:
        return "nothing finite"
    others = f", {values.size - finite.size} infinite" if finite.size < values.size else ""
    return f"mean {finite.mean():.3g}, std {finite.std():.3g}{others}"
