"""The tasks of `tinygpt train` beside the first, and the commands that use what they make."""

import io
import json
import shlex
import sys
from importlib.util import find_spec
from string import ascii_lowercase

import numpy as np
import pytest
from command_line import SMALL, arrays_of, assert_refused, logged, some_text

from autograd import Key
from tinygpt.model import Bert
from tinygpt.train.run import Run

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.usefixtures("without_matplotlib")


@pytest.fixture
def encoder(command, data, tmp_path):
    result = command("train", "--task", "mlm", "--data", data, "--out", tmp_path / "encoder", *SMALL)
    assert result.status == 0, result.err
    return tmp_path / "encoder"


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stories")
    paths = [directory / f"{number}.txt" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_text(some_text(150, seed=number), encoding="utf-8")
    return paths


class TestMaskedLanguageModeling:
    def test_training_shows_what_is_guessed_and_how_often_rightly(self, command, data, tmp_path):
        result = command("train", "--task", "mlm", "--data", data, "--out", tmp_path / "run", *SMALL)
        assert result.status == 0, result.err
        for words in ("15% are hidden", "counted unigram", "this encoder", "hidden tokens guessed right",
                      "the most frequent token", "tinygpt fill"):  # fmt: skip
            assert words in result.out
        assert any("validation_loss" in entry for entry in logged(tmp_path / "run"))

    def test_pairs_of_sentences(self, command, stories, tmp_path):
        options = ["--task", "mlm", "--next-sentence", "--data", *stories, *SMALL, "--tokenizer", "bpe"]
        run = tmp_path / "run"
        result = command("train", *options, "--vocab-size", "280", "--out", run)
        assert result.status == 0, result.err
        for words in ("half of the pairs", "4 pairs on cpu", "<|sep|>", "hidden tokens guessed right", "told from"):
            assert words in result.out
        result = command("train", "--out", run, "--resume", "--max-iters", "14")
        assert result.status == 0, result.err
        assert logged(run)[-1]["step"] == 13
        (candidates,) = json.loads(command("fill", run, "the [MASK] on it", "--top-k", "3", "--json").out)
        assert len(candidates) == 3

    def test_pairs_learn_by_both_losses(self, command, stories, tmp_path):
        """The head for pairs learns, which masked language modeling alone leaves as it was."""
        heads = {}
        for name, more in (("tokens", []), ("pairs", ["--next-sentence"])):
            options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "280", "--weight-decay", "0", *more]
            result = command("train", "--task", "mlm", "--data", *stories, *options, "--out", tmp_path / name)
            assert result.status == 0, result.err
            start = Bert(Run(tmp_path / name).load().model_config, Key(1337).fold("init")).state_dict()
            heads[name] = np.abs(arrays_of(tmp_path / name)["model.nsp_head.weight"] - start["nsp_head.weight"]).max()
        assert heads["tokens"] == 0 < heads["pairs"]

    def test_what_has_no_pairs_of_sentences(self, command, data, stories, encoder, tmp_path):
        options = ["train", "--next-sentence", *SMALL, "--out", tmp_path / "run"]
        assert_refused(command(*options, "--task", "mlm", "--data", *stories), "--tokenizer bpe")
        options += ["--tokenizer", "bpe", "--vocab-size", "280"]
        assert_refused(command(*options, "--data", *stories), "--task mlm")
        options += ["--task", "mlm"]
        assert_refused(command(*options, "--data", data), "each file is a document", "of the 1 here a part")
        assert_refused(command(*options, "--data", *stories[:4]), "of the 4 here 1 would be held out")
        assert_refused(command(*options, "--data", *stories, "--bpe-dropout", "0.1"), "choose one")
        assert_refused(command(*options, "--data", *stories, "--init-from", encoder), "--init-from")
        assert not (tmp_path / "run").exists()

    def test_resumed_is_never_stopped(self, command, data, tmp_path, encoder):
        stopped = tmp_path / "stopped"
        options = ["--task", "mlm", "--data", data, "--out", stopped, *SMALL]
        assert command("train", *options, "--max-iters", "5").status == 0
        assert command("train", "--out", stopped, "--resume", "--max-iters", "12").status == 0
        assert logged(stopped)[-1]["step"] == 11

    @pytest.mark.parametrize("text", ["the [MASK] on it", "a <|mask|><mask>"])
    def test_filling(self, command, encoder, text, monkeypatch):
        result = command("fill", encoder, text, "--top-k", "3", "--json")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{text}\n".encode())))
        assert command("fill", encoder, "-", "--top-k", "3", "--json").out == result.out
        assert result.status == 0, result.err
        places = json.loads(result.out)
        assert len(places) == text.count("[MASK]") + text.count("mask|>") + text.count("<mask>")
        for candidates in places:
            assert len(candidates) == 3
            assert 0 < sum(each["probability"] for each in candidates) <= 1
        assert command("fill", encoder, text).status == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [(["no mat"], ["no mask"]), (["a [MASK]", "--top-k", "0"], ["--top-k", "at least 1"]),
         (["a [MASK]", "--top-k", "999999"], ["--top-k must be at most the", "999999"]),
         (["a [MASK]" * 50], ["context"])],
    )  # fmt: skip
    def test_texts_that_cannot_be_filled(self, command, encoder, arguments, words):
        assert_refused(command("fill", encoder, *arguments), *words)

    def test_an_encoder_neither_writes_nor_scores(self, command, encoder, data):
        assert_refused(command("generate", encoder), "another kind (bert)", "tinygpt fill")
        assert_refused(command("eval", encoder, "--data", data), "another kind (bert)")

    def test_a_gpt_fills_nothing(self, command, trained):
        assert_refused(command("fill", trained, "a [MASK]"), "another kind (gpt)", "tinygpt generate")


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "saw"]
    lines = [f"{a} {b} {c}\t{c.upper()} {b} {a}" for a in words for b in words[:5] for c in words[:4]]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


