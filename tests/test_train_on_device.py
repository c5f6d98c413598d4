"""Training, evaluation and writing on a device: what the CPU does, and no wait but where a number is read."""

import sys

import numpy as np
import pytest
import standin

import autograd as ag
from autograd import Key
from autograd.kernels import reference
from tinygpt.generate import beam_search, chain, fill, generate, greedy_search, score, temperature, top_k, translations
from tinygpt.model import GPT, Bert, BertConfig, BigramLM, GPTConfig, Seq2Seq, Seq2SeqConfig
from tinygpt.text.batches import IGNORE, Batch, random_windows, strided_windows
from tinygpt.text.masked_lm import MaskedBatch
from tinygpt.text.pair_batches import PairBatch
from tinygpt.text.tokenizer import MASK, CharTokenizer
from tinygpt.train import (
    AdamW,
    bert_loss,
    causal_lm_loss,
    evaluate,
    masked_accuracy,
    masked_lm_loss,
    mlm_predictions,
    next_sentence_loss,
    seq2seq_loss,
    train,
)
from tinygpt.train.checkpoints import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.core

V, T = 11, 6
TOKENS = np.random.default_rng(3).integers(V, size=300)
SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 8}
POSITIONS = ("learned", "sinusoidal", "rotary", "alibi", "t5", "none")


def gpt(**changes):
    return GPT(GPTConfig(V, T, **{**SHAPE, "dropout": 0.2, **changes}), Key(4))


def windows(index):
    return random_windows(TOKENS, 3, T, seed=2, index=index)


def hidden_tokens(index):
    """A masked batch, padded, of pairs."""
    ids, targets = windows(index)
    targets = np.where(np.arange(T) % 3 == 1, targets, IGNORE)
    mask = np.arange(T) < np.array([[T], [T - 1], [T - 2]])
    return MaskedBatch(ids, np.where(mask, targets, IGNORE), (ids > 5) * 1, mask, np.array([0, 1, 0]))


def pairs(index):
    ids, targets = windows(index)
    return PairBatch(targets, np.arange(T) < np.array([[T], [3], [1]]), ids, np.where(ids == 2, IGNORE, targets))


def bert(**changes):
    return Bert(BertConfig(V, T, **SHAPE, dropout=0.2, **changes), Key(5))


def seq2seq(**changes):
    return Seq2Seq(Seq2SeqConfig(V, T, **SHAPE, dropout=0.2, **changes), Key(6))


TASKS = {
    "bigram": (lambda: BigramLM(V, Key(1)), causal_lm_loss, windows),
    **{f"gpt-{name}": (lambda name=name: gpt(positions=name), causal_lm_loss, windows) for name in POSITIONS},
    "gpt-another-form": (
        lambda: gpt(norm="rms", bias=False, activation="relu", n_kv_head=1, pre_norm=False), causal_lm_loss, windows
    ),
    "masked": (bert, masked_lm_loss, hidden_tokens),
    "masked-t5-positions": (lambda: bert(positions="t5"), masked_lm_loss, hidden_tokens),
    "next-sentence": (bert, next_sentence_loss, hidden_tokens),
    "bert": (bert, bert_loss, hidden_tokens),
    "seq2seq": (seq2seq, seq2seq_loss, pairs),
    "seq2seq-t5-positions": (lambda: seq2seq(positions="t5", norm="rms"), seq2seq_loss, pairs),
}  # fmt: skip


def steps_of(task, place, n=10, **options):
    """(model, optimizer, steps) after n steps on a place."""
    make, loss, batches = TASKS[task]
    model = make().to(place)
    optimizer = AdamW(model.parameters(), grad_clip=0.5)
    with ag.use("reference"):
        return model, optimizer, list(train(model, loss, batches, optimizer, n, 1e-2, **options))


@pytest.mark.parametrize("task", TASKS)
def test_ten_steps_are_those_of_the_cpu_and_wait_for_nothing(task, device):
    expected, _, known = steps_of(task, "cpu")
    with standin.no_waits():
        model, optimizer, steps = steps_of(task, device)
    assert isinstance(optimizer.m, standin.ndarray)
    for a, b in zip(steps, known, strict=True):
        assert (a.index, a.tokens, a.learning_rate) == (b.index, b.tokens, b.learning_rate)
        assert a.loss == pytest.approx(b.loss, rel=1e-5) and a.grad_norm == pytest.approx(b.grad_norm, rel=1e-4)
    for name, p in model.named_parameters().items():
        np.testing.assert_allclose(p.numpy(), expected.named_parameters()[name].data, rtol=0, atol=2e-4)


@pytest.mark.parametrize("task", ["gpt-rotary", "bert", "seq2seq"])
def test_accumulation_and_recomputing_wait_for_nothing(task, device):
    _, _, known = steps_of(task, "cpu", 3, accumulate=3)
    make, loss, batches = TASKS[task]
    model = make().to(device)
    model.recompute = True
    with standin.no_waits():
        steps = list(train(model, loss, batches, AdamW(model.parameters(), grad_clip=0.5), 3, 1e-2, accumulate=3))
    assert [a.loss for a in steps] == pytest.approx([b.loss for b in known], rel=1e-5)


