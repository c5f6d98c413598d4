"""Foreign models that are damaged, lie, or are something else: one sentence each, and no memory for a lie."""

import json
import tracemalloc

import numpy as np
import pytest
from gpt2_directory import a_directory, change_settings, change_weights, in_parts, refused, write_index

from tinygpt import safetensors

pytestmark = pytest.mark.core


@pytest.fixture
def theirs(tmp_path):
    return a_directory(tmp_path / "gpt2")


UNSUPPORTED = [
    {"scale_attn_weights": False}, {"scale_attn_by_inverse_layer_idx": True}, {"add_cross_attention": True},
    {"activation_function": "silu"}, {"activation_function": None}, {"pruned_heads": {"0": [1]}},
    {"quantization_config": {"bits": 8}}, {"model_type": "llama"}, {"model_type": None}, {"model_type": ["gpt2"]},
    {"n_ctx": 99}, {"layer_norm_epsilon": 0}, {"layer_norm_epsilon": "small"}, {"tie_word_embeddings": 3},
    {"n_inner": -1}, {"resid_pdrop": 2, "embd_pdrop": 2, "attn_pdrop": 2},
    *({name: value} for name in ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size")
      for value in (0, 1.5, "2", None, True)),
]  # fmt: skip

@pytest.mark.parametrize("settings", UNSUPPORTED, ids=str)
def test_settings_that_make_another_model_are_named(theirs, settings):
    change_settings(theirs, **settings)
    refused(theirs, f"config.json: {next(iter(settings))} ")


def test_a_rate_of_ones_own_is_not_theirs(theirs):
    refused(theirs, "dropout must be at least 0 and below 1, not 2", dropout=2)


MISFITS = [
    {"n_layer": 1}, {"n_layer": 3}, {"n_layer": 10**9}, {"n_embd": 10}, {"n_embd": 10**12}, {"n_positions": 10**15},
    {"vocab_size": 10**18}, {"vocab_size": 299}, {"n_inner": 31}, {"n_inner": 10**30}, {"tie_word_embeddings": False},
]  # fmt: skip


@pytest.mark.parametrize("settings", MISFITS, ids=str)
def test_a_config_that_does_not_fit_the_weights_costs_nothing(theirs, settings):
    change_settings(theirs, **settings)
    tracemalloc.start()
    try:
        refused(theirs, "config.json do not fit")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def drop(name):
    return lambda arrays: arrays.pop(name) is None


def put(name, array):
    return lambda arrays: arrays.update({name: array})


LN = "transformer.h.1.ln_2.weight"
WEIGHTS_THAT_DO_NOT_FIT = {
    "missing": (drop(LN), "h.1.ln_2.weight is missing"),
    "of another shape": (put(LN, np.ones((8, 1), np.float32)), "(8, 1)"),
    "too many": (put("score.weight", np.ones((2, 8), np.float32)), "score.weight"),
    "whole numbers": (put(LN, np.ones(8, np.int64)), "int64"),
    "twice": (put("h.1.ln_2.weight", np.ones(8, np.float32)), "twice"),
    "a head that is not tied": (put("lm_head.weight", np.ones((300, 8), np.float32)), "tie_word_embeddings"),
    "a head that is a number": (put("lm_head.weight", np.float32(1).reshape(())), "tie_word_embeddings"),
    "a head of another type": (
        lambda arrays: arrays.update({"lm_head.weight": arrays["transformer.wte.weight"].astype(np.float64)}),
        "tie_word_embeddings",
    ),
    "none": (lambda arrays: {"x": np.ones(1)}, "wte.weight is missing"),
}


@pytest.mark.parametrize("change", WEIGHTS_THAT_DO_NOT_FIT)
def test_weights_that_do_not_fit_are_named(theirs, change):
    what, words = WEIGHTS_THAT_DO_NOT_FIT[change]
    change_weights(theirs, what)
    refused(theirs, words)


def lying_header(**fields):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | fields
    return {"wte.weight": entry}


LIES = {
    "type": lying_header(dtype="F8"),
    "out of range": lying_header(shape=[10**12, 10**3], data_offsets=[0, 4 * 10**15]),
    "negative": lying_header(data_offsets=[-8, 0]),
    "overlap": lying_header() | {"wpe.weight": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
    "shape": lying_header(shape=[3]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_file_is_refused(theirs, lie):
    text = json.dumps(LIES[lie]).encode()
    (theirs / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(12))
    refused(theirs, "model.safetensors")
    (theirs / "model.safetensors").write_bytes((10**15).to_bytes(8, "little") + text)
    refused(theirs, "model.safetensors", "header does not fit")


def test_a_file_cut_off_is_refused(theirs):
    data = (theirs / "model.safetensors").read_bytes()
    for length in (0, 7, 8, 100, len(data) // 2, len(data) - 1):
        (theirs / "model.safetensors").write_bytes(data[:length])
        refused(theirs, "model.safetensors")


@pytest.mark.parametrize("text", ["", "{", "[]", '"gpt2"', "[" * 10**5, "\xff"])
def test_settings_that_are_none(theirs, text):
    (theirs / "config.json").write_bytes(text.encode("latin-1"))
    refused(theirs, "config.json", "damaged")


def test_missing_files_are_named(theirs, monkeypatch):
    (theirs / "config.json").rename(theirs / "c")
    refused(theirs, "config.json", "No such file")
    (theirs / "c").rename(theirs / "config.json")
    (theirs / "model.safetensors").unlink()
    refused(theirs, "no model.safetensors")
    refused(theirs.parent / "none", "no run directory")
    monkeypatch.chdir(theirs)
    refused("gpt2-xl", "tinygpt fetch gpt2-xl", "models/gpt2-xl")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_never_opened(theirs, name):
    (theirs / "model.safetensors").rename(theirs / name)
    for path in (theirs, theirs / name):
        refused(path, name, "pickle", "save_pretrained")


def test_one_file_of_a_directory(theirs):
    refused(theirs / "model.safetensors", "give the directory")
    refused(theirs / "tokenizer.json", "tokenizer.json")


def test_an_index_that_lies(theirs):
    place = in_parts(theirs)
    first, second = sorted(set(place.values()))
    name = "transformer.wte.weight"
    other = first if place[name] == second else second
    for index, words in (
        ({"weight_map": place | {name: other}}, [name, other]),
        ({"weight_map": place | {"more": first}}, ["more", first]),
        ({"weight_map": {n: f for n, f in place.items() if n != name}}, [name]),
        ({"weight_map": place | {name: "../model.safetensors"}}, ["weight_map"]),
        ({"weight_map": place | {name: 7}}, ["weight_map"]),
        ({"weight_map": []}, ["weight_map"]),
        ({}, ["weight_map"]),
        ([], ["index.json"]),
    ):
        write_index(theirs, index)
        refused(theirs, *words)
    write_index(theirs, {"weight_map": place})
    held = {file: {n: np.array(a) for n, a in safetensors.load(theirs / file)[0].items()} for file in (first, second)}
    safetensors.save(theirs / other, held[other] | {name: held[place[name]][name]}, {})
    refused(theirs, other, f"holds {name}")
    (theirs / first).unlink()
    refused(theirs, first)
