"""A size before the model is made: parameters, arithmetic and memory, as models that are made and run have them."""

import tracemalloc

import numpy as np
import pytest

import autograd as ag
from autograd import Key, shapes_only, use
from tinygpt.errors import BadInput
from tinygpt.model import GPT, Bert, BertConfig, GPTConfig
from tinygpt.model.size import activation_bytes, flops_per_token, outline, training_flops, training_memory

pytestmark = pytest.mark.core

SMALL = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 8}
FORMS = {
    "GPT-2": {},
    "llama": {"positions": "rotary", "norm": "rms", "activation": "swiglu", "n_kv_head": 1, "tied": False},
    "t5": {"positions": "t5", "bias": False, "head_size": 3, "n_inner": 5},
}


@pytest.mark.parametrize("form", FORMS)
def test_an_outline_has_the_parameters_of_the_model(form):
    sizes = SMALL | FORMS[form]
    real, drawn = GPT(GPTConfig(**sizes), Key(0)), outline("gpt", sizes)
    shapes = [{name: (p.shape, p.dtype) for name, p in model.named_parameters().items()} for model in (real, drawn)]
    assert shapes[0] == shapes[1] and drawn.n_params == real.n_params


def test_an_outline_holds_no_memory():
    tracemalloc.start()
    try:
        model = outline("gpt", SMALL | {"n_embd": 12288, "n_head": 96, "n_layer": 3})
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.n_params > 5 * 10**9 and held < 10**6


def test_weights_are_drawn_again_afterwards():
    with shapes_only():
        assert not Key(0).normal((2, 3)).any() and not ag.full((2,), 1.0).any()
    assert Key(0).normal((2, 3)).all() and ag.full((2,), 1.0).all()


def test_a_model_of_another_kind():
    with pytest.raises(BadInput, match="gpt, bert, seq2seq, not 'rnn'"):
        outline("rnn", SMALL)


@pytest.mark.parametrize("form", FORMS)
def test_a_forward_makes_as_many_products_as_counted(form):
    model = GPT(GPTConfig(**SMALL | FORMS[form]), Key(0))
    with use("composed"), ag.trace() as graph:
        model(np.zeros((3, 8), dtype=np.int64))
    products = (step for step in graph.steps if step.name == "matmul")
    operations = sum(2 * step.value.size * step.operands[0].value.shape[-1] for step in products)
    assert flops_per_token(model, 8) == 3 * operations / (3 * 8)


@pytest.mark.parametrize("form", [{}, {"tied": False, "n_inner": 5}])
def test_an_encoder_makes_as_many_products_as_counted(form):
    """Its head of masked language modeling sees every token here; the two heads of a row's first token are left out."""
    model = Bert(BertConfig(**SMALL | form), Key(0))
    with use("composed"), ag.trace() as graph:
        model.mlm_logits(model(np.zeros((3, 8), dtype=np.int64)))
    products = (step for step in graph.steps if step.name == "matmul")
    operations = sum(2 * step.value.size * step.operands[0].value.shape[-1] for step in products)
    assert flops_per_token(model, 8) == 3 * operations / (3 * 8)


def test_six_for_each_parameter_and_token():
    """Table D.1 of Brown et al. 2020: 174,600 million parameters, 300 billion tokens, 3.14e23 operations."""
    assert training_flops(174_600 * 10**6, 300 * 10**9) == pytest.approx(3.14e23, rel=2e-3)


def test_activations_of_gpt3_are_the_papers():
    """Korthikanti et al. 2022, section 5: 5 a s / h is 80 for GPT-3's sizes, beside 34 of all else."""
    c = GPTConfig(50257, 2048, n_layer=96, n_head=96, n_embd=12288)
    states = 4 * 2048 * 12288 * 96
    assert activation_bytes(c, 4, 2048) == states * (34 + 80)
    assert activation_bytes(c, 4, 2048, scores=False) == states * 34
    assert activation_bytes(c, 4, 2048, recompute=True) == states * 2


def kept_bytes(n_layer, recompute):
    model = GPT(GPTConfig(13, 64, n_layer, n_head=2, n_embd=64, dropout=0.1), Key(0))
    model.recompute = recompute
    ids = np.zeros((16, 64), dtype=np.int64)
    tracemalloc.start()
    try:
        logits = model(ids, Key(1))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert logits.requires_grad
    return held, training_memory(model, 16, 64, recompute).activations


@pytest.mark.parametrize("recompute", [False, True])
def test_a_layer_keeps_what_was_counted(recompute):
    (more, counted_more), (less, counted_less) = (kept_bytes(n_layer, recompute) for n_layer in (6, 2))
    assert more - less == pytest.approx(counted_more - counted_less, rel=0.1)


def test_memory_is_weights_gradients_moments_and_activations():
    model = outline("gpt", SMALL)
    memory = training_memory(model, 3, 8)
    exponentials = 4 * SMALL["n_layer"] * 3 * SMALL["n_head"] * 8 * 8  # of attention's short rows
    kept = activation_bytes(model.config, 3, 8, 4, scores=False) + exponentials
    assert memory.total == 16 * model.n_params + kept


@pytest.mark.parametrize(("kind", "kept"), [("gpt", 64 * 64 + 64 * 128), ("bert", 128 * 128)])
def test_an_encoder_keeps_the_exponentials_of_both_sides(kind, kept):
    """Of a decoder's first block of 64 queries only those of the first 64 keys."""
    model = outline(kind, SMALL | {"block_size": 128})
    memory, without = training_memory(model, 1, 128), activation_bytes(model.config, 1, 128, 4, scores=False)
    assert memory.activations - without == 4 * SMALL["n_layer"] * SMALL["n_head"] * kept
    assert training_memory(model, 1, 128, recompute=True).activations < without
