"""Generation: a key is a text, tokens come one by one with their log-probabilities, and text stops where it is told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograd import Key
from tinygpt.errors import BadInput
from tinygpt.generate import (
    Batch,
    StopAt,
    chain,
    generate,
    generate_with_logprobs,
    lay_out,
    min_p,
    next_logits,
    no_repeat_ngram,
    repetition_penalty,
    stream_text,
    temperature,
    top_k,
    top_p,
)
from tinygpt.generate.reading import OneText
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.tokenizer import StreamDecoder, Tokenizer
from tinygpt.train import AdamW

pytestmark = pytest.mark.core

MODEL = GPT(GPTConfig(vocab_size=19, block_size=8, n_layer=1, n_head=2, n_embd=8, dropout=0.5), Key(0))
for parameter in MODEL.parameters():  # a fresh model hardly prefers anything
    parameter.data = parameter.data * 8


def write(n=20, prompt=(1,), **options):
    return list(generate(MODEL, list(prompt), n, **options))


def test_without_a_key_the_likeliest_token_is_taken():
    assert write() == write() == write(rule=temperature(3.0)) == write(key=Key(1), rule=top_k(1))
    tokens = [1]
    for _ in range(7):
        tokens.append(int(MODEL(np.array([tokens])).data[0, -1].argmax()))
    assert write(7) == tokens[1:]


def test_the_layout_in_memory_changes_no_number():
    """The matrices stand the other way round, where they are higher than wide; a copy in order is the old one."""
    config = GPTConfig(vocab_size=19, block_size=8, n_layer=2, n_head=2, n_embd=8)
    plain, laid_out = GPT(config, Key(3)), lay_out(GPT(config, Key(3)))
    ids = np.arange(8)[None]
    np.testing.assert_allclose(laid_out(ids).data, plain(ids).data, rtol=1e-5, atol=1e-6)
    assert list(generate(laid_out, [3], 20)) == list(generate(plain, [3], 20))
    turned = 0
    for name, p in laid_out.named_parameters().items():
        assert p.data.tobytes() == plain.named_parameters()[name].data.tobytes()
        turned += not p.data.flags.c_contiguous
        assert p.ndim == 1 or p.data.strides[np.argmax(p.shape)] == p.data.itemsize or name == "wpe.weight"
    assert turned == 5  # the tokens' table, and in each block both projections back into the stream
    untied = lay_out(GPT(replace(config, tied=False), Key(3)))
    assert untied.wte.weight.data.flags.c_contiguous and not untied.lm_head.weight.data.flags.f_contiguous
    laid_out(ids).sum().backward()
    AdamW(laid_out.parameters()).step(1e-3)
    assert all(p.data.flags.c_contiguous for p in laid_out.parameters())


def test_the_same_key_writes_the_same_text():
    assert write(key=Key(5)) == write(key=Key(5))
    assert write(key=Key(5)) != write(key=Key(6))
    assert write(30, key=Key(5))[:20] == write(20, key=Key(5)), "a longer text begins like the shorter one"


def test_a_low_temperature_is_greedy():
    assert write(key=Key(2), rule=temperature(1e-4)) == write()
    assert write(40, key=Key(2), rule=temperature(1e9)) != write(40)
    assert len(set(write(200, key=Key(2), rule=temperature(1e9)))) == 19, "a high one is blind"


def test_a_text_goes_on_beyond_the_context():
    tokens = [3, *write(40, prompt=(3,))]
    for n in range(8, 40):
        assert tokens[n] == int(next_logits(MODEL, tokens[:n]).argmax())


def test_a_prompt_as_long_as_the_context_is_read_whole():
    prompt = [1, 2, 3, 4, 5, 6, 7, 8]
    assert write(1, prompt=prompt) == [int(MODEL(np.array([prompt])).data[0, -1].argmax())]


def test_tokens_come_one_by_one():
    asked = []
    stream = generate(MODEL, [1], 10**9, rule=lambda logits, tokens: asked.append(1) or logits)
    assert not asked
    next(stream)
    next(stream)
    assert len(asked) == 2


def test_a_reading_that_was_stopped_is_forgotten(monkeypatch):
    reader, text = OneText(MODEL), [1, 2, 3, 4]
    expected = reader.logits(text, 1)

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reader, "hidden", stopped)
        with pytest.raises(KeyboardInterrupt):
            reader.logits([1, 2, 5, 6], 1)
    np.testing.assert_allclose(reader.logits(text, 1), expected, rtol=1e-5, atol=1e-6)


def test_stop_tokens_end_the_text_and_are_not_part_of_it():
    whole = write(30, key=Key(3))
    for stop in (whole[0], whole[10]):
        assert write(30, key=Key(3), stop_tokens=[stop]) == whole[: whole.index(stop)]
    assert write(30, key=Key(3), stop_tokens={whole[4], whole[9]}) == whole[: min(map(whole.index, whole[4:10:5]))]
    assert write(0) == []


def test_a_rule_sees_the_prompt_and_every_new_token():
    seen = []
    tokens = write(12, prompt=(4, 5), rule=lambda logits, tokens: seen.append(list(tokens)) or logits)
    assert seen == [[4, 5, *tokens[:n]] for n in range(12)]


def test_a_rule_with_a_memory_reaches_beyond_the_context():
    tokens = write(18, prompt=(4,), rule=no_repeat_ngram(1))
    assert sorted([4, *tokens]) == list(range(19))


def test_a_text_for_which_the_rules_leave_nothing_says_so():
    with pytest.raises(BadInput, match="exclude every token"):
        write(19, prompt=(4,), rule=no_repeat_ngram(1))


@pytest.mark.parametrize("rule", [top_k(2), top_p(0.5), min_p(0.5), temperature(2.0), repetition_penalty(2.0)])
@pytest.mark.parametrize("wrong", [[1.0, np.nan, 2.0, 3.0], [1.0, np.inf, 2.0, 3.0], [-np.inf] * 4])
def test_predictions_that_are_no_numbers_are_not_blamed_on_the_rules(rule, wrong):
    def read(texts):
        return np.array([wrong], dtype=np.float32)

    for keys in (None, [Key(0)]):
        with pytest.raises(BadInput, match="not finite"), np.errstate(all="raise"):
            list(Batch(read, [[0]], 1, rule, keys, ()))


@pytest.mark.parametrize("options", [{}, {"key": Key(4), "rule": chain(temperature(3.0), top_k(4))}])
def test_each_token_comes_with_the_log_probability_that_the_model_gave_it(options):
    written = list(generate_with_logprobs(MODEL, [1, 2], 12, **options))
    assert [each.token for each in written] == write(12, prompt=(1, 2), **options)
    tokens = [1, 2, *(each.token for each in written)]
    for place, each in enumerate(written, start=2):
        logits = next_logits(MODEL, tokens[:place]).astype(np.float64)
        expected = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        assert each.logprob == pytest.approx(expected[each.token], abs=1e-5), "before any rule"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ([], "at least one token"),
        (list(range(9)), "9 tokens, and the context is 8"),
        ([19], r"outside 0 … 18"),
        ([-1], r"outside 0 … 18"),
        ([1.5], "1.5 among its ids"),
        (["a"], "'a' among its ids"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused(prompt, words):
    with pytest.raises(BadInput, match=words):
        write(prompt=prompt)


@pytest.mark.parametrize("n", [-1, 2.5, np.nan])
def test_numbers_of_tokens_that_make_no_sense(n):
    with pytest.raises(BadInput, match="max_new_tokens must be a whole number of at least 0"):
        write(n)
    assert len(write(np.int64(2), prompt=np.array([1, 2]))) == 2


def test_a_stream_never_shows_half_a_character():
    tokenizer = Tokenizer.train(["äöü 猫 😀 naïve café " * 3], 300)
    rng = np.random.default_rng(0)
    for _ in range(60):
        ids = rng.integers(tokenizer.vocab_size, size=40).tolist()
        decoder, shown = StreamDecoder(tokenizer), ""
        for n, token in enumerate(ids, start=1):
            shown += decoder.push(token)
            assert tokenizer.decode(ids[:n]).startswith(shown)
        assert shown + decoder.finish() == tokenizer.decode(ids)


def test_a_stream_shows_a_character_as_soon_as_it_is_whole():
    tokenizer = Tokenizer()
    text = "aé猫😀"
    decoder = StreamDecoder(tokenizer)
    assert [decoder.push(i) for i in tokenizer.encode(text)] == ["a", "", "é", "", "", "猫", "", "", "", "😀"]
    assert decoder.finish() == ""


TEXT = st.text("abc", max_size=14)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3)


def stopped(text, stops):
    """The text up to the stop string that ends first, by trying every end."""
    for end in range(1, len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)]
    return text


@given(TEXT, STOPS, st.lists(st.integers(0, 14), max_size=6))
@example("xabcy", ["abcy", "b"], [])
@settings(max_examples=120, deadline=None)
def test_a_text_stops_at_the_same_place_however_it_is_cut(text, stops, cuts):
    stop, shown, before = StopAt(stops), "", 0
    expected = stopped(text, stops)
    for cut in [*sorted(cuts), len(text)]:
        shown += stop.push(text[before:cut])
        before = max(before, cut)
        assert expected.startswith(shown), "nothing of a stop string that then comes is ever shown"
        if text[:before] == stopped(text[:before], stops):
            rest = text[len(shown) : before]
            assert not rest or any(each.startswith(rest) for each in stops), "only a stop string's beginning waits"
    shown += stop.finish()
    assert shown == expected and stop.stopped == (expected != text)
    if stop.stopped:
        assert stop.push("more") == "" and stop.finish() == ""


def test_the_longest_of_the_stop_strings_that_end_together():
    assert "".join(stream_text(Tokenizer().encode("xabcy"), Tokenizer(), ["bc", "abc"])) == "x"
    assert "".join(stream_text(Tokenizer().encode("xabcy"), Tokenizer(), ["abcy", "b"])) == "xa"


def test_stop_strings_cross_the_borders_of_tokens_and_of_characters():
    tokenizer = Tokenizer.train(["ein 猫 und 😀 café " * 3], 290)
    text = "und ein 猫 und 😀 café 猫"
    ids = tokenizer.encode(text)
    for stop in ("猫 u", "fé", "😀", "d e", "nd 😀 c"):
        pieces = []
        asked = iter(ids)
        for piece in stream_text(asked, tokenizer, [stop]):
            pieces.append(piece)
            assert text[: text.index(stop)].startswith("".join(pieces))
        assert "".join(pieces) == text[: text.index(stop)]
        left = len(list(asked))
        assert stop in tokenizer.decode(ids[: len(ids) - left]), "read as far as the stop string ends"
        assert stop not in tokenizer.decode(ids[: len(ids) - left - 1]), "and no further"
    assert "".join(stream_text(ids, tokenizer, ["nowhere"])) == text
    assert "".join(stream_text([*ids, 0xF0], tokenizer, ["café 猫\ufffd"])) == text[: text.index("café")]


def test_a_stop_string_needs_characters():
    with pytest.raises(BadInput, match="stop string"):
        stream_text([], Tokenizer(), ["a", ""])
