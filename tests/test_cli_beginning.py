"""What a run begins from, options that it would not hear, and what it says before the first step."""

import json

import numpy as np
import pytest
from command_line import CONTEXT, SMALL, arrays_of, assert_refused, logged
from gpt2_directory import CONFIG, TOKENIZER, a_directory, a_model

import tinygpt
from tinygpt import safetensors
from tinygpt.commands.flags import with_flags
from tinygpt.text.tokenizer import load_tokenizer

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.usefixtures("without_matplotlib")

FEW = ["--max-iters", "3", "--warmup-iters", "0", "--batch-size", "2", "--eval-iters", "1"]


@pytest.fixture
def theirs(tmp_path):
    return a_directory(tmp_path / "theirs")


class TestFromAModelThatExists:
    def test_a_gpt2_is_trained_further(self, command, theirs, data, tmp_path):
        """Its weights, form and tokenizer, none of which is said again; at a rate of almost 0 it stays what it was."""
        out = tmp_path / "tuned"
        line = ["train", "--init-from", theirs, "--data", data, "--out", out, *FEW]
        result = command(*line, "--learning-rate", "1e-30", "--weight-decay", "0")
        assert result.status == 0 and f"begun from {theirs}" in result.out, result.err
        assert load_tokenizer(out / "tokenizer.json") == TOKENIZER
        state = a_model().state_dict()
        for name, array in arrays_of(out).items():
            if name.startswith("model."):
                np.testing.assert_allclose(array, state[name.removeprefix("model.")], atol=1e-20, err_msg=name)
        options = json.loads((out / "config.json").read_text())["options"]
        for name in ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "activation"):
            assert options[name] == getattr(CONFIG, name)

    def test_it_learns_goes_on_and_writes(self, command, theirs, data, tmp_path):
        out = tmp_path / "tuned"
        options = ["--init-from", theirs, "--data", data, "--out", out, *FEW, "--max-iters", "60", "--dropout", "0.1"]
        assert command("train", *options).status == 0
        losses = [entry["loss"] for entry in logged(out) if "loss" in entry]
        assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.3
        assert command("train", "--out", out, "--resume", "--max-iters", "62").status == 0
        assert tinygpt.load(out).model.config.dropout == 0.1
        assert command("generate", out, "--max-new-tokens", "4").status == 0

    def test_a_context_may_be_shorter_than_the_models(self, command, theirs, data, tmp_path):
        line = ["train", "--init-from", theirs, "--data", data, *FEW, "--out"]
        result = command(*line, tmp_path / "short", "--block-size", "8")
        assert result.status == 0 and "3 of 16 tokens" in result.out, result.err
        assert tinygpt.load(tmp_path / "short").model.config.block_size == 12
        refused = command(*line, tmp_path / "long", "--block-size", "13", "--bias")
        assert_refused(refused, "--block-size is 13 here and 12 there")
        assert "bias" not in refused.err and not (tmp_path / "long").exists()

    @pytest.mark.parametrize("positions", ["rotary", "sinusoidal", "t5"])
    def test_a_context_may_be_longer_where_positions_go_on(self, command, data, tmp_path, positions):
        line = ["train", "--data", data, *SMALL, "--max-iters", "2", "--positions", positions, "--out"]
        assert command(*line, tmp_path / "short").status == 0
        out, size = tmp_path / "long", 4 * CONTEXT
        line = ["train", "--init-from", tmp_path / "short", "--data", data, "--out", out, *FEW, "--block-size", size]
        assert command(*line).status == 0
        assert tinygpt.load(out).model.config.block_size == size
        assert command("train", "--out", out, "--resume", "--max-iters", "4").status == 0

    def test_what_a_model_cannot_begin(self, command, theirs, trained, data, tmp_path):
        line = ["train", "--data", data, "--out", tmp_path / "run", "--init-from"]
        assert_refused(command(*line, theirs, "--task", "mlm"), "--task mlm", "for --task lm")
        assert_refused(command(*line, trained, "--tokenizer", "bpe"), "--tokenizer is bpe here and char there")
        assert_refused(command(*line, trained, "--vocab-size", "99"), "--vocab-size is 99 here")
        assert_refused(command(*line, trained, "--bias"), "--bias is on here and off there")
        assert_refused(command(*line, tmp_path / "none"), "none")
        assert_refused(command(*line, theirs, "--learning-rate", "-1"), "--learning-rate")
        (theirs / "tokenizer.json").unlink()
        assert_refused(command(*line, theirs), "has no tokenizer")
        assert not (tmp_path / "run").exists()

    def test_a_sample_has_no_ids_that_are_no_tokens(self, command, data, tmp_path):
        """A table rounded up to a larger size, the last row of which is always the likeliest."""
        model = a_model(vocab_size=384, tied=False)
        model.lm_head.weight.data[:, -1] = 100 * model.ln_f.bias.data
        tinygpt.interop.save_gpt2(model, TOKENIZER, tmp_path / "padded")
        line = ["train", "--init-from", tmp_path / "padded", "--data", data, "--out", tmp_path / "run", *FEW]
        result = command(*line, "--learning-rate", "1e-9")
        assert result.status == 0, result.err
        assert safetensors.load(tmp_path / "run" / "checkpoint.safetensors")[0]["model.wte.weight"].shape[0] == 384