class TestPairs:
    @pytest.fixture
    def translator(self, command, pairs, tmp_path):
        result = command("train", "--task", "seq2seq", "--data", pairs, "--out", tmp_path / "run", *SMALL)
        assert result.status == 0, result.err
        for words in ("pairs, validation", "4 pairs on cpu", "counted unigram", "word for word", "tinygpt translate"):
            assert words in result.out
        for library, measures in (("sacrebleu", ("BLEU", "chrF")), ("rouge_score", ("ROUGE-L",))):
            there = find_spec(library) is not None
            assert all((f", {name} " in result.out) == there for name in measures)
        return tmp_path / "run"

    def test_translating(self, command, translator, monkeypatch):
        lines = [command("translate", translator, text).out for text in ("the cat sat", "on a mat")]
        result = command("translate", translator, "the cat sat\r\n\n on a mat\n \n")
        assert result.status == 0 and result.out == f"{lines[0]}\n{lines[1]}\n"
        greedy = command("translate", translator, "the cat sat", "--beam", "1")
        assert greedy.status == 0
        best = command("translate", translator, "the cat sat", "--best", "3").out.splitlines()
        scores = [float(line.split()[0]) for line in best]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)
        first = "the cat sat on a"  # of 16 characters, which are the tokens
        texts = (first, f"{first} mat and it saw")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
        assert_refused(command("summarize", translator), "standard input is not utf-8", "iconv")
        read, whole = (command("summarize", translator, text, "--best", "3") for text in texts)
        assert whole.status == 0 and "the first 16 are read" in whole.err and not read.err
        assert read.out == whole.out, "with the same scores, too"

    def test_resumed(self, command, translator):
        result = command("train", "--out", translator, "--resume", "--max-iters", "14")
        assert result.status == 0, result.err
        assert logged(translator)[-1]["step"] == 13

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ([" \n"], ["no text"]),
            (["the cat\nthe ☃"], ["'☃' (U+2603)"]),
            (["a", "--beam", "0"], ["from 1 to"]),
            (["a", "--best", "5"], ["--best"]),
            (["a", "--max-new-tokens", "16"], ["to 15"]),
        ],
    )
    def test_texts_that_cannot_be_translated(self, command, translator, options, words):
        assert_refused(command("translate", translator, *options), *words)

    def test_a_line_without_a_tab_is_named(self, command, pairs, tmp_path):
        pairs.write_text("a\tb\nno tab\n", "utf-8")
        result = command("train", "--task", "seq2seq", "--data", pairs, "--out", tmp_path / "run", *SMALL)
        assert_refused(result, "pairs.tsv, line 2")

    def test_pairs_that_do_not_fit(self, command, pairs, tmp_path):
        options = [*SMALL, "--block-size", "4"]
        result = command("train", "--task", "seq2seq", "--data", pairs, "--out", tmp_path / "run", *options)
        assert_refused(result, "context of 4")

    def test_an_encoder_decoder_neither_writes_nor_fills(self, command, translator):
        assert_refused(command("generate", translator), "another kind (seq2seq)", "tinygpt translate")
        assert_refused(command("fill", translator, "[MASK]"), "another kind (seq2seq)")


@pytest.mark.parametrize("how", ["spans", "infilling"])
def test_denoising_first(command, data, pairs, tmp_path, how):
    before, after = tmp_path / "before", tmp_path / "after"
    options = [*SMALL, "--data", data, "--out", before]
    result = command("train", "--task", "denoise", "--denoising", how, *options)
    assert result.status == 0, result.err
    assert "--init-from" in result.out
    result = command("train", "--task", "seq2seq", *SMALL, "--data", data, "--out", after, "--init-from", before)
    assert_refused(result, "is not a source, a tab and a target")
    pairs.write_text("the cat\tcat the\n" * 9 + "a mat\tmat a\non a mat\ton it\nit saw\tsaw it\n" * 9, "utf-8")
    result = command("train", "--task", "seq2seq", *SMALL, "--data", pairs, "--out", after, "--init-from", before)
    assert result.status == 0, result.err
    wider = [*SMALL, "--n-embd", "16", "--data", pairs, "--out", tmp_path / "wider", "--init-from", before]
    result = command("train", "--task", "seq2seq", *wider)
    assert_refused(result, "another form", "--n-embd is 16 here and 8 there")
    assert "--n-layer" not in result.err and "--block-size" not in result.err
    other = command("train", "--data", data, "--init-from", before, "--out", tmp_path / "other")
    assert_refused(other, "--task denoise or seq2seq")


