"""The options that choose tokens become rules in the order that serves them, for drawing and for a beam alike."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import tinygpt.commands.generate as generate_module
from autograd import Key
from tinygpt.commands.choosing import ChoosingOptions, rule_for
from tinygpt.commands.generate import GenerateOptions, generate_command
from tinygpt.generate import banned
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.tokenizer import END_OF_TEXT, CharTokenizer, Tokenizer

pytestmark = pytest.mark.core


def left(rule, logits, tokens):
    """The tokens that a rule leaves."""
    return np.flatnonzero(np.isfinite(rule(np.asarray(logits, dtype=np.float32), tokens))).tolist()


def test_what_is_forbidden_goes_before_the_likeliest_are_chosen():
    """Here token 0 is no token of the vocabulary's, 1 would repeat, 2 is too early."""
    tokenizer, model = CharTokenizer("abcd"), SimpleNamespace(config=SimpleNamespace(vocab_size=5))
    logits, too_early = [0.0, 4.0, 3.0, 2.0, 9.0], banned([[2]])
    for choosing in ({"top_k": 1}, {"top_p": 0.1}, {"min_p": 1.0}):
        options = ChoosingOptions(no_repeat_ngram=1, **choosing)
        assert left(rule_for(model, tokenizer, options, too_early), logits, [1]) == [3]


def padded():
    """A model that likes best the rows of its table for which its vocabulary has no token."""
    tokenizer, model = CharTokenizer("ab"), GPT(GPTConfig(5, 8, n_layer=1, n_head=1, n_embd=4), Key(0))
    table = model.wte.weight.data
    model.wte.weight.data = np.concatenate([table[:2], 40 * table[2:]])
    return model, tokenizer


@pytest.mark.parametrize("options", [{"beam": 3, "best": 2}, {"greedy": True}, {"temperature": 5.0}])
def test_a_padded_table_writes_no_id_without_a_token(options, monkeypatch, capsys):
    monkeypatch.setattr(generate_module, "open_model", lambda *_: padded())
    generate_command("a run", GenerateOptions(prompt="a", max_new_tokens=12, **options))
    texts = re.findall(r"^[ab]{13}$", capsys.readouterr().out, re.MULTILINE)
    assert len(texts) == options.get("best", 1), "the prompt and twelve tokens, each a character of the vocabulary"


def test_the_least_number_of_new_tokens_counts_tokens_and_not_characters():
    tokenizer = Tokenizer.train(["the cat sat " * 9], 270, special_tokens=(END_OF_TEXT,))
    prompt, end = "the cat sat the cat", tokenizer.end_of_text
    n = len(tokenizer.encode(prompt))
    assert n < len(prompt)
    (rule,) = generate_module._not_ended_early(GenerateOptions(prompt=prompt, min_new_tokens=3), tokenizer)
    for length in range(n, n + 6):
        assert (end in left(rule, np.zeros(tokenizer.vocab_size), [0] * length)) == (length >= n + 3)
