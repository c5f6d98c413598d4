"""The encoder–decoder: who sees what, and that BART and T5 are forms of it."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from autograd import Key, no_grad
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.model import Seq2Seq, Seq2SeqConfig
from tinygpt.text.batches import IGNORE
from tinygpt.text.pair_batches import make_batch
from tinygpt.train import seq2seq_loss

pytestmark = pytest.mark.core

GOLDEN = Path(__file__).parent / "golden"
sys.path.append(str(GOLDEN))
import make_seq2seq as made  # noqa: E402

RANDOM = np.random.default_rng(8)
EACH_KIND = pytest.mark.parametrize("positions", FORMS["positions"])


def small(**changes):
    plain = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 8}
    return Seq2Seq(Seq2SeqConfig(**{**plain, **changes}), Key(3))


def ids(*shape):
    return RANDOM.integers(11, size=shape)


def run(model, *arguments):
    with no_grad():
        return model(*arguments).data


def changed_at(array, *place):
    other = array.copy()
    other[place] = (array[place] + 1) % 11
    return other


@EACH_KIND
class TestWhoSeesWhat:
    def test_the_targets_future_changes_nothing(self, positions):
        model, source, inputs = small(positions=positions), ids(2, 6), ids(2, 7)
        before, after = run(model, source, inputs), run(model, source, changed_at(inputs, slice(None), slice(4, None)))
        np.testing.assert_array_equal(before[:, :4], after[:, :4])
        assert not np.array_equal(before[:, 4:], after[:, 4:])

    def test_the_encoder_sees_both_sides(self, positions):
        model, source = small(positions=positions), ids(1, 6)
        before = run(model.encode, source)
        for place in (0, 5):
            assert (run(model.encode, changed_at(source, 0, place)) != before).any(axis=-1).all()

    def test_padding_changes_nothing(self, positions):
        """Neither what stands at padding, nor how much of it there is."""
        model, source, inputs = small(positions=positions), ids(2, 4), ids(2, 5)
        alone = run(model, source, inputs)
        mask = np.arange(8) < np.full((2, 1), 4)
        for padding in (ids(2, 4), ids(2, 4)):
            padded = run(model, np.concatenate([source, padding], axis=1), inputs, mask)
            np.testing.assert_allclose(padded, alone, atol=2e-6)

    def test_every_first_token_hears_of_every_real_token(self, positions):
        model, source, inputs = small(positions=positions), ids(1, 6), ids(1, 1)
        before = run(model, source, inputs)
        assert all((run(model, changed_at(source, 0, place), inputs) != before).any() for place in range(6))

    def test_longer_than_the_context(self, positions):
        model = small(positions=positions)
        for source, inputs in ((ids(1, 9), ids(1, 2)), (ids(1, 2), ids(1, 9))):
            if positions == "learned":
                with pytest.raises(BadInput, match="9 tokens is longer than the model's context of 8"):
                    model(source, inputs)
            else:
                assert np.isfinite(run(model, source, inputs)).all()


def test_sources_without_tokens():
    model = small()
    with pytest.raises(BadInput, match="with a token at least"):
        model.encode(np.zeros((2, 0), dtype=np.int64))
    for wrong in (np.ones((2, 3)), np.ones((2, 4), dtype=bool)):
        with pytest.raises(BadInput, match="boolean and"):
            model.encode(ids(2, 3), wrong)


@pytest.mark.parametrize("form", [{}, made.FORMS["t5"], made.FORMS["bart"]], ids=["plain", "t5", "bart"])
def test_a_row_of_padding_reads_nothing_and_disturbs_nobody(form):
    model, source, inputs = small(**form), ids(2, 3), ids(2, 4)
    mask = np.array([[False] * 3, [True] * 3])
    batch = make_batch([([], [1, 2]), ([3, 4], [5])], begin=0, end=10)
    total, _ = seq2seq_loss(model, batch)
    total.backward()
    assert all(np.isfinite(p.grad).all() for p in model.parameters())
    both = run(model, source, inputs, mask)
    np.testing.assert_array_equal(both[0], run(model, ids(2, 3), inputs, mask)[0])
    np.testing.assert_allclose(both[1], run(model, source[1:], inputs[1:])[0], atol=2e-6)


def test_tables_are_shared_or_apart():
    shared, apart = small(tied=False), small(tied=False, source_vocab_size=7)
    assert apart.n_params - shared.n_params == 7 * 8
    assert shared.n_params - small().n_params == 11 * 8
    assert small(n_encoder_layer=1).n_params < small().n_params


def test_initial_weights_are_as_large_as_asked():
    plain, wide = small().state_dict(), small(init_std=0.1).state_dict()
    for name, array in plain.items():
        np.testing.assert_allclose(wide[name], array * (5 if array.ndim == 2 else 1), rtol=1e-5)
    for wrong in (0, float("nan"), "0.1", float("inf")):
        with pytest.raises(BadInput, match="init_std must be a number above 0"):
            small(init_std=wrong)


def test_a_table_used_three_times_adds_its_gradients():
    """As source table, target table and output layer: the sum of what three tables of the same numbers get."""
    tied, apart = small(), small(source_vocab_size=11, tied=False)
    arrays = tied.state_dict()
    apart.load_state_dict(
        {**arrays, "source_wte.weight": arrays["wte.weight"], "lm_head.weight": arrays["wte.weight"].T}
    )
    batch = make_batch([([3, 1, 2], [4, 4]), ([5], [1, 0, 6])], begin=9, end=10)
    for model in (tied, apart):
        seq2seq_loss(model, batch)[0].backward()
    added = apart.wte.weight.grad + apart.source_wte.weight.grad + apart.lm_head.weight.grad.T
    np.testing.assert_allclose(tied.wte.weight.grad, added, atol=1e-5)


def test_dropout_needs_a_key_and_follows_it():
    model, source, inputs = small(dropout=0.5), ids(2, 3), ids(2, 4)
    one, again, other = (run(model, source, inputs, None, key) for key in (Key(1), Key(1), Key(2)))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(run(model, source, inputs), run(small(), source, inputs))


def test_the_loss_is_a_sum_over_the_targets_that_count():
    model, batch = small(), make_batch([([3, 1, 2], [4, 4]), ([5], [1, 0, 6])], begin=9, end=10)
    logits = run(model, batch.source, batch.inputs, batch.source_mask).astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    rows, places = np.nonzero(batch.targets != IGNORE)
    total, count = seq2seq_loss(model, batch)
    assert count == 7
    assert total.item() == pytest.approx(-log_p[rows, places, batch.targets[rows, places]].sum(), rel=1e-5)
    smoothed, _ = partial(seq2seq_loss, label_smoothing=0.2)(model, batch)
    assert smoothed.item() == pytest.approx(0.8 * total.item() - 0.2 * log_p[rows, places].mean(-1).sum(), rel=1e-5)


@pytest.mark.parametrize("kind", made.FORMS)
def test_logits_and_gradients_are_those_of_the_peer(kind):
    stored = dict(np.load(GOLDEN / "seq2seq.npz"))
    model, row = Seq2Seq(Seq2SeqConfig(**made.FORMS[kind]), Key(0)), stored[f"{kind}.weights"]
    weights = {}
    for name, p in sorted(model.named_parameters().items()):
        weights[f"weights.{name}"], row = row[: p.size].reshape(p.shape), row[p.size :]
    assert row.size == 0
    logits, gradients = ours(kind, weights)
    np.testing.assert_allclose(logits.ravel(), stored[f"{kind}.logits"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(made.flat(gradients, ""), stored[f"{kind}.gradients"], rtol=1e-4, atol=1e-4)


def ours(kind, weights):
    """(logits, gradients of Σ WEIGHTS · logits) from these weights, in their precision."""
    model = Seq2Seq(Seq2SeqConfig(**made.FORMS[kind]), Key(0))
    for name, p in model.named_parameters().items():
        assert p.shape == weights[f"weights.{name}"].shape, name
        p.data = weights[f"weights.{name}"].copy()
    logits = model(made.SOURCE, made.INPUTS, made.SOURCE_MASK)
    (logits * made.WEIGHTS.astype(logits.dtype)).sum().backward()
    return logits.data, {name: p.grad for name, p in model.named_parameters().items()}