def test_a_step_sends_its_batch_and_nothing_else(device):
    model = gpt().to(device)
    optimizer = AdamW(model.parameters())
    with standin.counted() as traffic:
        for step in train(model, causal_lm_loss, windows, optimizer, 1, 1e-2):
            assert isinstance(step.norm, standin.ndarray)
    assert traffic.uploads == [(3, T), (3 * T,)], "ids, and targets in a row"
    with standin.counted() as traffic:
        assert step.loss > 0 and step.loss > 0 and step.grad_norm > 0
    assert traffic.waits == ["item()", "float()"], "once, when somebody looks"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("grad_clip", [0.0, 1.0])
def test_gradients_that_are_not_finite_change_nothing_and_say_so_when_read(bad, grad_clip, device):
    model = gpt(dropout=0.0).to(device)
    optimizer = AdamW(model.parameters(), grad_clip=grad_clip)

    def poisoned(model, batch, key=None):
        total, count = causal_lm_loss(model, batch, key)
        return total * bad, count

    before = {name: p.numpy().copy() for name, p in model.named_parameters().items()}
    with standin.no_waits():
        (step,) = train(model, poisoned, windows, optimizer, 1, 1e-2)
    for value in ("loss", "grad_norm"):
        with pytest.raises(FloatingPointError, match=r"step 0, loss (nan|inf): the gradients are not finite: lower"):
            getattr(step, value)
    assert all((p.numpy() == before[name]).all() for name, p in model.named_parameters().items())
    assert not optimizer.m.get().any() and not optimizer.v.get().any()
    (step,) = train(model, causal_lm_loss, windows, optimizer, 1, 1e-2)
    assert step.loss > 0, "and training can go on"


def test_evaluation_waits_once_a_batch_when_all_are_done(device):
    batches = list(strided_windows(TOKENS, 4, T))
    model = gpt()
    expected = evaluate(model, causal_lm_loss, batches)
    model.to(device)
    with standin.counted() as traffic:
        found = evaluate(model, causal_lm_loss, batches)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6) and found.tokens == expected.tokens
    assert traffic.waits == ["item()"] * len(batches)


def test_masked_accuracy(device):
    model = bert()
    expected = masked_accuracy(mlm_predictions(model), [hidden_tokens(0), hidden_tokens(1)])
    assert masked_accuracy(mlm_predictions(model.to(device)), [hidden_tokens(0), hidden_tokens(1)]) == expected


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_text_is_written_as_on_the_cpu(positions, device):
    """Beyond the context, too; greedily and by drawing."""
    model, rule = gpt(positions=positions), chain(temperature(1.5), top_k(5))
    for key in (None, Key(3)):
        expected = list(generate(model.to("cpu"), [1, 2], 12, rule, key))
        assert list(generate(model.to(device), [1, 2], 12, rule, key)) == expected
    logprobs = score(model, TOKENS[:20])
    np.testing.assert_allclose(logprobs, score(model.to("cpu"), TOKENS[:20]), rtol=1e-5)


@pytest.mark.parametrize("positions", ["learned", "t5"])
def test_targets_are_searched_as_on_the_cpu(positions, device):
    model, batch = seq2seq(positions=positions), pairs(0)
    for search in (greedy_search, beam_search):
        expected = search(translations(model.to("cpu"), batch.source, batch.source_mask, 0, 5), [1])
        found = search(translations(model.to(device), batch.source, batch.source_mask, 0, 5), [1])
        if search is beam_search:
            expected, found = ([[one.tokens for one in each] for each in texts] for texts in (expected, found))
        assert found == expected


def test_hidden_places_are_filled_as_on_the_cpu(device):
    tokenizer = CharTokenizer.train(["abcdefg"], special_tokens=(MASK,))
    model = Bert(BertConfig(tokenizer.vocab_size, T, **SHAPE), Key(5))
    expected = fill(model, tokenizer, f"ab{MASK}d", 3)
    found = fill(model.to(device), tokenizer, f"ab{MASK}d", 3)
    assert [[c.text for c in place] for place in found] == [[c.text for c in place] for place in expected]


@pytest.mark.parametrize("places", [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_a_run_goes_on_from_its_checkpoint_on_either_device(places, device, tmp_path):
    first, then = places
    tokenizer = CharTokenizer.train(["abcdefghijk"])
    _, _, known = steps_of("gpt-learned", "cpu", 6)
    model, optimizer, _ = steps_of("gpt-learned", first, 3)
    save_checkpoint(tmp_path / "c.safetensors", 3, model, optimizer, {}, tokenizer)
    checkpoint = load_checkpoint(tmp_path / "c.safetensors")
    model = checkpoint.model(then)
    optimizer = AdamW(model.parameters(), grad_clip=0.5)
    checkpoint.restore(optimizer)
    with ag.use("reference"):
        steps = list(train(model, causal_lm_loss, windows, optimizer, 6, 1e-2, start=3))
    assert ag.device_of(optimizer.m) == model.parameters()[0].device == ("cpu" if then == "cpu" else "cuda:0")
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in known[3:]], rel=1e-5)


