"""What the engine shows: traced steps with their names, lines, values and gradients, and their picture."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from formula_gradients import FORMULA_CASES
from gradients import OPERATION_CASES

import autograd as ag
from autograd import Tensor
from autograd.kernels import DEPTHS

pytestmark = pytest.mark.core

SVG = "{http://www.w3.org/2000/svg}"


def traced():
    x = Tensor(np.array([0.5, 2.0]), requires_grad=True)
    with ag.trace() as graph:
        y = ag.exp(x)
        loss = (y * x).sum()
    loss.backward()
    return x, y, graph


class TestTrace:
    def test_keeps_names_values_and_cotangents(self):
        x, y, graph = traced()
        assert [step.name for step in graph.steps] == ["leaf", "exp", "multiply", "sum"]
        leaf, exp, multiply, total = graph.steps
        assert multiply.operands == [exp, leaf] and total.operands == [multiply]
        np.testing.assert_array_equal(exp.value, y.data)
        np.testing.assert_array_equal(exp.cotangent, x.data)
        np.testing.assert_array_equal(multiply.cotangent, 1)
        np.testing.assert_array_equal(leaf.cotangent, x.grad)

    def test_keeps_the_source_line(self):
        _, _, graph = traced()
        assert re.fullmatch(r"test_trace\.py:\d+  y = ag\.exp\(x\)", graph.steps[1].source)
        assert graph.steps[3].source.endswith("loss = (y * x).sum()")

    def test_the_source_is_the_first_line_outside_the_package(self):
        """A neighbour whose path merely begins like the package's is outside."""
        path = ag.__path__[0] + "_notes/mine.py"
        with ag.trace() as graph:
            exec(compile("ag.softmax(x)", path, "exec"), {"ag": ag, "x": Tensor([1.0])})
        assert graph.steps[-1].source.startswith("mine.py:1")

    def test_no_cotangent_without_a_backward(self):
        with ag.trace() as graph:
            ag.exp(Tensor([1.0]))
        assert [step.cotangent for step in graph.steps] == [None, None]

    def test_ends_with_its_block(self):
        with ag.trace() as graph:
            x = Tensor([1.0]) + 1
        x + 1
        assert len(graph.steps) == 3

    def test_only_composed_shows_the_inside_of_a_formula(self):
        names = {}
        for depth in DEPTHS:
            with ag.use(depth), ag.trace() as graph:
                ag.attention(*3 * [np.ones((1, 1, 2, 2))], causal=True)
            names[depth] = {step.name for step in graph.steps}
        assert names["fast"] == names["reference"] == {"leaf", "attention"}
        assert {"matmul", "exp", "divide"} <= names["composed"]

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_every_step_has_a_public_name(self, depth):
        for name, cases in (OPERATION_CASES | FORMULA_CASES).items():
            with ag.use(depth), ag.trace() as graph:
                cases[0].function(*map(Tensor, cases[0].arrays))
            unknown = {step.name for step in graph.steps} - set(ag.__all__) - {"leaf", "getitem"}
            assert not unknown, name


class TestDraw:
    @pytest.fixture
    def graph(self):
        x = Tensor(np.array([[0.5, 2.0], [1.0, -1.0]]), requires_grad=True)
        late = Tensor(np.ones(2), requires_grad=True)
        with ag.use("composed"), ag.trace() as graph:
            h = x * x
            loss = (ag.softmax(h @ x.T) + late + x).sum() if 1 < 2 else None
        loss.backward()
        return graph

    def test_is_xml_with_a_box_for_each_step_and_an_arrow_for_each_operand(self, graph):
        svg = ElementTree.fromstring(ag.draw(graph))
        assert len(svg.findall(f"{SVG}g")) == len(graph.steps)
        assert len(self.curves(svg)) == sum(len(step.operands) for step in graph.steps)
        assert "1 < 2" in "".join(svg.itertext()), "source lines are escaped, not dropped"

    def test_operands_stand_above_results(self, graph):
        for curve in self.curves(ElementTree.fromstring(ag.draw(graph))):
            _, y1, *_, y2 = (float(n) for n in re.findall(r"-?\d+", curve.get("d")))
            assert y1 < y2

    def test_a_leaf_stands_just_above_its_first_use(self, graph):
        svg = ElementTree.fromstring(ag.draw(graph))
        tops = [float(box.find(f"{SVG}rect").get("y")) for box in svg.findall(f"{SVG}g")]
        top_of = dict(zip(map(id, graph.steps), tops, strict=True))
        rows = sorted(set(tops))
        for step in graph.steps:
            if step.name == "leaf":
                first = min(top_of[id(user)] for user in graph.steps if step in user.operands)
                assert rows.index(first) == rows.index(top_of[id(step)]) + 1

    def test_gradients_are_in_the_picture(self, graph):
        text = "".join(ElementTree.fromstring(ag.draw(graph)).itertext())
        assert "gradient 1" in text

    def test_an_empty_graph(self):
        with ag.trace() as graph:
            pass
        assert ElementTree.fromstring(ag.draw(graph)).tag == f"{SVG}svg"

    @staticmethod
    def curves(svg):
        return [path for path in svg.findall(f"{SVG}path") if path.get("fill") == "none"]
