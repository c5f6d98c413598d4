"""The encoder: both sides are seen, padding is not, and its heads and losses are what they are called."""

import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import Key, Tensor, gelu, no_grad, use
from autograd.kernels import DEPTHS
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.generate import fill
from tinygpt.model import Bert, BertConfig
from tinygpt.text.batches import IGNORE
from tinygpt.text.masked_baselines import likeliest_after, likeliest_before, most_frequent
from tinygpt.text.masked_lm import MaskedBatch, Masking
from tinygpt.text.next_sentence import next_sentence_batch
from tinygpt.text.tokenizer import MASK, CharTokenizer, Tokenizer, WordPiece
from tinygpt.train import (
    AdamW,
    bert_loss,
    masked_accuracy,
    masked_lm_loss,
    mlm_predictions,
    next_sentence_accuracy,
    next_sentence_loss,
    train,
)

pytestmark = pytest.mark.core

GOLDEN = Path(__file__).parent / "golden"
sys.path.append(str(GOLDEN))
import make_bert as made  # noqa: E402

V, T = 23, 9
RANDOM = np.random.default_rng(8)


def small(**changes):
    form = {"vocab_size": V, "block_size": T, "n_layer": 2, "n_head": 2, "n_embd": 8}
    model = Bert(BertConfig(**{**form, **changes}), Key(1))
    for p in model.parameters():  # away from the symmetric start
        p.data[...] += 0.3 * RANDOM.standard_normal(p.shape)
    return model


def some_ids(batch=3, time=T):
    return RANDOM.integers(V, size=(batch, time))


def everything(model, ids, segments=None, mask=None):
    """Hidden states, and what each head makes of them."""
    with no_grad():
        hidden = model(ids, segments, mask)
        return [x.data for x in (hidden, model.mlm_logits(hidden), model.pooled(hidden), model.nsp_logits(hidden))]


def test_the_defaults_are_berts_form():
    c = BertConfig(V)
    assert (c.pre_norm, c.activation, c.norm_eps, c.positions, c.n_segments, c.bias) == (
        False, "gelu_exact", 1e-12, "learned", 2, True,
    )  # fmt: skip


def test_parameters_by_formula():
    """Tables, blocks, pooler (the count that the paper gives ends here), and the heads."""
    C, L = 8, 3
    model = small(n_layer=L)
    tables, block = (V + T + 2) * C + 2 * C, 12 * C * C + 13 * C
    heads = (C * C + C + 2 * C + V) + (2 * C + 2)
    assert model.n_params == tables + L * block + C * C + C + heads


@pytest.mark.parametrize("positions", FORMS["positions"])
class TestSeeing:
    def test_every_position_sees_both_sides(self, positions):
        model, ids = small(positions=positions), some_ids(1)
        before = everything(model, ids)[0]
        for place in range(T):
            changed = ids.copy()
            changed[0, place] = (ids[0, place] + 1) % V
            assert (np.abs(everything(model, changed)[0] - before).max(axis=-1) > 1e-6).all()

    def test_padding_changes_nothing(self, positions):
        """Neither that it is there, nor what ids and segments stand in it."""
        model, lengths = small(positions=positions), (5, 7, 3)
        mask = np.arange(7) < np.array(lengths)[:, None]
        ids, segments = some_ids(3, 7), RANDOM.integers(2, size=(3, 7))
        padded = everything(model, ids, segments, mask)
        other = everything(model, np.where(mask, ids, (ids + 3) % V), np.where(mask, segments, 1 - segments), mask)
        for x, y in zip(padded, other, strict=True):
            real = mask if x.ndim == 3 else slice(None)
            np.testing.assert_array_equal(x[real], y[real])
        for row, n in enumerate(lengths):
            alone = everything(model, ids[row : row + 1, :n], segments[row : row + 1, :n])
            for x, y in zip(padded, alone, strict=True):
                np.testing.assert_allclose(x[row, :n] if x.ndim == 3 else x[row], y[0], atol=1e-5)

    def test_order_matters_where_there_are_positions(self, positions):
        """Two tokens change places; turning all around would not do, as ALiBi looks at distances alone."""
        model, ids, swap = small(positions=positions), np.arange(T)[None], [1, 0, *range(2, T)]
        hidden, swapped = everything(model, ids)[0], everything(model, ids[:, swap])[0][:, swap]
        assert np.allclose(hidden, swapped, atol=1e-5) == (positions == "none")