def test_a_checkpoint_is_the_same_file_on_either_device(device, tmp_path):
    """Of a model and moments that are the same; what was computed differs by rounding."""
    tokenizer = CharTokenizer.train(["abcdefghijk"])
    for name, place in (("cpu", "cpu"), ("cuda", device)):
        model = gpt().to(place)
        save_checkpoint(tmp_path / name, 0, model, AdamW(model.parameters()), {}, tokenizer)
    assert (tmp_path / "cpu").read_bytes() == (tmp_path / "cuda").read_bytes()


def test_dropout_masks_are_the_same_bits(device):
    x = np.ones((3, 5, 7), np.float32)
    expected, _ = reference.dropout(x, 0.3, Key(8))
    found, _ = reference.dropout(ag.to_device(x, device), 0.3, Key(8))
    np.testing.assert_array_equal(found.get(), expected)


@pytest.mark.parametrize("wrong", [V, -1, 10**6])
def test_ids_beyond_the_vocabulary_are_the_same_error_before_they_cross(wrong, device):
    batch = windows(0)
    ids = np.where(np.arange(T) == 2, wrong, batch.inputs)
    for place in ("cpu", device):
        model = gpt().to(place)
        with standin.no_waits():
            with pytest.raises(IndexError, match=rf"embedding: id {wrong} is outside 0 … {V - 1}"):
                causal_lm_loss(model, Batch(ids, batch.targets))
            with pytest.raises(IndexError, match=rf"cross_entropy: id {wrong} is outside 0 … {V - 1}"):
                causal_lm_loss(model, Batch(batch.inputs, ids))
    with pytest.raises(IndexError, match=rf"embedding: id {wrong}"):
        ag.embedding(ag.to_device(ids, device), model.wte.weight)


def test_a_gradient_check_on_the_device(device):
    x, w = (ag.to_device(np.random.default_rng(i).standard_normal((3, 3)), device) for i in range(2))
    ag.gradcheck(lambda a, b: ag.softmax(a @ b), x, w)
    ag.gradcheck(lambda a, k: a**k, x, 2)
    with pytest.raises(AssertionError, match="by finite differences"):
        ag.gradcheck(lambda a: ag.record(a.data * 2, (a,), lambda g: (g * 3,)), ag.Tensor(x))


class TestSeededLeaks:
    """Mistakes that would pass on the CPU: the step above must not pass with any of them."""

    @staticmethod
    def step(device):
        model = gpt().to(device)
        with standin.no_waits():
            return list(train(model, causal_lm_loss, windows, AdamW(model.parameters()), 2, 1e-2))

    def test_without_one(self, device):
        assert len(self.step(device)) == 2

    def test_a_function_of_numpy_in_a_kernel(self, device, monkeypatch):
        def softmax(x, axis=-1):
            e = np.exp(x - x.max(axis=axis, keepdims=True))
            return e / e.sum(axis=axis, keepdims=True), None

        monkeypatch.setattr(sys.modules["autograd.kernels.reference.attention"], "softmax", softmax)
        with pytest.raises(TypeError):
            self.step(device)

    def test_a_reduction_of_numpy(self, device, monkeypatch):
        monkeypatch.setattr(reference, "squared_norm", lambda x: np.sum(x * x))
        with pytest.raises(TypeError, match=r"numpy\.sum"):
            self.step(device)

    def test_an_array_of_numpy_as_a_factor(self, device, monkeypatch):
        module = sys.modules["autograd.kernels.reference.dropout"]
        monkeypatch.setattr(module, "keep_factors", lambda shape, *_: np.ones(shape, np.float32))
        with pytest.raises(TypeError, match="Unsupported type"):
            self.step(device)

    def test_an_implicit_conversion(self, device, monkeypatch):
        monkeypatch.setattr(reference, "squared_norm", lambda x: np.asarray(x).sum())
        with pytest.raises(TypeError, match="Implicit conversion"):
            self.step(device)

    @pytest.mark.parametrize("read", [float, bool, lambda x: x.item(), lambda x: x.get(), repr, list])
    def test_a_number_read_in_the_step(self, read, device, monkeypatch):
        def squared_norm(x):
            total = (x * x).sum()
            read(total.reshape(1) if read is list else total)
            return total

        monkeypatch.setattr(reference, "squared_norm", squared_norm)
        with pytest.raises(standin.Waited):
            self.step(device)

    def test_a_name_that_cupy_lacks(self, device, monkeypatch):
        monkeypatch.setattr(reference, "squared_norm", lambda x: ag.array_module(x).errstate)
        with pytest.raises(AttributeError, match="errstate"):
            self.step(device)