class TestUnheard:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--whole-words"], ["--whole-words", "--task mlm"]),
            (["--denoising", "spans"], ["--denoising", "--task denoise"]),
            (["--label-smoothing", "0.1"], ["--label-smoothing", "--task seq2seq"]),
            (["--task", "mlm", "--label-smoothing", "0.1"], ["--label-smoothing", "--task seq2seq"]),
            (["--next-sentence"], ["--next-sentence", "--task mlm"]),
            (["--vocab-size", "512"], ["--vocab-size", "--tokenizer bpe"]),
            (["--task", "seq2seq", "--tokenizer", "bpe", "--bpe-dropout", "0.1"], ["--bpe-dropout", "pairs"]),
        ],
    )
    def test_options_of_another_task(self, command, data, tmp_path, options, words):
        result = command("train", "--data", data, "--out", tmp_path / "run", *SMALL, *options)
        assert_refused(result, *words)
        assert not (tmp_path / "run").exists()

    def test_an_encoding_of_nothing(self, command, trained, tmp_path):
        refused = command("train", "--out", tmp_path / "run", *SMALL, "--encoding", "utf-8")
        assert_refused(refused, "--encoding would change nothing", "--data")
        assert_refused(command("score", trained, "the cat", "--encoding", "utf-8"), "--encoding would change nothing")

    def test_a_run_that_goes_on(self, command, run_copy):
        refused = command("train", "--out", run_copy, "--resume", "--max-iters", "151", "--label-smoothing", "0.1")
        assert_refused(refused, "--label-smoothing would change nothing")

    def test_what_is_left_out_or_switched_off_is_heard(self, command, data, tmp_path):
        line = ["train", "--data", data, "--out", tmp_path / "run", *SMALL, "--no-whole-words", "--encoding", "utf-8"]
        assert command(*line).status == 0

    def test_talking_greedily(self, command, trained):
        assert_refused(command("chat", trained, "--greedy", "--temperature", "0.8"), "--greedy draws nothing")

    def test_pairs_in_an_encoding(self, command, tmp_path):
        lines = "".join(f"naïve {n}\tcafé {n}\n" for n in "abcdefghijklmnopqrstuvwxyz")
        (tmp_path / "pairs.tsv").write_bytes(lines.encode("latin-1"))
        line = ["train", "--task", "seq2seq", "--data", tmp_path / "pairs.tsv", "--out", tmp_path / "run", *SMALL]
        assert_refused(command(*line), "is not utf-8", "--encoding='latin-1'")
        assert command(*line, "--encoding", "latin-1").status == 0


class TestNotes:
    def test_a_rate_that_never_stops_rising(self, command, data, tmp_path):
        for out, warmup, said in (("a", "12", True), ("b", "11", False)):
            line = ["train", "--data", data, "--out", tmp_path / out, *SMALL, "--warmup-iters", warmup]
            result = command(*line)
            assert result.status == 0
            assert ("--warmup-iters 12 is not below --max-iters 12" in result.err) == said

    def test_a_vocabulary_that_the_text_cannot_fill(self, command, data, tmp_path):
        for out, size, said in (("a", "1000", True), ("b", "280", False)):
            options = [*SMALL, "--tokenizer", "bpe", "--vocab-size", size]
            result = command("train", "--data", data, "--out", tmp_path / out, *options)
            made = load_tokenizer(tmp_path / out / "tokenizer.json").vocab_size
            assert result.status == 0 and (made < int(size)) == said
            assert (f"no more than {made} tokens to learn, of the {int(size):,} of --vocab-size" in result.err) == said


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("top_k must be at least 1", "--top-k must be at least 1"),
        ("lower max_new_tokens, or name=…", "lower --max-new-tokens, or --name=…"),
        ("lower top_k.", "lower --top-k."),
        ("no use for the argument name", "no use for --name"),
        ("the name of it", "the name of it"),
        ("runs/top_k and top_k.txt and 'top_k' and --top_k", "runs/top_k and top_k.txt and 'top_k' and --top_k"),
        ("a/config.json: top_k is missing", "a/config.json: top_k is missing"),
        ("stop_k and top_kk", "stop_k and top_kk"),
    ],
)
def test_arguments_become_the_flags_that_were_typed(sentence, said):
    flags = {"top_k": "--top-k", "max_new_tokens": "--max-new-tokens", "name": "--name"}
    assert with_flags(sentence, flags) == said
    assert with_flags(sentence, {}) == sentence