@pytest.mark.parametrize(("activation", "approximation"), [("gelu", "tanh"), ("gelu_exact", "none"), ("relu", "none")])
def test_the_heads_gelu_is_exact_unless_the_approximation_is_named(activation, approximation):
    model = small(activation=activation)
    head, hidden = model.mlm_head, Tensor(RANDOM.standard_normal((4, 8)).astype("float32"))
    with no_grad():
        logits = head.ln(gelu(head.dense(hidden), approximation)) @ model.wte.weight.T + head.bias
        np.testing.assert_allclose(model.mlm_logits(hidden).data, logits.data, rtol=0, atol=2e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_row_of_padding_is_finite_and_disturbs_no_other(depth):
    model, ids = small(), some_ids(2, 5)
    mask = np.array([[True] * 5, [False] * 5])
    with use(depth):
        hidden = model(ids, mask=mask)
        model.mlm_logits(hidden).sum().backward()
        assert np.isfinite(hidden.data).all()
        assert all(np.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        np.testing.assert_allclose(everything(model, ids, mask=mask)[0][0], everything(model, ids[:1])[0][0], atol=1e-6)


def test_segments_mark_the_texts():
    model, ids = small(), some_ids()
    first, second = np.zeros_like(ids), np.ones_like(ids)
    np.testing.assert_array_equal(everything(model, ids)[0], everything(model, ids, first)[0])
    assert not np.allclose(everything(model, ids, first)[0], everything(model, ids, second)[0])
    np.testing.assert_array_equal(everything(small(n_segments=1), ids, first)[0].shape, (3, T, 8))


def test_a_key_drops_and_the_same_key_drops_the_same():
    model, ids = small(dropout=0.3), some_ids()
    with no_grad():
        one, again, other = (model(ids, key=Key(seed)).data for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other) and not np.array_equal(one, everything(model, ids)[0])


@pytest.mark.parametrize("tied", [True, False])
def test_one_table_or_two(tied):
    model, ids = small(tied=tied), some_ids()
    model.mlm_logits(model(ids)).sum().backward()
    unseen = np.setdiff1d(np.arange(V), ids)
    assert bool(model.wte.weight.grad[unseen].any()) == tied
    assert ("mlm_head.decoder.weight" in model.named_parameters()) != tied


@pytest.mark.parametrize("changes", [{"bias": False}, {"norm": "rms"}, {"pre_norm": True}, {"activation": "swiglu"}])
def test_other_forms_train_too(changes):
    model = small(**changes)
    batch = MaskedBatch(some_ids(), some_ids(), next_sentence_labels=np.array([0, 1, 1]))
    steps = list(train(model, bert_loss, lambda i: batch, AdamW(model.parameters()), 25, 1e-2))
    assert steps[-1].loss < 0.8 * steps[0].loss
    assert all(not name.endswith("bias") for name in model.named_parameters()) == (changes == {"bias": False})


class TestLosses:
    targets = np.where(RANDOM.random((3, T)) < 0.4, some_ids(), IGNORE)
    batch = MaskedBatch(some_ids(), targets, next_sentence_labels=np.array([0, 1, 0]))

    def test_only_chosen_places_count(self):
        model = small()
        total, count = masked_lm_loss(model, self.batch)
        logits = everything(model, self.batch.inputs)[1].astype(np.float64)
        chosen = np.argwhere(self.batch.targets != IGNORE)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        expected = -sum(np.log(p[b, t, self.batch.targets[b, t]]) for b, t in chosen)
        assert count == len(chosen) and total.item() == pytest.approx(expected, rel=1e-5)

    def test_both_tasks_are_the_sum_of_their_means(self):
        model = small()
        (tokens, n), (pairs, m), (both, count) = (
            loss(model, self.batch) for loss in (masked_lm_loss, next_sentence_loss, bert_loss)
        )
        assert count == n and m == 3
        assert both.item() / count == pytest.approx(tokens.item() / n + pairs.item() / m, rel=1e-5)

    def test_every_parameter_learns_from_both_tasks(self):
        model = small()
        bert_loss(model, self.batch)[0].backward()
        assert all(p.grad is not None and p.grad.any() for p in model.parameters())

    def test_a_batch_without_targets_counts_nothing(self):
        total, count = masked_lm_loss(small(), MaskedBatch(some_ids(), np.full((3, T), IGNORE)))
        assert (total.item(), count) == (0, 0)


def test_pairs_of_passages_are_told_apart_by_what_they_are_about():
    """Eight documents, each in four words of its own: sentences that were never seen are told by their words."""
    tokenizer = WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(32))))
    draw = np.random.default_rng(0)
    learned, unseen = ([draw.integers(5 + 4 * d, 9 + 4 * d, size=(6, 3)).tolist() for d in range(8)] for _ in range(2))
    model = Bert(BertConfig(37, 16, n_layer=1, n_head=2, n_embd=32, positions="none"), Key(0))

    def drawn(documents, batch_size, index):
        return next_sentence_batch(documents, tokenizer, Masking.of(tokenizer), batch_size, 16, 1, index)

    assert next_sentence_accuracy(model, [drawn(unseen, 400, 0)]) < 0.6
    for _ in train(model, bert_loss, lambda i: drawn(learned, 32, i), AdamW(model.parameters()), 140, 6e-3):
        pass
    assert next_sentence_accuracy(model, [drawn(unseen, 400, 0)]) > 0.7


