"""Texts longer than the context: what the model sees of them is said by one rule, which a cache does not change."""

from itertools import pairwise

import numpy as np
import pytest

from autograd import Key, log_softmax, no_grad
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.generate import generate, generate_batch, generate_with_logprobs, next_logits, sample, window_start
from tinygpt.generate.reading import Reader
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.masks import banded_mask, causal_mask
from tinygpt.model.positions import make_positions

pytestmark = pytest.mark.core

V = 19
RANDOM = np.random.default_rng(4)


def model_with(positions, dtype="float64", block_size=8, **changes):
    """A model that is sure of something: a fresh one hardly prefers anything."""
    model = GPT(GPTConfig(V, block_size, n_layer=2, n_head=2, n_embd=8, positions=positions, **changes), Key(1))
    for parameter in model.parameters():
        parameter.data = (parameter.data * (20 if parameter.decays else 1)).astype(dtype)
    return model


def is_relative(positions):
    return make_positions(GPTConfig(V, positions=positions, n_embd=8, n_head=2), Key(0)).relative


RELATIVE = [positions for positions in FORMS["positions"] if is_relative(positions)]
ABSOLUTE = [positions for positions in FORMS["positions"] if not is_relative(positions)]


@pytest.mark.parametrize("block_size", [1, 2, 3, 7, 8, 64])
def test_a_window_stands_while_it_can_and_keeps_its_later_half(block_size):
    starts = [window_start(n, block_size) for n in range(1, 6 * block_size)]
    assert not any(starts[:block_size])
    for n, (before, start) in enumerate(pairwise(starts), 2):
        assert min(n, (block_size + 1) // 2) <= n - start <= block_size
        moves = n - before > block_size
        assert (start != before) == moves
        assert start - before == (max(1, block_size // 2) if moves else 0)


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (1, 7), (3, 8), (6, 2)])
def test_a_band_is_what_causal_masks_have_in_common_with_their_mirror_images(queries, keys):
    for width in (1, 2, 5, 9):
        band = banded_mask(queries, keys, width, np.zeros(0))
        for i in range(queries):
            place = keys - queries + i
            assert [*np.flatnonzero(band[i])] == [j for j in range(place - width + 1, place + 1) if 0 <= j < keys]
    assert np.array_equal(banded_mask(queries, keys, 9, np.zeros(0)), causal_mask(queries, keys, np.zeros(0)))


@pytest.mark.parametrize("positions", FORMS["positions"])
@pytest.mark.parametrize(("block_size", "form"), [(8, {"n_kv_head": 1}), (1, {}), (2, {}), (5, {"pre_norm": False})])
def test_cached_is_uncached_far_beyond_the_context(positions, block_size, form):
    model = model_with(positions, block_size=block_size, **form)
    text = RANDOM.integers(V, size=45).tolist()
    reader = Reader(model, len(text))
    for n in range(1, len(text) + 1):
        np.testing.assert_allclose(reader([text[:n]])[0], next_logits(model, text[:n]), atol=1e-10)
        assert reader.cache.length <= reader.room <= block_size + max(1, block_size // 4)


@pytest.mark.parametrize("positions", ABSOLUTE)
def test_with_absolute_positions_the_model_reads_the_window(positions):
    model = model_with(positions)
    text = RANDOM.integers(V, size=30).tolist()
    for n in range(1, 31):
        with no_grad():
            window = model(np.array([text[window_start(n, 8) : n]])).data[0, -1]
        np.testing.assert_array_equal(next_logits(model, text[:n]), window)


@pytest.mark.parametrize("positions", RELATIVE)
def test_with_relative_positions_every_layer_is_banded(positions):
    """One layer sees the last block_size tokens and no others; the second sees as many again through the first."""
    model = model_with(positions)
    text = RANDOM.integers(V, size=30)
    logits = next_logits(model, text)

    def after_changing(place, layers):
        changed = text.copy()
        changed[place] = (changed[place] + 1) % V
        blocks, model.h = model.h, model.h[:layers]
        try:
            return next_logits(model, changed) - (logits if layers == 2 else next_logits(model, text))
        finally:
            model.h = blocks

    assert after_changing(29 - 7, 1).any() and not after_changing(29 - 8, 1).any()
    assert after_changing(29 - 14, 2).any() and not after_changing(29 - 15, 2).any()


@pytest.mark.parametrize("positions", RELATIVE)
@pytest.mark.parametrize("length", [9, 11, 40])
def test_with_relative_positions_a_prompt_may_be_longer_than_the_context(positions, length):
    model, prompt = model_with(positions), RANDOM.integers(V, size=length).tolist()
    text = list(prompt)
    for n, (token, logprob) in enumerate(generate_with_logprobs(model, prompt, 12, key=Key(2))):
        logits = next_logits(model, text)
        assert token == sample(logits, Key(2).fold("token", n))
        assert logprob == pytest.approx(log_softmax(logits).data[token], abs=1e-9)
        text.append(token)
    assert len(text) == length + 12


@pytest.mark.parametrize("positions", ABSOLUTE)
def test_with_absolute_positions_it_is_refused(positions):
    with pytest.raises(BadInput, match="the prompt has 9 tokens, and the context is 8"):
        generate(model_with(positions), [1] * 9, 5)


@pytest.mark.parametrize("positions", FORMS["positions"])
def test_texts_side_by_side_outgrow_the_context_at_different_times(positions):
    model = model_with(positions)
    lengths = [3, 8, 1, 5] if not is_relative(positions) else [3, 26, 1, 9]
    prompts = [RANDOM.integers(V, size=n).tolist() for n in lengths]
    keys = [Key(n) for n in range(len(prompts))]
    written = [[] for _ in prompts]
    for row, each in generate_batch(model, prompts, 30, keys=keys):
        written[row].append(each)
    for prompt, key, texts in zip(prompts, keys, written):
        alone = list(generate_with_logprobs(model, prompt, 30, key=key))
        assert [each.token for each in texts] == [each.token for each in alone] and len(alone) == 30
        np.testing.assert_allclose([each.logprob for each in texts], [each.logprob for each in alone], atol=1e-9)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_memory_is_bounded_by_the_context(positions):
    model = model_with(positions, "float32", n_kv_head=1)
    reader, text = Reader(model, 10**9), [1]
    for _ in range(40):
        reader([text])
        text.append(2)
        assert reader.cache.n_bytes == 2 * 2 * 1 * 1 * 4 * (8 + 8 // 4) * 4
