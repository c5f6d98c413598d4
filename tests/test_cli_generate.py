"""What a trained run is used for: to score a text and to write one."""

import json
import math
import re
from itertools import pairwise

import pytest
from command_line import CONTEXT, SMALL, assert_refused, some_text

import tinygpt.commands.writing as writing

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]


def test_eval_ends_with_json(command, trained, tmp_path):
    text = some_text(300, seed=8)
    (tmp_path / "held_out.txt").write_text(text, encoding="utf-8")
    result = command("eval", trained, "--data", tmp_path / "held_out.txt")
    assert result.status == 0
    found = json.loads(result.out.splitlines()[-1])
    assert list(found) == ["loss", "perplexity", "bits_per_byte", "tokens"]
    assert found["tokens"] == len(text) - 1
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["bits_per_byte"] == pytest.approx(found["loss"] * found["tokens"] / math.log(2) / len(text.encode()))
    alone = command("eval", trained, "--data", tmp_path / "held_out.txt", "--json")
    assert json.loads(alone.out) == found and alone.err == ""


def test_a_smaller_stride_gives_more_context(command, tmp_path):
    text = tmp_path / "up_and_down.txt"
    text.write_text("abcdefghgfedcb" * 80)  # what follows a letter depends on the one before it
    longer = ["--max-iters", "400", "--eval-interval", "400", "--dropout", "0", "--n-embd", "16"]
    assert command("train", "--data", text, "--out", tmp_path / "run", *SMALL, *longer).status == 0

    def loss(*stride):
        return json.loads(command("eval", tmp_path / "run", "--data", text, "--json", *stride).out)["loss"]

    assert loss() == loss("--stride", CONTEXT)
    assert loss("--stride", "1") < loss() and loss("--stride", "8") < loss()


@pytest.mark.parametrize("stride", ["0", "-1", "17", "x"])
def test_strides_that_make_no_sense(command, trained, data, stride):
    assert_refused(command("eval", trained, "--data", data, "--stride", stride), "--stride", stride)


def test_a_text_too_short_to_score(command, trained, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    assert_refused(command("eval", trained, "--data", tmp_path / "a.txt"), "a.txt", "at least 2")


def test_a_character_the_model_does_not_know(command, trained, tmp_path):
    (tmp_path / "cat.txt").write_text("the 猫 sat", encoding="utf-8")
    for line in (["eval", trained, "--data", tmp_path / "cat.txt"], ["generate", trained, "--prompt", "a 猫"]):
        assert_refused(command(*line), "猫", "U+732B")


def test_the_same_seed_writes_the_same_text(command, trained):
    options = ["--prompt", "the ", "--max-new-tokens", "40"]
    first = command("generate", trained, *options)
    assert first.status == 0 and first.out.startswith("the ")
    assert len(first.out.rstrip("\n")) <= 44
    assert command("generate", trained, *options, "--seed", "1337").out == first.out
    assert command("generate", trained, *options, "--seed", "2").out != first.out


def test_several_samples_differ_and_the_first_is_the_only_one(command, trained):
    options = ["--prompt", "it ", "--max-new-tokens", "30", "--temperature", "1.5"]
    samples = command("generate", trained, *options, "--num-samples", "3").out
    texts = [part.partition("\n")[2].strip() for part in samples.split("sample ")[1:]]
    assert len(texts) == len(set(texts)) == 3
    assert command("generate", trained, *options).out.strip() == texts[0]


def test_rules_reach_the_draw(command, trained):
    def text(*options):
        return command("generate", trained, "--prompt", "the ", "--max-new-tokens", "25", *options).out

    likeliest = text("--top-k", "1")
    assert text("--temperature", "0.0001") == text("--top-p", "0.0001") == likeliest
    assert text("--temperature", "3") != likeliest


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--temperature", "0"], "--temperature must be a finite number above 0, not 0.0; --greedy"),
        (["--temperature", "nan"], "--temperature must"),
        (["--top-k", "0"], "--top-k must"),
        (["--top-p", "1.5"], "--top-p must"),
        (["--top-p", "nan"], "--top-p must"),
        (["--top-p", "0"], "--top-p must"),
        (["--temperature", "-1"], "temperature"),
        (["--top-k", "99"], "--top-k 99"),
        (["--min-p", "0"], "--min-p must"),
        (["--min-p", "nan"], "--min-p must"),
        *((["--repetition-penalty", theta], "--repetition-penalty must") for theta in ("0", "nan", "1e-308")),
        (["--no-repeat-ngram", "0"], "--no-repeat-ngram must"),
        (["--ban", "cat", ""], "--ban"),
        (["--stop", ""], "--stop"),
        (["--min-new-tokens", "-1"], "--min-new-tokens"),
        (["--min-new-tokens", "1"], "--min-new-tokens would change nothing"),  # characters have no end of text
        (["--min-new-tokens", "9", "--max-new-tokens", "8"], "--min-new-tokens"),
        (["--max-new-tokens", "0"], "--max-new-tokens"),
        (["--num-samples", "-1"], "--num-samples"),
        (["--seed", "-1"], "--seed"),
        (["--prompt", "the cat " * 9], "context is 16"),
        *((["--beam", width], "--beam must be from 1 to 1000, not") for width in ("0", "1001", "1000000000")),
        (["--beam", "2", "--best", "3"], "--best"),
        (["--beam", "2", "--best", "0"], "--best"),
        *((["--beam", "2", "--length-penalty", alpha], "alpha of --length-penalty must be from -16 to 16, not")
          for alpha in ("nan", "inf", "-inf", "1e6", "-1e308", "-1E+2")),
        (["--beam", "2", "--prompt", "the cat " * 9], "context is 16"),
        (["--warmth", "3"], "--warmth"),
    ],
)
def test_generation_options_that_make_no_sense(command, trained, options, words):
    result = command("generate", trained, *options)
    assert_refused(result, words)
    assert result.out == "", "nothing is written before the input is known to be good"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *((["--beam", "2", option, value], [option, "--beam draws nothing"])
          for option, value in (("--temperature", "0.8"), ("--top-k", "3"), ("--top-p", "0.5"), ("--min-p", "0.1"),
                                ("--seed", "1"))),
        *((["--greedy", option, value], [option, "--greedy draws nothing"])
          for option, value in (("--temperature", "2"), ("--top-k", "3"), ("--seed", "5"))),
        *((["--beam", "2", *option], [option[0], "leave out --beam"])
          for option in (["--greedy"], ["--stop", "."], ["--logprobs"], ["--num-samples", "2"], ["--draft", "x"])),
        (["--beam", "2", "--temperature", "2", "--seed", "3"], ["--temperature, --seed"]),
        (["--beam", "1", "--length-penalty", "1"], ["--length-penalty", "larger"]),
        (["--best", "2"], ["--best", "add --beam", "--num-samples"]),
        (["--length-penalty", "0.6"], ["--length-penalty", "add --beam"]),
        (["--greedy", "--num-samples", "2"], ["--num-samples", "same text"]),
        (["--ahead", "3"], ["--ahead", "--draft"]),
    ],
)  # fmt: skip
def test_options_that_would_change_nothing(command, trained, options, words):
    """Also where the value given is the default's: what counts is that somebody typed it."""
    assert_refused(command("generate", trained, *options), "would change nothing", *words)