def test_accuracies():
    row = np.array([0, 1, 2, 0, 1, 3, 0, 1, 2, 0])
    batch = MaskedBatch(np.array([[0, 5, 2, 0, 5]]), np.array([[0, 1, IGNORE, IGNORE, 2]]))
    assert most_frequent(row)(batch).tolist() == [[0] * 5]
    assert likeliest_after(row, 6)(batch).tolist() == [[0, 1, 0, 0, 1]]  # 5 was never seen: the most frequent
    assert likeliest_before(row, 6)(batch).tolist() == [[0, 1, 2, 0, 0]]
    guesses = (most_frequent(row), likeliest_after(row, 6), likeliest_before(row, 6))
    assert [masked_accuracy(guess, [batch]) for guess in guesses] == [1 / 3, 2 / 3, 2 / 3]
    with pytest.raises(ValueError, match="no token was chosen"):
        masked_accuracy(most_frequent(row), [])


def test_a_models_guesses_are_its_likeliest_tokens():
    model, ids = small(), some_ids()
    expected = everything(model, ids)[1].argmax(-1)
    np.testing.assert_array_equal(mlm_predictions(model)(MaskedBatch(ids, ids)), expected)
    assert masked_accuracy(mlm_predictions(model), [MaskedBatch(ids, expected)]) == 1