@pytest.mark.parametrize(("how", "token"), [("spans", "<extra_id_0>"), ("infilling", "<|mask|>")])
def test_a_vocabulary_that_marks_nothing_missing(command, pairs, tmp_path, how, token):
    assert command("train", "--task", "seq2seq", "--data", pairs, "--out", tmp_path / "pairs", *SMALL).status == 0
    pairs.write_text("the cat sat on a mat and then it saw " * 40, "utf-8")
    options = ["--init-from", tmp_path / "pairs", "--data", pairs, "--out", tmp_path / "run", "--denoising", how]
    assert_refused(command("train", "--task", "denoise", *options), f"no {token}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["spans", "infilling"])
def test_windows_that_have_nothing_to_lose(command, data, tmp_path, how):
    """It is said before anything is written; those one token longer train."""
    for size in (1, 2):
        options = [*SMALL, "--block-size", size, "--data", data, "--out", tmp_path / "run", "--denoising", how]
        assert_refused(command("train", "--task", "denoise", *options), "--block-size of at least 3")
        assert not (tmp_path / "run").exists()
    assert command("train", "--task", "denoise", *options, "--block-size", "3", "--max-iters", "2").status == 0


def test_batches_so_small_that_often_nothing_is_hidden(command, data, tmp_path):
    options = [*SMALL, "--data", data, "--out", tmp_path / "run", "--batch-size", "1", "--block-size", "2"]
    result = command("train", "--task", "mlm", *options, "--eval-iters", "1")
    assert result.status == 0, result.err


@pytest.mark.parametrize(
    "form",
    [
        ["--positions", "rotary", "--norm", "rms", "--activation", "swiglu", "--n-kv-head", "1"],
        ["--positions", "alibi", "--no-pre-norm", "--activation", "relu"],
        ["--positions", "t5", "--task", "mlm", "--whole-words"],
    ],
)
def test_every_form_trains_and_goes_on(command, data, tmp_path, form):
    options = ["train", "--data", data, "--out", tmp_path / "run", *SMALL, *form]
    assert command(*options, "--max-iters", "4").status == 0
    result = command("train", "--out", tmp_path / "run", "--resume", "--max-iters", "6")
    assert result.status == 0, result.err


def test_a_form_that_does_not_exist(command, data, tmp_path):
    result = command("train", "--data", data, "--out", tmp_path / "run", "--positions", "absolute")
    assert_refused(result, "--positions", "rotary")


class TestModels:
    def test_all_of_them(self, command):
        result = command("models")
        assert result.status == 0, result.err
        for words in ("gpt3-175b", "174,604,259,328", "bert-base", "t5-11b", "124,439,808", "training FLOPs"):
            assert words in result.out
        gpt3 = next(line for line in result.out.splitlines() if line.startswith("gpt3-175b"))
        assert gpt3.endswith(f" {16 * 174_604_259_328 / 2**30:,.1f}"), "four numbers of four bytes a parameter"
        rows = json.loads(command("models", "--json").out)
        assert len(rows) == len(result.out.split("\n\n")[0].splitlines()) - 1

    def test_one_of_them(self, command):
        result = command("models", "GPT2")
        assert "Radford et al. 2019" in result.out and "0.5 GiB of weights" in result.out
        assert json.loads(command("models", "gpt2", "--json").out)["parameters"] == 124_439_808
        t5 = command("models", "t5-small")
        assert t5.status == 0 and "0.2 GiB of weights; to train it 0.9 GiB" in t5.out

    def test_none_of_them(self, command):
        assert_refused(command("models", "gpt5"), "no model is called 'gpt5'", "gpt2-xl")


@pytest.mark.parametrize("task", ["lm", "mlm", "seq2seq"])
def test_the_command_that_is_suggested_can_be_typed(command, data, tmp_path, task):
    (tmp_path / "pairs.tsv").write_text("".join(f"don't {letter}; $HOME\t{letter}\n" for letter in ascii_lowercase))
    given = tmp_path / "pairs.tsv" if task == "seq2seq" else data
    options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", "270", "--block-size", "48"]
    result = command("train", "--task", task, "--data", given, "--out", tmp_path / "a run's", *options)
    assert result.status == 0, result.err
    suggested = shlex.split(result.out.splitlines()[-1].partition("tinygpt ")[2])
    assert suggested[1] == str(tmp_path / "a run's")
    result = command(*suggested)
    assert result.status == 0, result.err


@pytest.mark.parametrize("task", ["lm", "mlm", "denoise"])
def test_recomputing_changes_nothing_but_memory(command, data, tmp_path, task):
    for name, options in (("kept", []), ("again", ["--recompute"])):
        assert command("train", "--task", task, "--data", data, "--out", tmp_path / name, *SMALL, *options).status == 0
    losses = [[entry.get("loss") for entry in logged(tmp_path / name)] for name in ("kept", "again")]
    assert losses[0] == losses[1]
