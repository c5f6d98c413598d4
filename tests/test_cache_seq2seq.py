"""The decoder's cache: the target's tokens and the source are read once, and nothing else changes."""

from itertools import pairwise

import numpy as np
import pytest

from autograd import Key, no_grad
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.model import Seq2Seq, Seq2SeqConfig
from tinygpt.text.batches import pad

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(4)
SOURCES = pad([RANDOM.integers(11, size=n).tolist() for n in (5, 2, 6)])
IDS = RANDOM.integers(11, size=(3, 8))


def small(dtype="float64", **changes):
    """Weights large enough that each of them is seen in the logits."""
    plain = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 8}
    model = Seq2Seq(Seq2SeqConfig(**{**plain, **changes}), Key(3))
    for n, parameter in enumerate(model.parameters()):
        parameter.data = parameter.data.astype(dtype) + Key(2).fold(n).normal(parameter.shape, 0.3).astype(dtype)
    return model


def a_cache(model, rows=slice(None), capacity=8):
    source, mask = (each[rows] for each in SOURCES)
    with no_grad():
        return model.new_cache(model.encode(source, mask), mask, capacity)


def logits(model, ids, cache):
    with no_grad():
        return model.decode(ids, cache=cache).data


def uncached(model, ids, rows=slice(None)):
    source, mask = (each[rows] for each in SOURCES)
    with no_grad():
        return model(source, ids, mask).data


@pytest.mark.parametrize("positions", FORMS["positions"])
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"pre_norm": False, "n_kv_head": 1, "source_vocab_size": 11, "tied": False, "embedding_norm": True},
        {"norm": "rms", "bias": False, "activation": "swiglu", "n_encoder_layer": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("cuts", [(), (3,), tuple(range(1, 8))], ids=str)
def test_written_in_parts_is_written_at_once(positions, form, cuts):
    model = small(positions=positions, **form)
    cache = a_cache(model)
    parts = [logits(model, IDS[:, a:b], cache) for a, b in pairwise([0, *cuts, 8])]
    assert cache.length == 8
    np.testing.assert_allclose(np.concatenate(parts, axis=1), uncached(model, IDS), atol=1e-12)


@pytest.mark.parametrize("positions", FORMS["positions"])
@pytest.mark.parametrize("chosen", [[0, 1, 2], [2, 1, 0], [1, 1, 2, 0, 1], [2], [0, 0]], ids=str)
def test_rows_that_branch_go_their_own_ways(positions, chosen):
    """Each with what its own source says, in whatever order, and again from there."""
    model = small(positions=positions)
    cache, ids = a_cache(model), IDS[:, :3]
    logits(model, ids, cache)
    sources = np.arange(3)
    for places, new in ((chosen, 4), (np.arange(len(chosen))[::-1], 7), (np.arange(len(chosen)), 1)):
        cache, sources = cache.rows(places), sources[places]
        ids = np.concatenate([ids[places], (np.arange(len(places)) + new)[:, None] % 11], axis=1)
        found = logits(model, ids[:, -1:], cache)[:, 0]
        np.testing.assert_allclose(found, uncached(model, ids, sources)[:, -1], atol=1e-12)


def test_only_what_changes_is_copied():
    """Beams of one source change places: what they read of it stays; rows that all stay are the cache itself."""
    model = small()
    cache = a_cache(model).rows([0, 0, 2, 2])
    assert cache.rows(range(4)) is cache
    moved, other = cache.rows([1, 0, 2, 2]), cache.rows([0, 0, 0, 2])
    for layer, same, changed in zip(cache.layers, moved.layers, other.layers):
        assert same.source is layer.source and same.keys is not layer.keys
        assert not np.shares_memory(changed.source[0].data, layer.source[0].data)
    assert moved.source_mask is cache.source_mask and other.source_mask is not cache.source_mask


def test_a_branch_leaves_where_it_came_from():
    model = small()
    cache = a_cache(model)
    logits(model, IDS[:, :5], cache)
    branches = cache.rows([2, 0, 1])
    logits(model, IDS[:, 5:], branches)
    assert (cache.length, branches.length) == (5, 8)
    np.testing.assert_allclose(logits(model, IDS[:, 5:], cache), uncached(model, IDS)[:, 5:], atol=1e-12)


def test_without_a_mask():
    model, source = small(), SOURCES[0]
    with no_grad():
        cache = model.new_cache(model.encode(source)).rows([0, 0, 2])
        expected = model(source[[0, 0, 2]], IDS).data
    assert cache.source_mask is None
    np.testing.assert_allclose(logits(model, IDS, cache), expected, atol=1e-12)


def test_room_and_memory_are_stated():
    model = small("float32", n_kv_head=1)
    cache = a_cache(model, capacity=5)
    assert cache.n_bytes == 2 * 2 * 3 * 1 * (5 + 6) * 4 * 4 + 3 * 6
    assert cache.rows([0, 1]).n_bytes == 2 * 2 * 2 * 1 * (5 + 6) * 4 * 4 + 2 * 6
    with pytest.raises(BadInput, match="room for 5 tokens, and 8"):
        logits(model, IDS, cache)


def test_a_target_beyond_learned_positions_is_refused():
    model = small()
    cache = a_cache(model, capacity=20)
    logits(model, IDS, cache)
    with pytest.raises(BadInput, match="9 tokens is longer than the model's context of 8"):
        logits(model, IDS[:, :1], cache)
