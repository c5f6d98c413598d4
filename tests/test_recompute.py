"""A checkpoint keeps its inputs alone: less memory, the same bits."""

import tracemalloc

import numpy as np
import pytest

import autograd as ag
from autograd import Key, Tensor, checkpoint, no_grad, use
from autograd.kernels import DEPTHS
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.block import AttentionContext, Block, run_blocks
from tinygpt.model.config import TransformerConfig
from tinygpt.text.batches import Batch
from tinygpt.train import AdamW, causal_lm_loss, train

pytestmark = pytest.mark.core

FORMS = {
    "GPT-2": {},
    "post-norm": {"pre_norm": False, "activation": "gelu_exact"},
    "t5": {"positions": "t5", "norm": "rms", "bias": False, "activation": "relu"},
    "llama": {"positions": "rotary", "norm": "rms", "activation": "swiglu", "n_kv_head": 1, "tied": False},
    "alibi": {"positions": "alibi"},
}
IDS = np.random.default_rng(0).integers(13, size=(2, 3, 8))


def gradients(form, recompute, key, depth="fast", n_layer=3):
    """The loss and every parameter's gradient after two micro-batches, the second added to the first."""
    model = GPT(GPTConfig(13, 8, n_layer, n_head=2, n_embd=8, dropout=0.3, **form), Key(1))
    model.recompute = recompute
    with use(depth):
        for ids in IDS:
            loss, _ = causal_lm_loss(model, Batch(ids, ids[:, ::-1].copy()), key)
            loss.backward()
    return {"loss": loss.data, **{name: p.grad for name, p in model.named_parameters().items()}}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("key", [None, Key(5)], ids=["evaluated", "dropout"])
@pytest.mark.parametrize("form", FORMS)
def test_loss_and_gradients_are_the_same_bits(form, key, depth):
    kept, again = (gradients(FORMS[form], recompute, key, depth) for recompute in (False, True))
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


def test_a_decoder_that_reads_a_source():
    blocks = [Block(TransformerConfig(5, n_head=2, n_embd=8, dropout=0.2), Key(i), cross=True) for i in range(3)]
    generator = np.random.default_rng(1)
    given = [generator.standard_normal(shape).astype("float32") for shape in ((2, 4, 8), (2, 5, 8))]
    found = []
    for recompute in (False, True):
        x, source = (Tensor(array, requires_grad=True) for array in given)
        context = AttentionContext(source_mask=np.arange(5) < 3)
        y = run_blocks(blocks, x, Key(3), context, source=source, recompute=recompute)
        y.backward(np.ones(y.shape))
        found.append([y.data, x.grad, source.grad] + [p.grad.copy() for block in blocks for p in block.parameters()])
        for p in (p for block in blocks for p in block.parameters()):
            p.grad = None
    for kept, again in zip(*found, strict=True):
        np.testing.assert_array_equal(kept, again)


def test_training_takes_the_same_steps():
    def trained(recompute):
        model = GPT(GPTConfig(13, 8, n_layer=2, n_head=2, n_embd=8, dropout=0.2), Key(1))
        model.recompute = recompute
        optimizer = AdamW(model.parameters(), grad_clip=1.0)  # gradients go straight into its buffers
        batches = [Batch(ids, ids[:, ::-1].copy()) for ids in IDS]
        steps = list(train(model, causal_lm_loss, lambda i: batches[i % 2], optimizer, 4, 0.01, accumulate=2))
        return steps, model.state_dict()

    (kept, weights), (again, weights_again) = trained(False), trained(True)
    assert kept == again
    for name, value in weights.items():
        np.testing.assert_array_equal(weights_again[name], value, err_msg=name)


def kept_bytes(recompute, n_layer):
    """What a forward leaves in memory for its backward, in multiples of the states (B, T, C) that enter a block."""
    model = GPT(GPTConfig(13, 32, n_layer, n_head=2, n_embd=32), Key(0))
    model.recompute = recompute
    ids = np.zeros((16, 32), dtype=np.int64)
    tracemalloc.start()
    try:
        loss = model(ids).sum()
        held = tracemalloc.get_traced_memory()[0]
        loss.backward()
    finally:
        tracemalloc.stop()
    return held / (16 * 32 * 32 * 4)


def test_a_layer_more_keeps_its_input_and_no_activations():
    kept, again = ((kept_bytes(recompute, 8) - kept_bytes(recompute, 2)) / 6 for recompute in (False, True))
    assert kept > 10
    assert 0.9 < again < 1.6  # the input, and a few small objects beside it


class TestTheEngine:
    def test_nothing_is_recorded_under_no_grad(self):
        x = Tensor([1.0], requires_grad=True)
        with no_grad():
            assert not checkpoint(ag.exp, x).requires_grad
        assert not checkpoint(ag.exp, Tensor([1.0])).requires_grad

    def test_the_backward_may_stand_where_nothing_is_recorded(self):
        x = Tensor([1.0], requires_grad=True)
        y = checkpoint(ag.exp, x)
        with no_grad():
            y.backward()
        np.testing.assert_array_equal(x.grad, np.exp([1.0]))

    def test_the_depth_is_the_forwards(self):
        seen = []

        def noted(x):
            with ag.trace() as graph:
                y = ag.softmax(x)
            seen.append([step.name for step in graph.steps])
            return y

        x = Tensor([1.0, 2.0], requires_grad=True)
        with use("composed"):
            y = checkpoint(noted, x)
        y.backward(np.ones(2))
        assert seen[0] == seen[1] and len(seen[0]) > 2

    def test_a_second_backward_is_an_error_that_says_so(self):
        y = checkpoint(ag.exp, Tensor([1.0], requires_grad=True))
        y.backward()
        with pytest.raises(RuntimeError, match="an earlier backward"):
            y.backward()

    def test_a_graph_that_is_kept_gives_its_gradients_again(self):
        x = Tensor([2.0], requires_grad=True)
        y = checkpoint(lambda x: x * x, x)
        y.backward(retain_graph=True)
        y.backward()
        np.testing.assert_array_equal(x.grad, [8.0])

    def test_a_parameter_that_is_named_twice_has_one_gradient(self):
        x, w = Tensor([3.0], requires_grad=True), Tensor([2.0], requires_grad=True)
        checkpoint(lambda x: x * w, x, parameters=[w, w]).backward()
        assert w.grad == 3 and x.grad == 2

    def test_a_function_that_returns_its_input(self):
        x = Tensor([3.0], requires_grad=True)
        y = checkpoint(lambda x: x, x)
        y.backward()
        x.data[0] = 5  # the caller's array is still his own
        with pytest.raises(ValueError, match="read-only"):
            y.data[0] = 0
        assert x.grad == 1

    def test_a_parameter_that_was_changed_is_an_error(self):
        x, w = (Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
        y = checkpoint(lambda x: x @ w, x, parameters=[w])
        w.data[0, 0] = 5
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward(np.ones((2, 2)))

    def test_a_tensor_that_was_not_named_is_an_error(self):
        x, w = Tensor(np.ones((1, 2)), requires_grad=True), Tensor(np.ones((2, 3)), requires_grad=True)
        y = checkpoint(lambda x: x @ w, x)
        with pytest.raises(RuntimeError, match=r"shapes \[\(2, 3\)\].*neither its inputs nor named"):
            y.backward(np.ones((1, 3)))

    def test_a_named_tensor_that_is_not_read_has_zeros(self):
        x, w = Tensor([2.0], requires_grad=True), Tensor([1.0, 1.0], requires_grad=True)
        checkpoint(ag.exp, x, parameters=[w]).backward()
        np.testing.assert_array_equal(w.grad, [0, 0])
