"""The loss curve: a picture that opens, whatever the numbers."""

import math
import sys
import xml.etree.ElementTree as ET

import pytest

from tinygpt.errors import MissingExtra
from tinygpt.view import loss_curve, loss_curve_png
from tinygpt.view.loss_curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH

pytestmark = pytest.mark.core

SVG = "{http://www.w3.org/2000/svg}"
TRAIN = [(step, 5 / math.sqrt(step)) for step in range(1, 50)]
VALIDATION = [(10, 2.5), (40, 1.5)]


def lines(svg):
    """The points of each line of the picture."""
    return [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in ET.fromstring(svg).iter(f"{SVG}polyline")
    ]


def words(svg):
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_points_stand_where_their_numbers_say():
    train, validation = lines(loss_curve(TRAIN, VALIDATION, {"uniform guess": 6.0}, "a run"))
    assert len(train) == len(TRAIN) and len(validation) == len(VALIDATION)
    assert [x for x, _ in train] == sorted(x for x, _ in train)
    assert [y for _, y in train] == sorted(y for _, y in train), "y grows downwards, and the loss falls"
    assert train[-1][0] == pytest.approx(WIDTH - RIGHT)
    assert train[-1][1] == pytest.approx(HEIGHT - BOTTOM), "the lowest of all stands at the bottom"
    assert validation[0] == pytest.approx((LEFT + (WIDTH - LEFT - RIGHT) * 10 / 49, train_height(2.5)), abs=0.06)


def train_height(loss):
    low, high = TRAIN[-1][1], 6.0
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)


def test_baselines_are_named_with_their_loss():
    found = words(loss_curve(TRAIN, VALIDATION, {"uniform guess": 6.0, "counted bigram": 2.125}, "a run"))
    assert "uniform guess 6.000" in found and "counted bigram 2.125" in found and "a run" in found


@pytest.mark.parametrize(
    ("train", "validation", "baselines"),
    [
        ([], [], {}),
        ([(1, 2.0)], [], {}),
        ([], [(0, 2.0)], {}),
        ([(1, 2.0), (2, 2.0)], [], {"same": 2.0}),
        ([(1, math.nan), (2, math.inf), (3, 1.0)], [(3, math.nan)], {}),
        ([(1, math.nan)], [], {}),
        ([(1, 1e-9), (2, 1e9)], [], {}),
        ([(10**7, 3.0)], [], {}),
        (TRAIN, [], {"impossible": math.inf, "unknown": math.nan}),
    ],
)
def test_any_numbers_give_a_picture(train, validation, baselines):
    svg = loss_curve(train, validation, baselines, "title")
    for points in lines(svg):
        for x, y in points:
            assert LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1 and TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1
    assert "nan" not in svg and "inf" not in svg


def test_a_title_of_any_characters_gives_a_picture():
    assert "<a> & 'b' \"c\" é.txt" in words(loss_curve(TRAIN, [], {"x < y": 1.0}, "<a> & 'b' \"c\" é.txt"))
    assert any(word.startswith("odd") for word in words(loss_curve([], [], {}, "odd\x00\x1b\udcff.txt")))


def test_a_png_needs_matplotlib_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(MissingExtra, match=r"pip install -e '\.\[plot\]'"):
        loss_curve_png(tmp_path / "loss.png", TRAIN, VALIDATION, {}, "a run")


def test_a_png_is_a_png(tmp_path):
    pytest.importorskip("matplotlib")
    for train, validation in ((TRAIN, VALIDATION), ([], []), (TRAIN, [])):
        loss_curve_png(tmp_path / "loss.png", train, validation, {"uniform guess": 6.0}, "a run: $x_1$ & é")
        assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