class TestFilling:
    """A model that has learned one sentence knows what is missing from it."""

    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat")

    def learned(self, tokenizer, text):
        ids = np.array([tokenizer.surround(tokenizer.encode(text))])
        places = [i for i, each in enumerate(ids[0]) if each not in tokenizer.special_tokens.values()]
        inputs, targets = np.repeat(ids, len(places), 0), np.full((len(places), ids.shape[1]), IGNORE)
        for row, place in enumerate(places):
            inputs[row, place], targets[row, place] = tokenizer.special_tokens[tokenizer.mask_token], ids[0, place]
        model = small(vocab_size=tokenizer.vocab_size, block_size=ids.shape[1], n_layer=1)
        batch = MaskedBatch(inputs, targets)
        for _ in train(model, masked_lm_loss, lambda i: batch, AdamW(model.parameters()), 60, 2e-2):
            pass
        return model

    def test_wordpiece(self):
        tokenizer = WordPiece(self.words)
        model = self.learned(tokenizer, "the cat sat on the mat")
        (candidates,) = fill(model, tokenizer, "The [MASK] sat on the mat", 3)
        assert candidates[0].text == "cat" and candidates[0].token == 6 and len(candidates) == 3
        probabilities = [each.probability for each in candidates]
        assert probabilities == sorted(probabilities, reverse=True) and 0.5 < sum(probabilities) <= 1
        both = fill(model, tokenizer, "the [MASK] sat on the <mask>", 1)
        assert [each[0].text for each in both] == ["cat", "mat"]
        everything = fill(model, tokenizer, "the [MASK] sat on the mat", 100)[0]
        assert len(everything) == 5 and not any(each.text.startswith("[") for each in everything)

    def test_bytes_take_the_space_with_them(self):
        tokenizer = Tokenizer.train(["the cat sat on the cat"] * 4, 275, special_tokens=(MASK,))
        model = self.learned(tokenizer, "the cat sat")
        ((best, *_),) = fill(model, tokenizer, "the [MASK] sat")
        assert best.text == " cat"

    def test_characters_keep_it(self):
        tokenizer = CharTokenizer.train(["the cat"], special_tokens=(MASK,))
        model = self.learned(tokenizer, "the cat")
        assert fill(model, tokenizer, "the [MASK]at")[0][0].text == "c"

    @pytest.mark.parametrize("positions", sorted(set(FORMS["positions"]) - {"learned"}))
    def test_positions_that_go_on_fill_longer_texts(self, positions):
        model = small(vocab_size=10, positions=positions)
        (found,) = fill(model, WordPiece(self.words), "the [MASK] " + "cat " * 20)
        assert len(found) == 5 and 0 < sum(each.probability for each in found) <= 1

    def test_bad_input(self):
        tokenizer, model = WordPiece(self.words), small(vocab_size=10, n_layer=1)
        for ask, message in (
            (lambda: fill(model, tokenizer, "the cat"), r"no mask: write \[MASK\]"),
            (lambda: fill(model, tokenizer, "the [MASK]", 0), "at least 1"),
            (lambda: fill(model, tokenizer, "the [MASK] " + "cat " * 9), "13 tokens, and the context is 9"),
            (lambda: fill(small(vocab_size=9), tokenizer, "the [MASK]"), "10 tokens and the model 9"),
            (lambda: fill(model, Tokenizer(), "the [MASK]"), "no mask token"),
        ):
            with pytest.raises(BadInput, match=message):
                ask()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"segments": np.full((1, 4), 2)}, "segment 2 is outside 0 … 1"),
        ({"segments": np.full((1, 4), -1)}, "segment -1 is outside"),
        ({"segments": np.zeros((1, 3), int)}, "must have the shape of the ids"),
        ({"mask": np.ones((1, 4))}, "must be boolean.*not float64"),
        ({"mask": np.ones((4,), bool)}, r"shape \(1, 4\) of the ids"),
        ({"ids": np.zeros((1, T + 1), int)}, "10 tokens is longer than the model's context of 9"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(BadInput, match=message):
        small()(**{"ids": np.zeros((1, 4), int), **arguments})


def test_a_configuration_without_segments_is_refused():
    with pytest.raises(BadInput, match="n_segments must be a whole number of at least 1"):
        BertConfig(V, n_segments=0)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("dtype", made.TOLERANCE)
def test_outputs_and_gradients_are_those_of_the_golden_arrays(dtype, depth):
    """The same weights in another library's BertForPreTraining, with padding and segments: golden/make_bert.py."""
    stored = dict(np.load(GOLDEN / "bert.npz"))
    with use(depth):
        ours = made.our_results(stored, dtype)
    for name, array in ours.items():
        np.testing.assert_allclose(array, stored[name], rtol=0, atol=made.TOLERANCE[dtype], err_msg=name)
