"""AdamW against its formula written out, clipping, schedules, and where parameters live."""

import math

import numpy as np
import pytest

from autograd import use
from tinygpt.errors import BadInput
from tinygpt.model import Parameter
from tinygpt.train import AdamW, constant, warmup_cosine
from tinygpt.train.clip import clip_factor

pytestmark = pytest.mark.core

SHAPES = [(4,), (3, 5), (7,), (2, 2), ()]


def parameters(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [Parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]


def give(optimizer_parameters, gradients):
    for p, g in zip(optimizer_parameters, gradients, strict=True):
        p.accumulate(np.asarray(g))


def gradients_of(step, dtype=np.float64, size=1.0):
    rng = np.random.default_rng(100 + step)
    return [(size * rng.normal(size=shape)).astype(dtype) for shape in SHAPES]


def textbook(p, gradients, lr, beta1, beta2, eps, weight_decay):
    """Loshchilov & Hutter's algorithm 2, one parameter, line by line."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = p - lr * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p)
    return p


@pytest.mark.parametrize("depth", ["reference", "fast"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_five_steps_are_the_textbook_formula(depth, weight_decay):
    ps = parameters()
    settings = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-6}
    expected = [
        textbook(
            p.data.copy(), [gradients_of(t)[i] for t in range(5)], 0.05, **settings,
            weight_decay=weight_decay if p.ndim >= 2 else 0.0,
        )
        for i, p in enumerate(ps)
    ]  # fmt: skip
    optimizer = AdamW(ps, **settings, weight_decay=weight_decay, grad_clip=0)
    with use(depth):
        for t in range(5):
            give(ps, gradients_of(t))
            optimizer.step(0.05)
    for p, value in zip(ps, expected, strict=True):
        np.testing.assert_allclose(p.data, value, rtol=1e-12, atol=1e-14)


def test_the_first_step_moves_each_coordinate_by_the_rate():
    ps = parameters()
    before = [p.data.copy() for p in ps]
    optimizer = AdamW(ps, weight_decay=0, grad_clip=0)
    gradients = gradients_of(0, size=1e-3)
    give(ps, gradients)
    optimizer.step(0.01)
    for p, b, g in zip(ps, before, gradients, strict=True):
        np.testing.assert_allclose(p.data, b - 0.01 * np.sign(g), rtol=0, atol=1e-5)


def test_only_matrices_decay():
    ps = parameters()
    before = [p.data.copy() for p in ps]
    optimizer = AdamW(ps, weight_decay=0.5)
    assert optimizer.step(0.1) == 0.0, "no gradient at all: its norm is 0"
    for p, b in zip(ps, before, strict=True):
        np.testing.assert_allclose(p.data, b * (1 - 0.1 * 0.5) if p.ndim >= 2 else b, rtol=1e-15)


def test_a_parameter_without_a_gradient_is_not_given_an_old_one():
    ps = parameters()
    optimizer = AdamW(ps, beta1=0.0, weight_decay=0, grad_clip=0)
    give(ps, gradients_of(0))
    optimizer.step(0.1)
    before = [p.data.copy() for p in ps]
    ps[1].accumulate(gradients_of(1)[1])
    norm = optimizer.step(0.1)
    assert norm == pytest.approx(np.linalg.norm(gradients_of(1)[1]))
    for i, (p, b) in enumerate(zip(ps, before, strict=True)):
        assert np.array_equal(p.data, b) == (i != 1)


def test_clipping_scales_all_gradients_by_one_factor():
    gradients = gradients_of(0)
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    clipped, scaled = parameters(), parameters()
    first, second = AdamW(clipped, eps=1.0, grad_clip=norm / 4), AdamW(scaled, eps=1.0, grad_clip=0)
    give(clipped, gradients)
    give(scaled, [g / 4 for g in gradients])
    assert first.step(0.1) == pytest.approx(norm), "the norm before clipping"
    second.step(0.1)
    for p, q in zip(clipped, scaled, strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-6)


def test_clip_factor():
    assert clip_factor(0.5, 1.0) == clip_factor(0.0, 1.0) == 1.0
    assert clip_factor(1.0, 1.0) == pytest.approx(1.0, abs=2e-6)
    assert clip_factor(4.0, 1.0) == pytest.approx(0.25, rel=1e-6)
    assert clip_factor(1e9, 0.0) == 1.0, "a limit of 0 clips nothing"
    assert all(norm * clip_factor(norm, 0.3) <= 0.3 for norm in np.random.default_rng(0).exponential(size=100))


def test_count_divides_before_clipping():
    gradients = gradients_of(0)
    summed, mean = parameters(), parameters()
    first, second = AdamW(summed, eps=1e-2, grad_clip=0.7), AdamW(mean, eps=1e-2, grad_clip=0.7)
    give(summed, [g * 6 for g in gradients])
    give(mean, gradients)
    assert first.step(0.1, count=6) == pytest.approx(second.step(0.1))
    for p, q in zip(summed, mean, strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(bad):
    ps = parameters()
    optimizer = AdamW(ps)
    give(ps, gradients_of(0))
    optimizer.step(0.1)
    kept = [a.copy() for a in (optimizer.group.values, optimizer.m, optimizer.v)]
    gradients = gradients_of(1)
    gradients[1][2, 3] = bad
    give(ps, gradients)
    with pytest.raises(FloatingPointError, match=r"not finite.*\(3, 5\)"):
        optimizer.step(0.1)
    for array, before in zip((optimizer.group.values, optimizer.m, optimizer.v), kept, strict=True):
        np.testing.assert_array_equal(array, before)
    assert optimizer.steps == 1
    optimizer.zero_grad()
    give(ps, gradients_of(1))
    optimizer.step(0.1)
    assert optimizer.steps == 2 and np.isfinite(optimizer.group.values).all()


def test_parameters_become_views_of_one_buffer():
    ps = parameters(np.float32)
    before = [p.data.copy() for p in ps]
    optimizer = AdamW(ps)
    values = optimizer.group.values
    assert values.shape == (sum(p.size for p in ps),) and values.dtype == np.float32
    for p, b in zip(ps, before, strict=True):
        assert p.data.base is values and p.data.shape == b.shape
        np.testing.assert_array_equal(p.data, b)
    assert optimizer.group.n_decayed == sum(p.size for p in ps if p.ndim >= 2)
    values[: optimizer.group.n_decayed] = 8
    values[optimizer.group.n_decayed :] = 9
    assert all((p.data == (8 if p.ndim >= 2 else 9)).all() for p in ps)


def test_gradients_are_written_into_the_buffer_and_forgotten_after_a_step():
    ps = parameters()
    optimizer = AdamW(ps)
    for _ in range(2):
        (ps[1] * ps[1]).sum().backward()
        assert ps[1].grad.base is optimizer.group.gradients
        np.testing.assert_allclose(ps[1].grad, 2 * ps[1].data)
        optimizer.step(0.1)
        assert all(p.grad is None for p in ps)


def test_two_backwards_add_up_and_zero_grad_forgets():
    ps = parameters()
    optimizer = AdamW(ps)
    for _ in range(2):
        (ps[0] * 3.0).sum().backward()
    np.testing.assert_array_equal(ps[0].grad, 6)
    optimizer.zero_grad()
    (ps[0] * 3.0).sum().backward()
    np.testing.assert_array_equal(ps[0].grad, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta1": 1.0}, {"beta2": -0.1}, {"beta2": math.nan}, {"weight_decay": -1}, {"weight_decay": math.inf},
        {"grad_clip": math.nan}, {"eps": -1e-8}, {"eps": 0.0},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        AdamW(parameters(), **wrong)


def test_no_parameters_are_refused():
    with pytest.raises(BadInput, match="no parameters"):
        AdamW([])


def test_warmup_and_cosine():
    rate = warmup_cosine(1.0, 0.1, warmup_iters=10, max_iters=110)
    assert [rate(t) for t in range(10)] == pytest.approx([(t + 1) / 11 for t in range(10)])
    assert rate(10) == pytest.approx(1.0), "the warm-up ends at the whole rate"
    assert rate(60) == pytest.approx((1.0 + 0.1) / 2), "half way between, half way down"
    assert rate(35) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert rate(110) == rate(500) == pytest.approx(0.1)
    falling = [rate(t) for t in range(10, 111)]
    assert falling == sorted(falling, reverse=True)


def test_schedules_at_their_edges():
    assert warmup_cosine(1.0, 0.0, warmup_iters=0, max_iters=4)(0) == 1.0
    assert warmup_cosine(1.0, 0.5, warmup_iters=8, max_iters=4)(3) == pytest.approx(4 / 9)
    assert warmup_cosine(1.0, 0.5, warmup_iters=4, max_iters=4)(4) == 0.5
    assert constant(0.3)(0) == constant(0.3)(10**6) == 0.3
