"""Modules and the GPT: names, weights, initialization, causality, and the same numbers at every depth."""

import math

import numpy as np
import pytest

from autograd import Key, cross_entropy, embedding, linear, no_grad, use
from tinygpt.errors import BadInput
from tinygpt.model import GPT, GPTConfig, Module, Parameter, attention, block, gpt
from tinygpt.model.layers import STD, LayerNorm, Linear

pytestmark = pytest.mark.core

DEPTHS = ("composed", "reference", "fast")
SMALL = GPTConfig(vocab_size=23, block_size=12, n_layer=2, n_head=2, n_embd=16, dropout=0.25)


def small_gpt(seed=0, **changes):
    return GPT(GPTConfig(**{**vars(SMALL), **changes}), Key(seed))


def some_ids(batch=3, time=12, seed=0):
    return np.random.default_rng(seed).integers(SMALL.vocab_size, size=(batch, time))


def logits(model, ids, key=None):
    with no_grad():
        return model(ids, key).data


class Tied(Module):
    """Two uses of one table, or one use each of two."""

    inner: Parameter
    outer: Parameter
    layers: list[Linear]

    def __init__(self, inner, outer):
        self.inner, self.outer, self.layers = Parameter(inner), Parameter(outer), []

    def __call__(self, ids, key=None):
        return linear(embedding(ids, self.inner), self.outer, transposed=True)


def test_a_mistyped_attribute_is_refused_and_changes_nothing():
    layer = Linear(3, 2, Key(0))
    with pytest.raises(AttributeError, match=r"wieght.*bias, weight"):
        layer.wieght = layer.weight
    assert set(vars(layer)) == {"weight", "bias"}


def test_attributes_of_a_base_class_may_be_set():
    class Wider(LayerNorm):
        extra: int

    wider = Wider(4)
    wider.extra = 1
    wider.bias = None
    assert list(wider.named_parameters()) == ["weight"]


def test_names_are_those_of_gpt2():
    inside_a_block = [
        f"{part}.{kind}"
        for part in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
        for kind in ("weight", "bias")
    ]
    expected = ["wte.weight", "wpe.weight", *(f"h.{i}.{name}" for i in range(2) for name in inside_a_block)]
    assert list(small_gpt().named_parameters()) == [*expected, "ln_f.weight", "ln_f.bias"]
    without = small_gpt(bias=False).named_parameters()
    assert list(without) == [name for name in [*expected, "ln_f.weight"] if not name.endswith("bias")]


def test_shapes_are_in_out():
    C, V, T = SMALL.n_embd, SMALL.vocab_size, SMALL.block_size
    shapes = {name: p.shape for name, p in small_gpt().named_parameters().items()}
    assert shapes["wte.weight"] == (V, C) and shapes["wpe.weight"] == (T, C)
    assert shapes["h.1.attn.c_attn.weight"] == (C, 3 * C) and shapes["h.1.attn.c_proj.weight"] == (C, C)
    assert shapes["h.1.mlp.c_fc.weight"] == (C, 4 * C) and shapes["h.1.mlp.c_proj.weight"] == (4 * C, C)


@pytest.mark.parametrize("bias", [True, False])
def test_n_params_counts_a_tied_table_once(bias):
    C, V, T, L = SMALL.n_embd, SMALL.vocab_size, SMALL.block_size, SMALL.n_layer
    matrices = V * C + T * C + L * 12 * C * C
    normalizations = (2 * L + 1) * C
    biases = L * (3 * C + C + 4 * C + C) + normalizations
    assert small_gpt(bias=bias).n_params == matrices + normalizations + bias * biases


def test_weights_go_from_one_model_to_another():
    model, other = small_gpt(seed=1), small_gpt(seed=2)
    ids = some_ids()
    assert not np.array_equal(logits(model, ids), logits(other, ids))
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(logits(model, ids), logits(other, ids))
    model.wte.weight.data[...] = 0
    assert other.wte.weight.data.any(), "loading must copy"


