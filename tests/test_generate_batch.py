"""Several texts at once are those texts one at a time."""

import numpy as np
import pytest

from autograd import Key, no_grad
from tinygpt.errors import BadInput
from tinygpt.forms import FORMS
from tinygpt.generate import chain, generate, generate_batch, no_repeat_ngram, temperature, top_k
from tinygpt.generate.bare import NewTokens
from tinygpt.generate.reading import Reader
from tinygpt.model import GPT, GPTConfig

pytestmark = pytest.mark.core

V, T = 19, 16
RANDOM = np.random.default_rng(7)
PROMPTS = [RANDOM.integers(V, size=n).tolist() for n in (1, 9, 16, 4)]
KEYS = [Key(3).fold("sample", number) for number in range(len(PROMPTS))]
RULE = chain(temperature(2.0), top_k(9))


def model_of(positions="learned", dtype="float64", **changes):
    model = GPT(GPTConfig(V, T, n_layer=2, n_head=2, n_embd=8, positions=positions, **changes), Key(1))
    for parameter in model.parameters():
        parameter.data = (parameter.data * (20 if parameter.decays else 1)).astype(dtype)
    return model


MODEL = model_of()


def shapes_read(monkeypatch):
    """The list to which every reading from now on adds the shape of its ids."""
    shapes, read = [], NewTokens.__call__

    def reading(self, ids, *rest):
        shapes.append(ids.shape)
        return read(self, ids, *rest)

    monkeypatch.setattr(NewTokens, "__call__", reading)
    return shapes


def texts_of(batch, rows):
    written = [[] for _ in range(rows)]
    for number, each in batch:
        written[number].append(each.token)
    return written


@pytest.mark.parametrize("positions", FORMS["positions"])
@pytest.mark.parametrize(("drawn", "rule"), [(False, no_repeat_ngram(2)), (True, RULE)])
def test_each_is_the_text_that_is_written_alone(positions, drawn, rule):
    model = model_of(positions, n_kv_head=1)
    together = texts_of(generate_batch(model, PROMPTS, 30, rule, KEYS if drawn else None), 4)
    for prompt, key, text in zip(PROMPTS, KEYS, together):
        assert text == list(generate(model, prompt, 30, rule, key if drawn else None))
        assert len(text) == 30


@pytest.mark.parametrize("positions", FORMS["positions"])
def test_single_precision_differs_by_rounding(positions):
    model = model_of(positions, "float32")
    texts = [RANDOM.integers(V, size=n).tolist() for n in (3, 12, 7)]
    together, alone = Reader(model, 40), [Reader(model, 40) for _ in texts]
    for _ in range(25):
        logits = together(texts)
        for row, text in enumerate(texts):
            expected = alone[row]([text])[0]
            np.testing.assert_allclose(logits[row], expected, atol=1e-5 * np.abs(expected).max())
            text.append(int(RANDOM.integers(V)))


def test_texts_end_at_different_times_and_then_cost_nothing(monkeypatch):
    alone = [list(generate(MODEL, prompt, 40, key=key)) for prompt, key in zip(PROMPTS, KEYS)]
    stop = [alone[0][2], alone[1][20]]
    expected = [text[: next((n for n, token in enumerate(text) if token in stop), 40)] for text in alone]
    assert len(set(map(len, expected))) > 1
    read = shapes_read(monkeypatch)
    assert texts_of(generate_batch(MODEL, PROMPTS, 40, keys=KEYS, stop_tokens=stop), 4) == expected
    steps = [rows for rows, n in read if n == 1]
    alive = [sum(len(text) >= n for text in expected) for n in range(1, 40)]
    assert steps == [rows for rows in alive if rows], "a row for each text that goes on, and no other"


def test_a_text_that_is_long_enough_leaves_and_the_others_do_not_notice():
    batch = generate_batch(MODEL, PROMPTS, 30, keys=KEYS)
    written = [[] for _ in PROMPTS]
    for number, each in batch:
        written[number].append(each.token)
        if len(written[number]) == 3 * number + 1:
            batch.end(number)
    for number, (prompt, key) in enumerate(zip(PROMPTS, KEYS)):
        assert written[number] == list(generate(MODEL, prompt, 3 * number + 1, key=key))


def test_texts_can_be_ended_before_their_turn():
    batch = generate_batch(MODEL, PROMPTS, 30)
    numbers = []
    for number, _ in batch:
        numbers.append(number)
        batch.end(3 - number)
    assert set(numbers) == {0, 1} and len(numbers) == 60


def test_prompts_that_are_alike_are_read_once(monkeypatch):
    read = shapes_read(monkeypatch)
    prompts = [PROMPTS[1], PROMPTS[3], PROMPTS[1], PROMPTS[1]]
    together = texts_of(generate_batch(MODEL, prompts, 5, keys=KEYS), 4)
    assert read == [(2, 9)] + 4 * [(4, 1)]
    monkeypatch.undo()
    assert together == [list(generate(MODEL, prompt, 5, key=key)) for prompt, key in zip(prompts, KEYS)]


def test_tokens_come_in_turn_and_none_before_it_is_asked_for():
    asked = []
    batch = iter(generate_batch(MODEL, PROMPTS[:2], 10**9, rule=lambda logits, text: asked.append(1) or logits))
    assert not asked
    assert [next(batch)[0] for _ in range(5)] == [0, 1, 0, 1, 0]
    assert len(asked) == 5


def test_no_prompts_and_no_tokens():
    assert list(generate_batch(MODEL, [], 5)) == list(generate_batch(MODEL, PROMPTS, 0)) == []


class NoCache:
    """A model of another making: it is only called."""

    config = MODEL.config

    def parameters(self):
        return MODEL.parameters()

    def __call__(self, ids):
        with no_grad():
            return MODEL(ids)


def test_a_model_without_a_cache_writes_the_same():
    batch = texts_of(generate_batch(NoCache(), PROMPTS, 30, keys=KEYS, stop_tokens=[3]), 4)
    assert batch == texts_of(generate_batch(MODEL, PROMPTS, 30, keys=KEYS, stop_tokens=[3]), 4)
    assert any(len(text) > T for text in batch)


@pytest.mark.parametrize(
    ("prompts", "keys", "words"),
    [
        ([[1], []], None, "prompt 1 needs at least one token"),
        ([[V], [1]], None, "prompt 0 has ids outside 0 … 18"),
        ([[1], [1] * 17], None, "prompt 1 has 17 tokens, and the context is 16"),
        ([[1] * 17] * 2, None, "^the prompt has 17 tokens"),
        ([[1], [2]], [Key(0)], "2 prompts and 1 keys"),
    ],
)
def test_prompts_that_cannot_be_read(prompts, keys, words):
    with pytest.raises(BadInput, match=words):
        generate_batch(MODEL, prompts, 5, keys=keys)


def test_a_batch_is_gone_through_once_and_goes_on_after_a_break():
    written, batch = [[] for _ in PROMPTS], generate_batch(MODEL, PROMPTS, 12, RULE, KEYS)
    for n, (number, each) in enumerate(batch):
        written[number].append(each.token)
        if n == 17:  # in the middle of a round
            break
    for number, each in batch:
        written[number].append(each.token)
    assert written == texts_of(generate_batch(MODEL, PROMPTS, 12, RULE, KEYS), 4)
    assert list(batch) == []


def test_a_reader_says_when_a_text_outgrows_it():
    read = Reader(MODEL, 4)
    read([[1, 2, 3]])
    read([[1, 2, 3, 4]])
    with pytest.raises(BadInput, match="outgrows the 4 tokens"):
        read([[1, 2, 3, 4, 5]])
