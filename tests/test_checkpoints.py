"""Checkpoints: everything that goes on as if it had never stopped, and files that are none."""

import itertools
import json

import numpy as np
import pytest

from autograd import Key
from tinygpt import safetensors
from tinygpt.errors import BadInput
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import random_windows
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, train, warmup_cosine
from tinygpt.train.checkpoints import load_checkpoint, save_checkpoint
from tinygpt.train.run import Run

pytestmark = pytest.mark.core

TOKENIZER = CharTokenizer("abcdefgh", special_tokens=["<|endoftext|>"])
CONFIG = GPTConfig(vocab_size=TOKENIZER.vocab_size, block_size=8, n_layer=2, n_head=2, n_embd=8, dropout=0.2)
TOKENS = np.random.default_rng(0).integers(8, size=300)


def go(model, optimizer, stop):
    """Steps up to `stop`, as the whole run of eight would take them."""
    batches = lambda index: random_windows(TOKENS, 3, 8, 1, index)  # noqa: E731
    rate = warmup_cosine(1e-2, 1e-3, 2, 8)
    return list(train(model, causal_lm_loss, batches, optimizer, stop, rate, 2, start=optimizer.steps, seed=6))


def fresh(bias=True):
    model = GPT(GPTConfig(**{**vars(CONFIG), "bias": bias}), Key(2))
    return model, AdamW(model.parameters(), weight_decay=0.2)


def saved(path, steps=3, bias=True):
    model, optimizer = fresh(bias)
    go(model, optimizer, steps)
    save_checkpoint(path, steps, model, optimizer, {"options": {"seed": 6}, "note": "é\n"}, TOKENIZER)
    return model, optimizer


def damaged(path, **metadata):
    """The checkpoint at path with other metadata; None removes an entry."""
    arrays, kept = safetensors.load(path)
    kept = {name: value for name, value in {**kept, **metadata}.items() if value is not None}
    safetensors.save(path, {name: a.copy() for name, a in arrays.items()}, kept)


def test_a_checkpoint_holds_everything(tmp_path):
    model, optimizer = saved(tmp_path / "c")
    loaded = load_checkpoint(tmp_path / "c")
    assert (loaded.step, loaded.model_config, loaded.tokenizer) == (3, CONFIG, TOKENIZER)
    assert loaded.run == {"options": {"seed": 6}, "note": "é\n"}
    assert set(loaded.computed_by) == {"library", "kernel", "threads"}
    restored = loaded.model()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(restored.state_dict()[name], array)
    again = AdamW(restored.parameters())
    loaded.restore(again)
    assert again.steps == 3
    np.testing.assert_array_equal(again.m, optimizer.m)
    np.testing.assert_array_equal(again.v, optimizer.v)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stop", [1, 5])
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, stop, bias):
    unbroken, unbroken_optimizer = fresh(bias)
    steps = go(unbroken, unbroken_optimizer, 8)
    saved(tmp_path / "c", stop, bias)
    checkpoint = load_checkpoint(tmp_path / "c")
    model = checkpoint.model()
    optimizer = AdamW(model.parameters(), weight_decay=0.2)
    checkpoint.restore(optimizer)
    assert go(model, optimizer, 8) == steps[stop:]
    for name, array in unbroken.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array, err_msg=name)
    np.testing.assert_array_equal(optimizer.m, unbroken_optimizer.m)
    np.testing.assert_array_equal(optimizer.v, unbroken_optimizer.v)


def test_a_model_from_a_checkpoint_does_not_hang_on_the_file(tmp_path):
    saved(tmp_path / "c")
    model = load_checkpoint(tmp_path / "c").model()
    before = model.wte.weight.data.copy()
    saved(tmp_path / "c", steps=1)
    np.testing.assert_array_equal(model.wte.weight.data, before)
    assert model.wte.weight.data.flags.writeable


def test_a_byte_pair_tokenizer_comes_back(tmp_path):
    tokenizer = Tokenizer.train(["the cat and the hat " * 5], 270)
    model = GPT(GPTConfig(tokenizer.vocab_size, 4, 1, 1, 4), Key(0))
    save_checkpoint(tmp_path / "c", 0, model, AdamW(model.parameters()), {}, tokenizer)
    assert load_checkpoint(tmp_path / "c").tokenizer == tokenizer