def test_strict_loading_lists_everything_wrong_and_changes_nothing():
    model = small_gpt()
    before = {name: a.copy() for name, a in model.state_dict().items()}
    state = {name: a + 1 for name, a in before.items()}
    del state["wpe.weight"], state["h.0.ln_1.bias"]
    state["head.weight"] = state["lm_head.bias"] = np.zeros(3)
    state["ln_f.weight"] = np.zeros((2, 2))
    with pytest.raises(BadInput) as error:
        model.load_state_dict(state)
    for words in ("missing wpe.weight", "missing h.0.ln_1.bias", "unexpected head.weight", "unexpected lm_head.bias"):
        assert words in str(error.value)
    assert "ln_f.weight: shape (2, 2) where the model has (16,)" in str(error.value)
    with pytest.raises(BadInput, match=r"ln_f\.weight"):
        model.load_state_dict(state, strict=False)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loading_that_is_not_strict_takes_what_fits():
    model = small_gpt()
    table = model.wte.weight.data.copy()
    model.load_state_dict({"ln_f.bias": np.full(16, 7.0), "other": np.zeros(1)}, strict=False)
    np.testing.assert_array_equal(model.ln_f.bias.data, 7)
    np.testing.assert_array_equal(model.wte.weight.data, table)


def test_loading_between_forward_and_backward_is_noticed():
    model = small_gpt()
    loss = model(some_ids()).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("depth", DEPTHS)
def test_tied_tables_add_their_gradients(depth):
    table = np.random.default_rng(0).normal(size=(7, 4))
    ids, targets = np.array([[1, 2, 2, 6]]), np.array([[2, 0, 6, 1]])
    untied, tied = Tied(table.copy(), table.copy()), Tied(table.copy(), table.copy())
    tied.outer = tied.inner
    assert list(tied.named_parameters()) == ["inner"] and tied.n_params == table.size
    with use(depth):
        for model in (untied, tied):
            cross_entropy(model(ids), targets).backward()
    np.testing.assert_allclose(tied.inner.grad, untied.inner.grad + untied.outer.grad, rtol=1e-12, atol=1e-14)


def test_the_gpt_uses_its_token_table_twice():
    model = small_gpt(dropout=0.0)
    ids = np.full((1, 4), 5)
    model(ids).sum().backward()
    assert model.wte.weight.grad[9].any(), "a token that was not read still has the output layer's gradient"
    assert not np.allclose(model.wte.weight.grad[5], model.wte.weight.grad[9])


def test_a_fresh_model_guesses():
    model = GPT(GPTConfig(vocab_size=512, block_size=32, n_layer=2, n_head=2, n_embd=64), Key(3))
    rng = np.random.default_rng(0)
    with no_grad():
        loss = cross_entropy(model(rng.integers(512, size=(4, 32))), rng.integers(512, size=(4, 32))).item()
    assert loss == pytest.approx(math.log(512), abs=0.05)


def test_initial_weights():
    n_layer = 3
    model = GPT(GPTConfig(vocab_size=400, block_size=64, n_layer=n_layer, n_head=4, n_embd=64), Key(0))
    for name, p in model.named_parameters().items():
        if name.endswith("bias"):
            assert not p.data.any(), name
        elif p.ndim == 1:
            np.testing.assert_array_equal(p.data, 1, err_msg=name)
        else:
            std = STD / math.sqrt(2 * n_layer) if "c_proj" in name else STD
            spread = 5 / math.sqrt(2 * p.size)  # five standard errors of an estimated standard deviation
            assert p.data.std() == pytest.approx(std, rel=spread), name
            assert abs(p.data.mean()) < 5 * std / math.sqrt(p.size), name
            assert p.dtype == np.float32, name


def test_no_two_matrices_start_alike_and_the_seed_decides():
    model, same, other = small_gpt(1), small_gpt(1), small_gpt(2)
    first_numbers = [p.data.reshape(-1)[:8].tobytes() for p in model.parameters() if p.ndim == 2]
    assert len(set(first_numbers)) == len(first_numbers)
    np.testing.assert_array_equal(model.wte.weight.data, same.wte.weight.data)
    assert not np.array_equal(model.wte.weight.data, other.wte.weight.data)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("key", [None, Key(4)])
