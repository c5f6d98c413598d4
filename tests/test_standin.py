"""The stand-in for CuPy keeps the rules that it is there to hold, and claims no more than CuPy has."""

import inspect
import re

import numpy as np
import pytest
import standin

import autograd as ag

pytestmark = pytest.mark.core

OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "@", "<", "<=", ">", ">=", "==", "!=")
FUNCTIONS = [name for name, f in vars(standin).items() if inspect.isfunction(f) and f.__module__ == "standin"]
UFUNCS = [name for name, f in vars(standin).items() if isinstance(f, standin.ufunc)]
ARRAY = [name for name in vars(standin.ndarray) if not name.startswith("_")]


def there(*shape):
    return standin.asarray(np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape))


class TestArraysOfTheProcessorAreRefused:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_operators(self, operator):
        x, y = there(2, 2), np.ones((2, 2))
        for expression in (f"x {operator} y", f"y {operator} x"):
            with pytest.raises(TypeError):
                eval(expression, {"x": x, "y": y})

    @pytest.mark.parametrize("operator", OPERATORS[:7])
    def test_in_place(self, operator):
        with pytest.raises(TypeError):
            exec(f"x {operator}= y", {"x": there(2), "y": np.ones(2)})

    @pytest.mark.parametrize(
        "call",
        [
            np.asarray, np.exp, np.sum, lambda x: np.concatenate([x, x]), lambda x: np.add(x, 1), np.zeros_like,
            lambda x: np.ones(2) @ x, lambda x: standin.where(x > 0, x, np.ones(2)),
            lambda x: standin.add(x, np.ones(2)), lambda x: standin.concatenate([x, np.ones(2)]),
            lambda x: standin.exp(x, out=np.empty(2)),
        ],
    )  # fmt: skip
    def test_functions(self, call):
        with pytest.raises(TypeError):
            call(there(2))

    def test_assignment(self):
        x = there(3)
        with pytest.raises(TypeError):
            x[...] = np.ones(3)
        with pytest.raises(TypeError):
            x[0:2] = [1.0, 2.0]

    def test_there_is_one_way_in_and_one_way_out(self):
        with standin.counted() as traffic:
            x = standin.asarray(np.eye(2))
            y = x.get()
        np.testing.assert_array_equal(y, np.eye(2))
        assert (traffic.uploads, traffic.waits) == ([(2, 2)], ["get()"])


class TestWaits:
    @pytest.mark.parametrize(
        "read",
        [
            float, int, bool, repr, str, lambda x: x.item(), lambda x: x.get(), lambda x: x.tolist(),
            lambda x: list(x.reshape(1)), lambda x: x[x > 0], lambda x: x.reshape(1).nonzero(), standin.unique,
            lambda x: f"{x}", lambda x: 3 if x else 4, lambda x: min(x, x), lambda x: ag.to_numpy(x),
        ],
    )  # fmt: skip
    def test_reading_is_counted_and_forbidden(self, read):
        x = there().reshape(1)[0]
        with standin.counted() as traffic:
            read(x)
        assert traffic.waits
        with standin.no_waits(), pytest.raises(standin.Waited):
            read(x)

    def test_computing_is_neither(self):
        x = there(3, 4)
        with standin.no_waits(), standin.counted() as traffic:
            y = standin.exp(x - x.max(axis=1, keepdims=True))
            y /= y.sum(axis=1, keepdims=True)
            assert len(y) == 3 and y.shape == (3, 4) and y.dtype == np.float64
            assert ag.device_of(y[0, 0] * np.float32(2) + 1) == "cuda:0"
            assert not hasattr(y.flags, "writeable")
        assert traffic.waits == [] and traffic.uploads == []

    @pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "var", "all", "any", "argmax"])
    def test_a_single_number_stays_there(self, reduce):
        x = getattr(there(2, 2), reduce)()
        assert isinstance(x, standin.ndarray) and x.shape == ()
        assert isinstance(2 * x, standin.ndarray) and (2 * x).shape == ()


