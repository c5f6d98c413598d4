"""The loop: what a step computes, what it depends on, and what an evaluation adds up."""

import math

import numpy as np
import pytest

from autograd import Key, Tensor, no_grad, use
from tinygpt.errors import BadInput
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import IGNORE, Batch, random_windows, strided_windows
from tinygpt.train import AdamW, causal_lm_loss, evaluate, train
from tinygpt.train.evaluate import Evaluation

pytestmark = pytest.mark.core

CONFIG = GPTConfig(vocab_size=17, block_size=8, n_layer=2, n_head=2, n_embd=16)
TOKENS = np.random.default_rng(0).integers(CONFIG.vocab_size, size=400)


def gpt(seed=0, **changes):
    return GPT(GPTConfig(**{**vars(CONFIG), **changes}), Key(seed))


def drawn(index):
    return random_windows(TOKENS, 4, CONFIG.block_size, seed=3, index=index)


def run(model, batches, max_iters, start=0, optimizer=None, **options):
    optimizer = optimizer or AdamW(model.parameters())
    return list(train(model, causal_lm_loss, batches, optimizer, max_iters, 1e-2, start=start, **options))


def weights(model):
    return {name: a.copy() for name, a in model.state_dict().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def brute_force_nats(model, inputs, targets):
    """One position after another, the softmax written out."""
    total = 0.0
    with no_grad():
        for row, answers in zip(inputs, targets, strict=True):
            scores = model(row[None]).data[0].astype(np.float64)
            for t, answer in enumerate(answers):
                if answer != IGNORE:
                    total -= scores[t, answer] - math.log(np.exp(scores[t]).sum())
    return total


def test_the_loss_is_a_sum_over_the_targets_that_count():
    model, batch = gpt(), drawn(0)
    targets = batch.targets.copy()
    targets[0, 3:] = IGNORE
    targets[2] = IGNORE
    total, count = causal_lm_loss(model, Batch(batch.inputs, targets))
    assert count == 3 * 8 - 5
    assert total.item() == pytest.approx(brute_force_nats(model, batch.inputs, targets), rel=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-12)])
def test_two_hundred_steps_at_speed_are_those_of_the_reference(dtype, tolerance):
    losses = []
    for depth in ("fast", "reference"):
        model = gpt(dropout=0.1)
        for p in model.parameters():
            p.data = p.data.astype(dtype)
        with use(depth):
            steps = train(model, causal_lm_loss, drawn, AdamW(model.parameters()), 200, 1e-3)
            losses.append([step.loss for step in steps])
    np.testing.assert_allclose(*losses, rtol=tolerance)
    assert sum(losses[0][-20:]) < sum(losses[0][:20])


def test_gradients_from_before_do_not_enter_the_first_step():
    used, fresh = gpt(), gpt()
    optimizer = AdamW(used.parameters())
    causal_lm_loss(used, drawn(9))[0].backward()
    assert run(used, drawn, 1, optimizer=optimizer)[0].grad_norm == run(fresh, drawn, 1)[0].grad_norm
    assert_same(weights(used), weights(fresh))


def test_a_step_reports_the_mean_before_its_update():
    model = gpt()
    loss = evaluate(model, causal_lm_loss, [drawn(0)]).loss
    step = run(model, drawn, 1)[0]
    assert step.loss == pytest.approx(loss, rel=1e-6)
    assert (step.index, step.tokens, step.learning_rate) == (0, 32, 1e-2)
    assert 0 < step.grad_norm < math.inf


@pytest.mark.parametrize("ragged", [False, True])
def test_accumulated_micro_batches_are_one_batch(ragged):
    whole = [random_windows(TOKENS, 6, CONFIG.block_size, seed=5, index=i) for i in range(3)]
    if ragged:
        for i, batch in enumerate(whole):
            batch.targets[0, 1 + i :] = IGNORE
            batch.targets[3] = IGNORE

    def third(index):
        i, j = divmod(index, 3)
        return Batch(*(a[2 * j : 2 * j + 2] for a in whole[i]))

    one, three = gpt(), gpt()
    at_once = run(one, whole.__getitem__, 3)
    in_parts = run(three, third, 3, accumulate=3)
    for a, b in zip(at_once, in_parts, strict=True):
        assert a.tokens == b.tokens
        assert a.loss == pytest.approx(b.loss, rel=1e-5) and a.grad_norm == pytest.approx(b.grad_norm, rel=1e-4)
    for p, q in zip(one.parameters(), three.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=0, atol=2e-4)  # Adam enlarges rounding where gradients are ~0


def test_what_is_random_in_a_step_follows_from_seed_and_number():
    steps = run(gpt(dropout=0.3), drawn, 5, seed=9)
    again = run(gpt(dropout=0.3), drawn, 5, seed=9)
    other = run(gpt(dropout=0.3), drawn, 5, seed=10)
    assert steps == again
    assert steps[0].loss != other[0].loss


def test_each_micro_batch_has_its_own_dropout():
    keys = []

    def loss(model, batch, key):
        keys.append(key)
        return causal_lm_loss(model, batch, key)

    model = gpt()
    list(train(model, loss, drawn, AdamW(model.parameters()), 5, accumulate=2, start=3, seed=1))
    assert len(set(keys)) == 4
    assert keys == [Key(1).fold("train", i, j) for i in (3, 4) for j in (0, 1)]