def test_no_position_sees_the_future(depth, key):
    model = small_gpt(seed=5)
    ids = some_ids()
    with use(depth):
        before = logits(model, ids, key)
        for t in (1, 5, 11):
            changed = ids.copy()
            changed[:, t:] = (changed[:, t:] + 1 + np.arange(12 - t)) % SMALL.vocab_size
            after = logits(model, changed, key)
            np.testing.assert_array_equal(after[:, :t], before[:, :t])
            assert not np.array_equal(after[:, t], before[:, t])


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_past_counts_and_rows_do_not_mix(depth):
    model = small_gpt(seed=5)
    ids = some_ids()
    changed = ids.copy()
    changed[1, 0] = (changed[1, 0] + 1) % SMALL.vocab_size
    with use(depth):
        before, after = logits(model, ids), logits(model, changed)
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert all(not np.array_equal(after[1, t], before[1, t]) for t in range(12))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("key", [None, Key(8)])
def test_three_depths_give_the_same_numbers(bias, key):
    ids, targets = some_ids(), some_ids(seed=1)
    found = {}
    for depth in DEPTHS:
        model = small_gpt(seed=6, bias=bias)
        for p in model.parameters():  # away from the start, where whole gradients are nearly 0
            p.data = p.data + Key(p.size).normal(p.shape, 0.1)
        with use(depth):
            scores = model(ids, key)
            cross_entropy(scores, targets).backward()
        found[depth] = {"logits": scores.data, **{name: p.grad for name, p in model.named_parameters().items()}}
    for name, value in found["fast"].items():
        scale = np.abs(value).max()
        for depth in ("composed", "reference"):
            np.testing.assert_allclose(found[depth][name], value, rtol=2e-4, atol=2e-6 * scale, err_msg=name)
            assert found[depth][name].dtype == value.dtype == np.float32


def test_a_key_switches_dropout_on():
    model, ids = small_gpt(), some_ids()
    evaluated = logits(model, ids)
    np.testing.assert_array_equal(evaluated, logits(model, ids))
    np.testing.assert_array_equal(evaluated, logits(small_gpt(dropout=0.0), ids, Key(1)))
    np.testing.assert_array_equal(logits(model, ids, Key(1)), logits(model, ids, Key(1)))
    assert not np.array_equal(logits(model, ids, Key(1)), evaluated)
    assert not np.array_equal(logits(model, ids, Key(1)), logits(model, ids, Key(2)))


def test_every_place_of_dropout_has_a_key_of_its_own(monkeypatch):
    keys = []

    def note(of):
        def noted(*arguments, **named):
            keys.append(named["key"] if "key" in named else arguments[-1])
            return of(*arguments, **named)

        return noted

    for module in (gpt, block, attention):
        monkeypatch.setattr(module, "dropout", note(module.dropout))
    monkeypatch.setattr(attention, "attention", note(attention.attention))
    small_gpt()(some_ids(), Key(1))
    assert len(keys) == len(set(keys)) == 1 + 3 * SMALL.n_layer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_head": 3}, "n_embd 16 cannot be divided among n_head 3"),
        ({"n_layer": 0}, "n_layer must be"),
        ({"n_embd": -16}, "n_embd must be"),
        ({"vocab_size": 2.0}, "vocab_size must be"),
        ({"block_size": True}, "block_size must be"),
        ({"n_head": "2"}, "n_head must be"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"dropout": -0.1}, "dropout must be"),
        ({"dropout": None}, "dropout must be"),
        ({"bias": 1}, "bias must be"),
    ],
)
def test_a_configuration_that_makes_no_model_is_refused(changes, words):
    with pytest.raises(BadInput, match=words):
        GPTConfig(**{**vars(SMALL), **changes})


def test_a_sequence_beyond_the_context_is_refused():
    model = small_gpt()
    assert logits(model, some_ids(time=1)).shape == (3, 1, SMALL.vocab_size)
    with pytest.raises(BadInput, match="13 tokens is longer than the model's context of 12"):
        model(some_ids(time=13))


def test_an_id_outside_the_vocabulary_is_refused():
    with pytest.raises(IndexError, match="23 is outside"):
        small_gpt()(np.array([[SMALL.vocab_size]]))