def test_a_sample_is_the_same_however_many_there_are(command, trained):
    options = ["--prompt", "it ", "--max-new-tokens", "20", "--temperature", "1.5"]
    two, three = (command("generate", trained, *options, "--num-samples", n).out for n in (2, 3))
    assert three.startswith(two)


def test_samples_written_together_are_those_written_alone(command, trained, monkeypatch):
    """However many are written at once; stop strings end each where its own text has them."""
    options = ["--prompt", "it ", "--max-new-tokens", "30", "--temperature", "1.5", "--num-samples", "5"]
    for more in ([], ["--stop", "e", "th"], ["--logprobs"]):
        together = command("generate", trained, *options, *more)
        with monkeypatch.context() as alone:
            alone.setattr(writing, "AT_ONCE", 1)
            assert command("generate", trained, *options, *more).out == together.out
        assert together.status == 0 and together.out.count("sample ") == 5


def test_rules_that_look_at_the_text_reach_the_draw(command, trained):
    def text(*options):
        return command("generate", trained, "--prompt", "the ", "--max-new-tokens", "60", "--greedy", *options).out

    assert text("--repetition-penalty", "4") != text()
    letters = text("--no-repeat-ngram", "2").rstrip("\n")
    assert len({*pairwise(letters)}) == len(letters) - 1
    word = next(word for word in text().split()[1:] if len(word) > 1)
    assert word not in text("--ban", word).partition("the ")[2]


def test_a_text_for_which_the_rules_leave_nothing(command, trained):
    """The sentence about it begins a line, as what was written before it was shown."""
    for prompt, options in (("the", []), ("the", ["--draft", trained, "--max-new-tokens", "13"]), ("", [])):
        line = ["generate", trained, "--prompt", prompt, "--no-repeat-ngram", "1", "--max-new-tokens", "99"]
        result = command(*line, "--temperature", "9", "--ban", *"abcdefghijklmnopqrstu", ".", *options)
        assert_refused(result, "exclude every token")
        assert len(result.out) > len(prompt) + 1 and result.out.endswith("\n")
        assert result.out.count("\n\n") == 0


def test_more_samples_than_anybody_can_wait_for_begin_at_once(command, trained, monkeypatch):
    class Enough(Exception):
        pass

    shown = []

    def noting(*words, **options):
        shown.append(words[0])
        if len(shown) > 3:
            raise Enough

    monkeypatch.setattr(writing, "print", noting, raising=False)
    for options in ([], ["--draft", trained]):
        shown.clear()
        with pytest.raises(Enough):
            command("generate", trained, "--num-samples", 10**9, "--max-new-tokens", "5", *options)
        assert shown[0].startswith("sample 1")


