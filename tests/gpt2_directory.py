"""What the tests of foreign models share: a small GPT-2 on disk, ways to change it, and what a refusal is."""

import json

import numpy as np
import pytest

import tinygpt
from autograd import Key
from tinygpt import safetensors
from tinygpt.errors import BadInput
from tinygpt.interop import save_gpt2
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.tokenizer import Tokenizer

TEXT = "the cat sat on a mat, and then it saw another naïve dog, which ran home. "
TOKENIZER = Tokenizer.train([TEXT * 3], 300)
CONFIG = GPTConfig(TOKENIZER.vocab_size, block_size=12, n_layer=2, n_head=2, n_embd=8)
IDS = np.arange(12)[None] * 7 % CONFIG.vocab_size


def a_model(**form):
    """Weights large enough that each of them is seen in the logits, biases and scales included."""
    model = GPT(GPTConfig(**{**vars(CONFIG), **form}), Key(1))
    for number, parameter in enumerate(model.parameters()):
        parameter.data[...] += Key(2).fold(number).normal(parameter.shape, 0.3)
    return model


def a_directory(path):
    """A GPT-2 as Hugging Face's libraries write it."""
    save_gpt2(a_model(), TOKENIZER, path)
    return path


def change_settings(directory, **settings):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def change_weights(directory, change):
    """change: what to do with {name: array}; the file is then written anew."""
    path = directory / "model.safetensors"
    arrays = {name: np.array(a) for name, a in safetensors.load(path)[0].items()}
    safetensors.save(path, change(arrays) or arrays, {"format": "pt"})


def refused(path, *words, **options):
    with pytest.raises(BadInput) as caught:
        tinygpt.load(path, **options)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def in_parts(directory):
    """The weights in two files and their index."""
    arrays, _ = safetensors.load(directory / "model.safetensors")
    names = sorted(arrays)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in parts.items():
        safetensors.save(directory / file, {name: arrays[name] for name in held}, {})
    (directory / "model.safetensors").unlink()
    place = {name: file for file, held in parts.items() for name in held}
    write_index(directory, {"weight_map": place})
    return place


def write_index(directory, index):
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