class TestIndices:
    @pytest.mark.parametrize("n", range(1, 6))
    def test_integers_wrap_around(self, n):
        ids = np.random.default_rng(n).integers(-100, 100, size=8).tolist()
        x, indices = there(n, 2), standin.asarray(np.array(ids))
        expected = x.get()[np.array(ids) % n]
        np.testing.assert_array_equal(x[indices].get(), expected)
        np.testing.assert_array_equal(x.T[:, indices].get(), expected.T)
        np.testing.assert_array_equal(x[..., indices, :].get(), expected)
        np.testing.assert_array_equal(x[ids].get(), expected)

    def test_added_where_they_repeat(self):
        x = standin.zeros(3)
        standin.add.at(x, standin.asarray(np.array([0, 0, 5])), there(3))
        assert x.tolist() == [3, 0, 3]
        with pytest.raises(TypeError, match=r"cupy\.add\.at only supports"):
            standin.add.at(standin.zeros(3, dtype="int16"), 0, 1)

    def test_a_single_one_beyond_the_end_is_an_error(self):
        with pytest.raises(IndexError):
            there(3)[3]

    def test_slices_share_memory(self):
        x = there(2, 3)
        x[:, 1:][...] = 0
        x.reshape(6)[0] = 7
        assert x.tolist() == [[7, 0, 0], [4, 0, 0]]

    def test_a_mask_beside_another_array(self):
        with pytest.raises(ValueError, match="one boolean array"):
            x = there(2, 2)
            x[x[:, 0] > 0, standin.arange(2)]


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda x: x * 2.0, "float32"), (lambda x: x * np.float64(2), "float64"), (lambda x: x + x.sum(), "float32"),
        (lambda x: (x > 0) * 0.5, "float64"), (lambda x: standin.where(x > 0, x, 0), "float32"),
        (lambda x: x.sum() / 3, "float32"), (lambda x: standin.minimum(1.0, x), "float32"),
    ],
)  # fmt: skip
def test_types_follow_numpys_rules(compute, expected):
    assert compute(there(3).astype(standin.float32)).dtype == expected


def test_a_choice_among_bfloat16_numbers_is_float32():
    x = standin.asarray(np.ones(2), dtype=pytest.importorskip("ml_dtypes").bfloat16)
    assert (x + x).dtype == x.dtype and standin.where(x > 0, x, x).dtype == "float32"


def test_empty_memory_is_noticed():
    assert np.isnan(standin.empty((2,), "float32").get()).all()


@pytest.mark.parametrize("name", ["errstate", "einsum_path", "block", "insert", "testing", "longdouble"])
def test_names_that_cupy_lacks(name):
    assert not hasattr(standin, name) and hasattr(np, name)


@pytest.mark.peer
class TestBesideCupy:
    """Needs CuPy's package, and no GPU."""

    @pytest.fixture
    def cupy(self):
        return pytest.importorskip("cupy")

    def test_every_name_is_cupys(self, cupy):
        names = {name for name in vars(standin) if not name.startswith("_")}
        own = {"Any", "Traffic", "Waited", "annotations", "array", "bare", "counted", "indices", "no_waits", "np"}
        own |= {"ADDABLE", "numpy_index", "traffic", "wrapped"}
        assert len(FUNCTIONS) > 20 and len(UFUNCS) > 15
        assert not {name for name in names - own if not hasattr(cupy, name)}

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_functions_take_what_cupys_take(self, name, cupy):
        theirs = inspect.signature(getattr(cupy, name)).parameters
        ours = inspect.signature(getattr(standin, name)).parameters
        if name != "matmul":  # *args there
            assert [p for p in theirs if p in ours] == list(ours)

    @pytest.mark.parametrize("name", UFUNCS)
    def test_elementwise_functions_are_some_there(self, name, cupy):
        theirs = getattr(cupy, name)
        assert isinstance(theirs, cupy.ufunc) and theirs.nin == getattr(np, name).nin and hasattr(theirs, "at")

    @pytest.mark.parametrize("name", ARRAY)
    def test_methods_take_what_cupys_take(self, name, cupy):
        theirs, ours = getattr(cupy.ndarray, name), getattr(standin.ndarray, name)
        if isinstance(ours, property):
            return
        line = theirs.__doc__.strip().splitlines()[0]
        arguments = re.search(r"\((.*)\)", line).group(1)
        known = [re.sub(r"=.*", "", each).split()[-1].lstrip("*") for each in arguments.split(", ")]
        assert [p for p in known if p in inspect.signature(ours).parameters] == list(inspect.signature(ours).parameters)

    def test_operators_are_those_that_arrays_have_there(self, cupy):
        special = {name for name in vars(standin.ndarray) if name.startswith("__")}
        assert len(special) > 40
        assert not {name for name in special - {"__weakref__"} if not hasattr(cupy.ndarray, name)}
