"""`tinygpt score`, and what a vocabulary of pairs and an end-of-text token change about writing."""

import json
import math
import sys

import pytest
from command_line import CONTEXT, SMALL, assert_refused, some_text

import tinygpt.commands.writing as writing
import tinygpt.generate.reading as reading
from tinygpt.cli import main
from tinygpt.train.run import Run

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, data):
    """A run whose vocabulary is bytes, pairs and an end-of-text token."""
    path = tmp_path_factory.mktemp("runs") / "pairs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "270"]
        assert main(["train", "--data", str(data), "--out", str(path), *options]) == 0
    return path


def test_every_token_is_shown_with_its_log_probability(command, pairs):
    text = "the cat 猫\n"
    result = command("score", pairs, text)
    assert result.status == 0 and result.err == ""
    _, given, *rows, total, summary = result.out.splitlines()
    tokenizer = Run.existing(pairs).load().tokenizer
    assert given.split() == ["given", "<|endoftext|>"]
    assert len(rows) == len(tokenizer.encode(text)) and rows[-1].endswith("␊")
    assert sum(float(row.split()[0]) for row in rows) == pytest.approx(float(total.split()[0]), abs=0.02)
    assert all(word in summary for word in ("nats a token", "perplexity", "bits per byte"))


def test_json_says_the_same_in_numbers(command, pairs):
    text = some_text(30, seed=4)
    found = json.loads(command("score", pairs, "--json", text).out)
    assert list(found) == ["loss", "perplexity", "bits_per_byte", "tokens", "bytes", "logprob", "scored"]
    each = [one["logprob"] for one in found["scored"]]
    assert found["tokens"] == len(each) and found["bytes"] == len(text.encode())
    assert found["logprob"] == pytest.approx(sum(each))
    assert found["loss"] == pytest.approx(-sum(each) / len(each))
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["bits_per_byte"] == pytest.approx(-sum(each) / math.log(2) / len(text.encode()))
    assert "".join(one["token"] for one in found["scored"]).encode("latin-1").decode() == text


def test_a_file_scores_as_its_text_and_as_eval_finds(command, trained, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(some_text(60, seed=5), encoding="utf-8")
    from_file = command("score", trained, "--data", path, "--json").out
    assert from_file == command("score", trained, some_text(60, seed=5), "--json").out
    for stride in (CONTEXT, 3):
        score = json.loads(command("score", trained, "--data", path, "--json", "--stride", stride).out)
        whole = json.loads(command("eval", trained, "--data", path, "--json", "--stride", stride).out)
        assert score["tokens"] == whole["tokens"] and score["loss"] == pytest.approx(whole["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ([""], "no text"),
        (["a"], "at least 2"),
        (["a cat", "--data", "x.txt"], "two sources"),
        (["--data", "nowhere.txt"], "nowhere.txt"),
        (["the 猫"], "U+732B"),
        (["the cat", "--stride", "0"], "--stride"),
        (["the cat", "--stride", "17"], "--stride"),
        (["the cat", "and", "another"], "another"),
    ],
)
def test_what_cannot_be_scored(command, trained, line, words):
    result = command("score", trained, *line)
    assert_refused(result, words)
    assert result.out == ""


def test_no_run_to_score_with(command, tmp_path):
    assert_refused(command("score", tmp_path / "none", "text"), "no run directory")


def test_an_empty_prompt_begins_a_document(command, pairs, monkeypatch):
    seen, whole = [], writing.generate_batch

    def noting(model, prompts, *rest):
        seen.extend(prompts)
        return whole(model, prompts, *rest)

    monkeypatch.setattr(writing, "generate_batch", noting)
    assert command("generate", pairs, "--max-new-tokens", "5").status == 0
    assert command("generate", pairs, "--max-new-tokens", "5", "--prompt", "a<|endoftext|>").status == 0
    tokenizer = Run.existing(pairs).load().tokenizer
    assert seen[0] == [tokenizer.end_of_text]
    assert tokenizer.end_of_text not in seen[1] and tokenizer.decode(seen[1]) == "a<|endoftext|>", "it is text there"


def test_a_text_that_wants_to_end_goes_on_as_long_as_it_is_told(command, pairs, monkeypatch):
    """The model is made to prefer the end of the text to everything."""
    end = Run.existing(pairs).load().tokenizer.end_of_text
    to_numpy = reading.to_numpy

    def preferring_the_end(logits):
        logits = to_numpy(logits).copy()
        logits[:, end] = 100
        return logits

    monkeypatch.setattr(reading, "to_numpy", preferring_the_end)
    options = ["--prompt", "the", "--max-new-tokens", "20", "--logprobs"]

    def tokens(*more):
        return int(command("generate", pairs, *options, *more).out.split("all ")[-1].split()[0])

    assert (tokens(), tokens("--min-new-tokens", "1"), tokens("--min-new-tokens", "7")) == (0, 1, 7)