def test_batches_are_asked_for_by_number():
    asked = []

    def batches(index):
        asked.append(index)
        return drawn(index)

    run(gpt(), batches, 4, start=2, accumulate=3)
    assert asked == [6, 7, 8, 9, 10, 11]


def test_a_loop_that_is_left_and_begun_again_goes_on_as_if_never_left():
    unbroken = gpt(dropout=0.2)
    run(unbroken, drawn, 6, seed=4)
    broken = gpt(dropout=0.2)
    optimizer = AdamW(broken.parameters())
    for step in train(broken, causal_lm_loss, drawn, optimizer, 6, 1e-2, seed=4):
        if step.index == 2:
            break
    run(broken, drawn, 6, start=3, optimizer=optimizer, seed=4)
    assert_same(weights(unbroken), weights(broken))


def test_a_small_text_is_learned_by_heart():
    text = TOKENS[: CONFIG.block_size * 3 + 1]
    batch = next(strided_windows(text, 3, CONFIG.block_size))
    steps = run(gpt(), lambda index: batch, 120)
    assert steps[0].loss == pytest.approx(math.log(CONFIG.vocab_size), abs=0.1)
    assert steps[-1].loss < 0.2


def test_a_rate_may_be_a_schedule():
    model = gpt()
    steps = train(model, causal_lm_loss, drawn, AdamW(model.parameters()), 5, lambda t: 0.01 * (t + 1), start=2)
    assert [step.learning_rate for step in steps] == pytest.approx([0.03, 0.04, 0.05])


@pytest.mark.parametrize("stride", [None, 8, 3, 1])
def test_an_evaluation_is_the_brute_force_sum(stride):
    model, text = gpt(dropout=0.5), TOKENS[:46]
    size, step = CONFIG.block_size, stride or CONFIG.block_size
    expected, scored = 0.0, 0
    for start in range(0, len(text) - 1, step):
        inputs, targets = text[start : start + size], text[start + 1 : start + size + 1].copy()
        targets[: max(0, scored - start)] = IGNORE
        scored = max(scored, start + len(targets))
        expected += brute_force_nats(model, inputs[None, : len(targets)], targets[None])
    result = evaluate(model, causal_lm_loss, strided_windows(text, 2, size, stride))
    assert result.tokens == scored == 45
    assert result.nats == pytest.approx(expected, rel=1e-5)


def test_more_context_helps_a_model_that_has_learned():
    model = gpt()
    period = np.random.default_rng(4).permutation(CONFIG.vocab_size)[:12]
    text = np.concatenate([period, period[::-1]] * 8)  # what follows a token depends on the one before it
    run(model, lambda i: random_windows(text, 8, 8, 0, i), 100)
    alone, with_context = (evaluate(model, causal_lm_loss, strided_windows(text, 8, 8, n)).loss for n in (8, 1))
    assert with_context < alone


def test_evaluation_records_nothing_and_changes_nothing():
    def watched(*arguments):
        total, count = causal_lm_loss(*arguments)
        assert total.node is None
        return total, count

    model = gpt()
    before = weights(model)
    evaluate(model, watched, [drawn(0)])
    assert_same(before, weights(model))
    assert all(p.grad is None for p in model.parameters())


def test_measures_of_an_evaluation():
    result = Evaluation(nats=math.log(2) * 30, tokens=10, n_bytes=15)
    assert result.bits_per_byte == pytest.approx(2)
    assert result.loss == pytest.approx(3 * math.log(2))
    assert result.perplexity == pytest.approx(8)
    assert math.isfinite(Evaluation(1e9, 1).perplexity)


def test_bits_per_byte_of_a_text_whose_bytes_were_not_counted():
    with pytest.raises(BadInput, match="at least one byte"):
        _ = Evaluation(1.0, 1).bits_per_byte


def test_bits_per_byte_of_a_uniform_guess_do_not_depend_on_the_tokens():
    as_bytes = Evaluation(100 * math.log(256), 100, n_bytes=100)
    as_pairs = Evaluation(50 * math.log(65536), 50, n_bytes=100)
    assert as_bytes.bits_per_byte == pytest.approx(as_pairs.bits_per_byte) == pytest.approx(8)


def test_nothing_to_learn_from_is_an_error():
    def ignored(index):
        batch = drawn(index)
        return Batch(batch.inputs, np.full_like(batch.targets, IGNORE))

    with pytest.raises(ValueError, match="step 0: no target counts"):
        run(gpt(), ignored, 1)
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(gpt(), causal_lm_loss, [ignored(0)])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(gpt(), causal_lm_loss, [])


def test_a_loss_that_is_not_finite_stops_with_the_step_and_leaves_the_weights():
    model = gpt()
    seen = []

    def loss(model, batch, key):
        total, count = causal_lm_loss(model, batch, key)
        seen.append(weights(model))
        return (total * Tensor(np.float32("nan")) if len(seen) == 3 else total), count

    with pytest.raises(FloatingPointError, match=r"step 2, loss nan: .*lower the learning rate"):
        list(train(model, loss, drawn, AdamW(model.parameters()), 5))
    assert_same(seen[-1], weights(model))
