"""The loss curve of a run: an SVG, written without a library, and a PNG if matplotlib is installed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from html import escape

from ..errors import MissingExtra

Points = Sequence[tuple[float, float]]  # (step, loss in nats a token)

WIDTH, HEIGHT = 720, 400  # pixels
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 50
TRAIN, VALIDATION, BASELINE = "#9db8d9", "#c0392b", "#666666"


def loss_curve(train: Points, validation: Points, baselines: dict[str, float], title: str) -> str:
    """An SVG document: training loss at every step, validation loss where it was measured, baselines dashed."""
    baselines = {name: loss for name, loss in baselines.items() if math.isfinite(loss)}
    steps = [s for s, _ in [*train, *validation]] or [0]
    losses = [y for _, y in [*train, *validation] if math.isfinite(y)] + list(baselines.values())
    low, high = min(losses, default=0.0), max(losses, default=1.0)
    high = high if high > low else low + 1
    last = max(*steps, 1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)

    def line(points: Points, color: str, width: float) -> str:
        path = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in points if math.isfinite(v))
        return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{_text(title)}</text>',
    ]
    for loss in _ticks(low, high):
        parts.append(f'<path d="M{LEFT},{y(loss):.1f} H{WIDTH - RIGHT}" stroke="#eeeeee"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.3g}</text>')
    for step in _ticks(0, last):
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:.0f}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">step</text>')
    for name, loss in baselines.items():
        parts.append(
            f'<path d="M{LEFT},{y(loss):.1f} H{WIDTH - RIGHT}" stroke="{BASELINE}" stroke-dasharray="5 4"/>'
            f'<text x="{WIDTH - RIGHT - 4}" y="{y(loss) - 5:.1f}" text-anchor="end" fill="{BASELINE}">'
            f"{_text(name)} {loss:.3f}</text>"
        )
    parts += [line(train, TRAIN, 1), line(validation, VALIDATION, 2)]
    for i, (name, color) in enumerate((("training", TRAIN), ("validation", VALIDATION))):
        parts.append(f'<text x="{LEFT + 10 + 80 * i}" y="{HEIGHT - BOTTOM - 8}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(words: str) -> str:
    """The words escaped for XML; unprintable characters, some of which XML forbids, are replaced by \ufffd."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in words))


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers between low and high."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((m for m in (1, 2, 5, 10) if m * power >= rough), default=10)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def loss_curve_png(
    path: str | os.PathLike[str], train: Points, validation: Points, baselines: dict[str, float], title: str
) -> None:
    """Writes the same plot as a PNG. Raises MissingExtra if matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("a PNG needs matplotlib: pip install -e '.[plot]'") from None
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(*zip(*train, strict=True), color=TRAIN, linewidth=1, label="training") if train else None
    axes.plot(*zip(*validation, strict=True), color=VALIDATION, label="validation") if validation else None
    for name, loss in baselines.items():
        axes.axhline(loss, color=BASELINE, linestyle="--", linewidth=1, label=f"{name} {loss:.3f}")
    axes.set(title=title, xlabel="step", ylabel="nats a token")
    axes.legend()
    figure.savefig(path)
