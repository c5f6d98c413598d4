"""A cache changes when something is computed, and nothing else."""

from itertools import pairwise

import numpy as np
import pytest

from autograd import Key, no_grad
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.cache import Cache

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(9)
IDS = RANDOM.integers(11, size=(2, 8))


def small(dtype="float64", **changes):
    model = GPT(GPTConfig(11, 8, n_layer=2, n_head=2, n_embd=8, **changes), Key(3))
    for parameter in model.parameters():
        parameter.data = (parameter.data * (10 if parameter.decays else 1)).astype(dtype)
    return model


def states(model, ids, *cuts, **options):
    """The states of ids, read in parts that end at the cuts."""
    cache = Cache.empty(model.config, len(ids), 8, model.wte.weight.data)
    ends = [0, *cuts, ids.shape[1]]
    with no_grad():
        parts = [model.hidden(ids[:, a:b], cache=cache, **options).data for a, b in pairwise(ends)]
    assert cache.length == ids.shape[1]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("positions", FORMS["positions"])
@pytest.mark.parametrize(
    "form", [{}, {"n_kv_head": 1}, {"pre_norm": False, "norm": "rms", "activation": "swiglu", "tied": False}]
)
@pytest.mark.parametrize("cuts", [(), (1,), (5,), (3, 4, 7), tuple(range(1, 8))])
def test_read_in_parts_is_read_at_once(positions, form, cuts):
    model = small(positions=positions, **form)
    with no_grad():
        whole = model.hidden(IDS).data
        np.testing.assert_allclose(model.logits(model.hidden(IDS)).data, model(IDS).data, atol=0)
    np.testing.assert_allclose(states(model, IDS, *cuts), whole, atol=1e-12)


@pytest.mark.parametrize("positions", FORMS["positions"])
def test_texts_of_several_lengths_side_by_side_are_those_texts_alone(positions):
    """Shorter ones are filled up on the left, hidden by the mask; positions begin where each text does."""
    model, lengths = small(positions=positions), (8, 5)
    ids, real = np.zeros((2, 8), dtype=np.int64), np.zeros((2, 8), dtype=bool)
    for row, n in enumerate(lengths):
        ids[row, 8 - n :], real[row, 8 - n :] = IDS[row, :n], True
    at = np.maximum(np.cumsum(real, axis=1) - 1, 0)
    cache = Cache.empty(model.config, 2, 8, model.wte.weight.data)
    with no_grad():
        first = model.hidden(ids[:, :6], cache=cache, mask=real[:, None, None, :6], at=at[:, :6]).data
        rest = model.hidden(ids[:, 6:], cache=cache, mask=real[:, None, None, :], at=at[:, 6:]).data
        for row, n in enumerate(lengths):
            alone = model.hidden(IDS[row : row + 1, :n]).data[0]
            together = np.concatenate([first[row], rest[row]])[8 - n :]
            np.testing.assert_allclose(together, alone, atol=1e-12)


def test_rows_that_branch_go_their_own_ways():
    model = small()
    cache = Cache.empty(model.config, 2, 8, model.wte.weight.data)
    with no_grad():
        model.hidden(IDS[:, :5], cache=cache)
        branches = cache.rows([1, 1, 0])
        new = np.array([[4], [7], [4]])
        after = model.hidden(new, cache=branches).data[:, 0]
        for row, (old, token) in enumerate(zip([1, 1, 0], new[:, 0])):
            alone = model.hidden(np.append(IDS[old, :5], token)[None]).data[0, -1]
            np.testing.assert_allclose(after[row], alone, atol=1e-12)
    assert cache.length == 5 and branches.length == 6


def test_what_was_returned_does_not_change():
    model = small("float32")
    cache = Cache.empty(model.config, 1, 4, model.wte.weight.data)
    with no_grad():
        model.hidden(IDS[:1, :2], cache=cache)
        before = cache.layers[0].keys[:, :, :2].copy()
        model.hidden(IDS[:1, 2:4], cache=cache)
    np.testing.assert_array_equal(cache.layers[0].keys[:, :, :2], before)


def test_room_and_memory_are_stated():
    model = small("float32", n_kv_head=1)
    cache = Cache.empty(model.config, 2, 5, model.wte.weight.data)
    assert cache.n_bytes == 2 * 2 * 2 * 1 * 5 * 4 * 4
    with no_grad(), pytest.raises(BadInput, match="room for 5 tokens, and 8"):
        model.hidden(IDS, cache=cache)


def test_a_text_beyond_learned_positions_is_refused():
    model = small()
    cache = Cache.empty(model.config, 2, 20, model.wte.weight.data)
    with no_grad():
        model.hidden(IDS, cache=cache)
        with pytest.raises(BadInput, match="9 tokens is longer than the model's context of 8"):
            model.hidden(IDS[:, :1], cache=cache)


@pytest.mark.parametrize("positions", FORMS["positions"])
@pytest.mark.parametrize("kept", [0, 1, 5])
def test_a_cache_that_is_cut_goes_on_as_if_the_rest_had_never_been_read(positions, kept):
    model = small(positions=positions)
    cache = Cache.empty(model.config, 2, 8, model.wte.weight.data)
    with no_grad():
        before = model.hidden(IDS[::-1, :1] if kept == 0 else IDS[:, :kept], cache=cache).data
        unchanged = before.copy()
        model.hidden((IDS[:, kept : kept + 2] + 1) % 11, cache=cache)
        cache.cut(kept)
        assert cache.length == kept
        rest = model.hidden(IDS[:, kept:], cache=cache).data
        np.testing.assert_allclose(rest, model.hidden(IDS).data[:, kept:], atol=1e-12)
    np.testing.assert_array_equal(before, unchanged)
    cache.cut(99)
    assert cache.length == 8