def test_stop_strings_are_not_shown(command, trained):
    def text(*options):
        return command("generate", trained, "--prompt", "the ", "--max-new-tokens", "60", *options).out

    new = text().removeprefix("the ").removesuffix("\n")
    for stop in (new[20:24], new[0], new[-1]):
        assert text("--stop", stop) == f"the {new[: new.index(stop)]}\n"
        assert text("--stop", "nowhere", stop) == f"the {new[: new.index(stop)]}\n"


def test_log_probabilities_are_listed(command, trained):
    options = ["--prompt", "the ", "--max-new-tokens", "9", "--top-k", "3"]
    plain, listed = command("generate", trained, *options).out, command("generate", trained, *options, "--logprobs").out
    assert listed.startswith(plain)
    *rows, total = listed.removeprefix(plain).strip().splitlines()[1:]
    new = plain.removeprefix("the ").removesuffix("\n")
    assert [row.split()[1] for row in rows] == [{" ": "␣", "\n": "␊"}.get(letter, letter) for letter in new]
    assert sum(float(row.split()[0]) for row in rows) == pytest.approx(float(total.split()[0]), abs=0.01)
    scored = json.loads(command("score", trained, "the " + new, "--json").out)["scored"][3:]
    assert [each["logprob"] for each in scored] == pytest.approx([float(row.split()[0]) for row in rows], abs=1e-3)


def test_the_best_of_a_beam(command, trained):
    """Beyond the context, too; of one beginning it is the greedy text, and rules that forbid reach it."""

    def text(*options):
        return command("generate", trained, "--prompt", "the ", "--max-new-tokens", "30", *options).out

    assert text("--beam", "1") == text("--greedy")
    best = text("--beam", "4")
    assert best.startswith("the ") and text("--beam", "4", "--best", "1") == best
    headings = re.split(r"(?:^|\n)text (\d), score (\S+)\n", text("--beam", "4", "--best", "3"))
    numbers, scores, texts = headings[1::3], [float(score) for score in headings[2::3]], headings[3::3]
    assert numbers == ["1", "2", "3"] and scores == sorted(scores, reverse=True)
    assert texts[0] == best and len(set(texts)) == 3 and all(each.startswith("the ") for each in texts)
    letters = text("--beam", "3", "--no-repeat-ngram", "2").rstrip("\n")
    assert len({*pairwise(letters)}) == len(letters) - 1


def test_no_run_to_write_with(command, tmp_path):
    assert_refused(command("generate", tmp_path / "none"), "no run directory")
    (tmp_path / "file").write_text("text")
    assert_refused(command("generate", tmp_path / "file"), "is a file", "directory of a run")


def test_a_draft_changes_nothing_but_the_time(command, trained, tmp_path, data):
    """A likely text stays the likely text, whoever guesses it; how well it was guessed stands on standard error."""
    line = ["generate", trained, "--prompt", "the ", "--max-new-tokens", "12", "--logprobs"]
    assert command("train", "--data", data, "--out", tmp_path / "draft", *SMALL).status == 0
    for draft, options in ((trained, []), (tmp_path / "draft", ["--ahead", "2"])):
        drafted = command(*line, "--greedy", "--draft", draft, *options)
        assert drafted.out == command(*line, "--greedy").out and drafted.status == 0
        assert "accepted" in drafted.err and len(drafted.err.splitlines()) == 1
    assert "10 tokens, 10 were accepted (100%); 2 forward" in command(*line, "--draft", trained, "--ahead", "5").err
    new = command(*line[:-1], "--greedy").out.removeprefix("the ")
    for stop in (new[4], new[2:6]):
        stopped = command(*line, "--greedy", "--stop", stop, "--draft", trained)
        assert stopped.out == command(*line, "--greedy", "--stop", stop).out, "nor are tokens counted behind a stop"
    several = command(*line[:-1], "--draft", trained, "--num-samples", "3")
    assert several.out.count("sample ") == 3 and len(several.err.splitlines()) == 1


def test_drafts_that_make_no_sense(command, trained, tmp_path, data):
    line = ["generate", trained, "--prompt", "the ", "--max-new-tokens", "9"]
    other = tmp_path / "other.txt"
    other.write_text(some_text(300).replace("cat", "fox"), encoding="utf-8")
    assert command("train", "--data", other, "--out", tmp_path / "other", *SMALL).status == 0
    assert_refused(command(*line, "--draft", tmp_path / "other"), "another tokenizer")
    assert_refused(command(*line, "--draft", tmp_path / "none"), "none")
    assert_refused(command(*line, "--ahead", "3"), "--ahead", "--draft")
    assert_refused(command(*line, "--draft", trained, "--ahead", "0"), "--ahead")
    assert_refused(command(*line[:-1], "99", "--draft", trained), f"--max-new-tokens must be at most {CONTEXT - 4}")
    assert_refused(command(*line[:3], "the cat sat on it", *line[4:], "--draft", trained), "has 17 tokens")