def test_another_safetensors_file_is_refused(tmp_path):
    safetensors.save(tmp_path / "c", {"weight": np.zeros(3)}, {"format": "pt"})
    with pytest.raises(BadInput, match="no checkpoint of tinygpt"):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        *itertools.product(
            ["step", "model", "run", "tokenizer", "computed_by"], [None, "", "{", "null", "[1, 2]", "1e999"]
        ),
        *itertools.product(["step", "model", "tokenizer"], ["[]", '"text"', "{}", '{"type": 3}']),
    ],
)
def test_metadata_that_does_not_read_is_refused(tmp_path, entry, value):
    saved(tmp_path / "c", steps=1)
    damaged(tmp_path / "c", **{entry: value})
    with pytest.raises(BadInput, match="c"):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"n_head": 3}, "divided"), ({"n_layer": "2"}, "n_layer"), ({"colour": 1}, "colour"), ({"dropout": None}, "drop")],
)
def test_a_configuration_that_makes_no_model_is_refused(tmp_path, changes, words):
    saved(tmp_path / "c", steps=1)
    damaged(tmp_path / "c", model=json.dumps({**vars(CONFIG), **changes}))
    with pytest.raises(BadInput, match=words):
        load_checkpoint(tmp_path / "c")


def test_a_configuration_of_another_size_is_refused(tmp_path):
    saved(tmp_path / "c", steps=1)
    damaged(tmp_path / "c", model=json.dumps({**vars(CONFIG), "n_layer": 1, "block_size": 9}))
    with pytest.raises(BadInput, match=r"wpe\.weight: shape.*unexpected h\.1"):
        load_checkpoint(tmp_path / "c").model()


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path):
    saved(tmp_path / "c", steps=1)
    damaged(tmp_path / "c", tokenizer=json.dumps(CharTokenizer("abcdefghijklm").definition()))
    with pytest.raises(BadInput, match=r"13 tokens.*9"):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("wrong", [None, np.zeros(3, dtype=np.float32)])
def test_moments_that_do_not_fit_are_refused(tmp_path, wrong):
    saved(tmp_path / "c", steps=1)
    arrays, metadata = safetensors.load(tmp_path / "c")
    arrays = {name: a.copy() for name, a in arrays.items() if name != "adam.v"}
    if wrong is not None:
        arrays["adam.v"] = wrong
    safetensors.save(tmp_path / "c", arrays, metadata)
    checkpoint = load_checkpoint(tmp_path / "c")
    with pytest.raises(BadInput, match=r"adam\.v"):
        checkpoint.restore(AdamW(checkpoint.model().parameters()))


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    saved(tmp_path / "c", steps=1)
    data = (tmp_path / "c").read_bytes()
    for length in np.random.default_rng(0).integers(len(data), size=40):
        (tmp_path / "c").write_bytes(data[:length])
        with pytest.raises(BadInput):
            load_checkpoint(tmp_path / "c")


def test_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        load_checkpoint(tmp_path / "none")


def test_a_log_drops_what_a_resumed_run_takes_again_and_a_line_that_was_cut_off(tmp_path):
    run = Run(tmp_path)
    run.append_log([{"step": step, "loss": 1.0} for step in range(6)])
    with run.log.open("a") as file:
        file.write('{"step": 6, "lo')
    assert [entry["step"] for entry in run.read_log()] == list(range(6))
    run.rewrite_log(run.read_log(before_step=4))
    run.append_log([{"step": 4, "loss": 0.5}])
    assert [json.loads(line)["step"] for line in run.log.read_text().splitlines()] == [0, 1, 2, 3, 4]


def test_lines_of_a_log_that_are_no_entries_are_passed_over(tmp_path):
    run = Run(tmp_path)
    run.log.write_text('{"step": 0, "loss": 1}\n3\n\n{"loss": 2}\nnull\n{"step": 1, "loss": 2}\n')
    assert [entry["step"] for entry in run.read_log(before_step=9)] == [0, 1]
