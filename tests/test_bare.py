"""A new token's states in bare arrays are the model's, whatever its form; a part that is not known is called."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Key, no_grad, trace, use
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.generate import generate, generate_batch
from tinygpt.generate.bare import NewTokens
from tinygpt.generate.reading import OneText
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.cache import Cache
from tinygpt.model.layers import Linear

pytestmark = pytest.mark.core

V, T = 11, 12


def model_of(dtype, **form):
    model = GPT(GPTConfig(V, T, n_layer=2, n_head=4, **form), Key(3))
    random = np.random.default_rng(0)
    for parameter in model.parameters():  # no bias is 0, no scale is 1
        scale = 10 * parameter.data if parameter.decays else random.standard_normal(parameter.shape)
        parameter.data = scale.astype(dtype)
    return model


def read_on(model, hidden, ids, masks, at):
    """The states after a beginning that the model has read, a token at a time."""
    cache = Cache.empty(model.config, len(ids), T, model.wte.weight.data)
    with no_grad():
        model.hidden(ids[:, :4], cache=cache)
        states = [hidden(ids[:, i : i + 1], cache=cache, mask=mask, at=at) for i, mask in enumerate(masks, start=4)]
    assert cache.length == 4 + len(masks)
    return np.concatenate([each.data for each in states], axis=1), cache


@pytest.mark.parametrize(
    ("positions", "activation"),
    [*product(["learned"], FORMS["activation"]), *product(FORMS["positions"], ["gelu"])],
)
@settings(max_examples=8, deadline=None)
@given(
    form=st.fixed_dictionaries(
        {
            "n_embd": st.sampled_from([4, 8, 20]),
            "head_size": st.sampled_from([2, 6]),
            "n_kv_head": st.sampled_from([None, 1, 2]),
            "norm": st.sampled_from(FORMS["norm"]),
            "pre_norm": st.booleans(),
            "bias": st.booleans(),
            "n_inner": st.sampled_from([None, 3]),
        }
    ),
    rows=st.integers(1, 3),
    masked=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_every_form_has_the_models_states(positions, activation, form, rows, masked, dtype):
    model = model_of(dtype, positions=positions, activation=activation, **form)
    random = np.random.default_rng(rows)
    ids = random.integers(V, size=(rows, 8))
    masks = [random.random((rows, 1, 1, 5 + i)) < 0.7 if masked else None for i in range(4)]
    at = random.integers(T, size=(rows, 1)) if masked else None
    expected, cache = read_on(model, model.hidden, ids, masks, at)
    found, other = read_on(model, NewTokens(model), ids, masks, at)
    size = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=size * (1e-5 if dtype == "float32" else 1e-12))
    for mine, theirs in zip(other.layers, cache.layers):
        np.testing.assert_allclose(mine.keys[:, :, :8], theirs.keys[:, :, :8], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(mine.values[:, :, :8], theirs.values[:, :, :8], rtol=1e-4, atol=1e-4)


def test_weights_of_any_size_stay_finite_and_quiet():
    model = model_of("float32", n_embd=8)
    for parameter in model.parameters():
        parameter.data = parameter.data * 1e3
    expected, _ = read_on(model, model.hidden, np.arange(8)[None], [None] * 4, None)
    found, _ = read_on(model, NewTokens(model), np.arange(8)[None], [None] * 4, None)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def new_token(model, hidden, token):
    """What comes of one token after three others."""
    cache = Cache.empty(model.config, 1, T, model.wte.weight.data)
    with no_grad():
        model.hidden(np.array([[1, 2, 3]]), cache=cache)
        return hidden(np.array([[token]]), cache=cache).data


class Doubled(Linear):
    """A part that the bare page does not know."""

    def __call__(self, x):
        return super().__call__(x) * 2


def test_a_part_that_is_not_known_is_called():
    plain, model = model_of("float64", n_embd=8), model_of("float64", n_embd=8)
    part = model.h[1].mlp.c_proj
    model.h[1].mlp.c_proj = Doubled(*part.weight.shape, Key(1))
    model.h[1].mlp.c_proj.load_state_dict(part.state_dict())
    found = new_token(model, NewTokens(model), 4)
    assert found.tobytes() == new_token(model, model.hidden, 4).tobytes()
    assert not np.allclose(found, new_token(plain, NewTokens(plain), 4))


@pytest.mark.parametrize("depth", ["composed", "reference"])
def test_who_asks_for_the_textbooks_formulas_gets_them(depth):
    model = model_of("float32", n_embd=8)
    hidden = NewTokens(model)
    fast = new_token(model, hidden, 4)
    with use(depth):
        assert new_token(model, hidden, 4).tobytes() == new_token(model, model.hidden, 4).tobytes()
    np.testing.assert_allclose(fast, new_token(model, hidden, 4), atol=0)


def test_who_watches_sees_every_operation():
    model = model_of("float32", n_embd=8)
    watched = []
    for hidden in (model.hidden, NewTokens(model)):
        with trace() as graph:
            new_token(model, hidden, 4)
        watched.append([step.name for step in graph.steps])
    assert watched[0] == watched[1] and watched[1].count("attention") == 4


def test_weights_that_change_between_tokens_are_the_new_ones():
    """A part that is put in another's place is seen when more than one token is read."""
    model, other = model_of("float64", n_embd=8), GPT(GPTConfig(V, T, n_layer=2, n_head=4, n_embd=8), Key(4))
    hidden = NewTokens(model)
    for name, p in model.named_parameters().items():
        p.data = other.named_parameters()[name].data.astype("float64")
    assert_same_states(model, hidden)
    model.h[1].mlp = model.h[0].mlp
    hidden(np.array([[1, 2]]), Cache.empty(model.config, 1, T, model.wte.weight.data))
    assert_same_states(model, hidden)


def assert_same_states(model, hidden):
    np.testing.assert_allclose(new_token(model, hidden, 4), new_token(model, model.hidden, 4), atol=1e-12)


def test_no_rows():
    model = model_of("float32", n_embd=8)
    cache = Cache.empty(model.config, 0, T, model.wte.weight.data)
    assert NewTokens(model)(np.zeros((0, 1), dtype=int), cache).shape == (0, 1, 8)


def test_a_reader_is_of_its_model_and_has_room():
    model = model_of("float64", n_embd=8)
    with pytest.raises(BadInput, match="another model"):
        generate(model, [1], 3, reader=OneText(model_of("float64", n_embd=8)))
    with pytest.raises(BadInput, match="2 prompts"):
        generate_batch(model, [[1], [2]], 3, reader=OneText(model))
    assert len(list(generate(model, [1], T, reader=OneText(model)))) == T
    with pytest.raises(BadInput, match=f"{T} tokens.*{T + 1}"):
        generate(model, [1], T + 1, reader=OneText(model))


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=T), min_size=2, max_size=6),
    last=st.integers(1, 3),
)
def test_a_text_that_changes_is_read_as_if_it_were_new(texts, last):
    """With two tokens texts often begin alike; some are the beginning of others."""
    model = model_of("float64", n_embd=8)
    reader = OneText(model)
    for text in [*texts, texts[-1][:3], texts[-1]]:
        expected = model(np.array([text])).data[0, -last:]
        np.testing.assert_allclose(reader.logits(text, last), expected, atol=1e-10 * np.abs(expected).max())
        assert reader.tokens == text and reader.cache.length == len(text)
    assert list(generate(model, texts[0][:3], 5, reader=reader)) == list(generate(model, texts[0][:3], 5))
