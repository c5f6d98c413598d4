"""`tinygpt tokenizer`: what each action does, every format there and back, and what is refused.

What `inspect` shows is tested in test_cli_inspect.py.
"""

import io
import os
import sys

import numpy as np
import pytest
from command_line import assert_refused, everything, some_text

from tinygpt.text.tokenizer import CharTokenizer, Tokenizer, WordPiece, load_tokenizer
from tinygpt.text.tokenizer.formats.tiktoken import CL100K_PATTERN

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]

TEXT = "then the cat sat\r\non a mat — naïve 🙂<|endoftext|>"
TRAINED = Tokenizer.train([some_text(900)], 300)
SPECIAL = f"<|endoftext|>={TRAINED.end_of_text}"
WORDS = WordPiece(["[UNK]", "the", "cat", "##s", "n", "##a", "##ive"])


@pytest.fixture
def vocabulary(tmp_path):
    TRAINED.save(tmp_path / "vocabulary.json")
    return tmp_path / "vocabulary.json"


@pytest.fixture
def typed(monkeypatch):
    """typed(b"...") is what standard input holds."""

    def type_in(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return type_in


def in_format(directory, kind):
    """TRAINED in a file of that format, and the options that say what the file does not."""
    path = directory / f"as_{kind}"
    if kind == "tinygpt":
        TRAINED.save(path)
    elif kind == "huggingface":
        TRAINED.to_huggingface(path)
    elif kind == "gpt2":
        path.mkdir()
        TRAINED.to_gpt2(path / "encoder.json", path / "vocab.bpe")
    else:
        TRAINED.to_tiktoken(path)
        return path, ["--name", "r50k_base", "--special-token", SPECIAL]
    return path, []


class TestTrain:
    def test_what_the_library_learns(self, command, data, tmp_path):
        out = tmp_path / "v.json"
        result = command("tokenizer", "train", "--data", data, "--vocab-size", 300, "--out", out)
        assert result.status == 0, result.err
        assert load_tokenizer(out) == TRAINED and load_tokenizer(out).merge_counts == TRAINED.merge_counts
        text = data.read_text(encoding="utf-8")
        per_token = len(text.encode()) / len(TRAINED.encode(text))
        assert "43 merges" in result.out and f"{per_token:.2f} bytes a token" in result.out
        assert "learning merges" in result.err and "note" not in result.err

    def test_options(self, command, data, tmp_path):
        out = tmp_path / "v.json"
        (tmp_path / "more.txt").write_bytes("café ".encode("latin-1") * 9)
        result = command(
            "tokenizer", "train", "--data", tmp_path, "--vocab-size", 290, "--out", out, "--encoding", "latin-1",
            "--special-token", "<a>", "<b>", "--pattern", "cl100k_base", "--min-frequency", 3,
        )  # fmt: skip
        assert result.status == 0, result.err
        tokenizer = load_tokenizer(out)
        assert list(tokenizer.special_tokens) == ["<a>", "<b>"] and tokenizer.pattern == CL100K_PATTERN
        assert tokenizer == Tokenizer.train(["café " * 9], 290, ["<a>", "<b>"], pattern=CL100K_PATTERN, min_frequency=3)

    def test_running_out_of_pairs_is_said(self, command, tmp_path):
        (tmp_path / "short.txt").write_text("aab aab aab")
        out = tmp_path / "v.json"
        result = command("tokenizer", "train", "--data", tmp_path / "short.txt", "--vocab-size", 1000, "--out", out)
        assert result.status == 0 and load_tokenizer(out).vocab_size < 1000
        assert f"stopped at {load_tokenizer(out).vocab_size} of 1,000 tokens" in result.err
        assert "no pair of tokens is left" in result.err

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            (["--vocab-size", "100"], ["a vocabulary of 100", "at least 257"]),
            (["--min-frequency", "0"], ["--min-frequency must"]),
            (["--pattern", "gpt5"], ["no pattern is called 'gpt5'", "o200k_base"]),
            (["--pattern", "(a"], ["not a regular expression"]),
            (["--encoding", "klingon"], ["klingon"]),
            (["--special-token", "a", "a"], ["--special-token: 'a' is named twice"]),
            (["--out", "nowhere/v.json"], ["nowhere/v.json", "nowhere is not a directory"]),
            (["--out", "."], ["is a directory"]),
            (["--data", "absent.txt"], ["absent.txt does not exist"]),
            (["--data", "empty.txt"], ["empty.txt is empty"]),
            (["--data", "binary"], ["binary is not utf-8", "byte 0"]),
        ],
    )
    def test_bad_input(self, command, data, tmp_path, monkeypatch, option, words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty.txt").touch()
        (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
        before = everything(tmp_path)
        line = ["tokenizer", "train", "--data", data, "--vocab-size", "300", "--out", "v.json"]
        assert_refused(command(*line, *option), *words)
        assert everything(tmp_path) == before

    def test_a_file_that_exists_stays(self, command, data, vocabulary):
        line = ["tokenizer", "train", "--data", data, "--vocab-size", 270, "--out", vocabulary]
        assert_refused(command(*line), str(vocabulary), "--overwrite")
        assert load_tokenizer(vocabulary) == TRAINED
        assert command(*line, "--overwrite").status == 0 and load_tokenizer(vocabulary).vocab_size == 270

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may write everywhere")
    def test_a_directory_that_may_not_be_written(self, command, data, tmp_path):
        tmp_path.chmod(0o500)
        result = command("tokenizer", "train", "--data", data, "--vocab-size", 270, "--out", tmp_path / "v.json")
        assert_refused(result, "cannot write")


class TestEncodeAndDecode:
    @pytest.mark.parametrize("allowed", [[], ["--allowed-special", "all"], ["--allowed-special", "<|endoftext|>"]])
    def test_there_and_back(self, command, vocabulary, allowed):
        encoded = command("tokenizer", "encode", vocabulary, TEXT, *allowed)
        ids = TRAINED.encode(TEXT, "all" if allowed else ())
        assert encoded.out.split() == list(map(str, ids))
        assert command("tokenizer", "decode", vocabulary, *ids).out == TEXT

    @pytest.mark.parametrize("suffix", [".npy", ".bin"])
    @pytest.mark.parametrize("text", [TEXT, ""])
    def test_arrays(self, command, vocabulary, tmp_path, typed, suffix, text):
        typed(text.encode())
        out = tmp_path / f"ids{suffix}"
        assert command("tokenizer", "encode", vocabulary, "--out", out).status == 0
        ids = np.load(out) if suffix == ".npy" else np.fromfile(out, "<u2")
        assert ids.tolist() == TRAINED.encode(text)
        assert command("tokenizer", "decode", vocabulary, "--data", out).out == text
        assert_refused(command("tokenizer", "encode", vocabulary, "x", "--out", out), "--overwrite")

    @pytest.mark.parametrize("suffix", [".npy", ".bin"])
    @pytest.mark.skipif(sys.platform == "win32", reason="no limits of that kind")
    def test_a_disk_without_room_for_an_array(self, command, vocabulary, data, tmp_path, suffix):
        """The system's own refusal: no file may grow beyond 1000 bytes."""
        import resource

        (tmp_path / "arrays").mkdir()
        out = tmp_path / "arrays" / f"ids{suffix}"
        out.write_bytes(b"what was there")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            result = command("tokenizer", "encode", vocabulary, "--data", data, "--out", out, "--overwrite")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert_refused(result, f"cannot write {out}: File too large", quiet=False)
        assert everything(out.parent) == {out.name: b"what was there"}

    def test_standard_input(self, command, vocabulary, typed):
        typed(TEXT.encode())
        encoded = command("tokenizer", "encode", vocabulary, "-").out
        typed(f"[{', '.join(encoded.split())}]\n".encode())
        assert command("tokenizer", "decode", vocabulary).out == TEXT

    def test_the_name_of_a_file_is_a_text_and_said_to_be_one(self, command, vocabulary, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "story.txt").write_text("the cat")
        result = command("tokenizer", "encode", vocabulary, "story.txt")
        assert result.out.split() == list(map(str, TRAINED.encode("story.txt")))
        assert result.err.startswith("note: story.txt") and "--data" in result.err
        assert command("tokenizer", "encode", vocabulary, "the cat" * 999).err == ""

    def test_a_file_as_it_is(self, command, vocabulary, tmp_path):
        """Line ends and byte-order mark are not touched, and ids in words are read line by line."""
        (tmp_path / "t.txt").write_bytes("\ufeffa\r\nb".encode("utf-16-le"))
        result = command("tokenizer", "encode", vocabulary, "--data", tmp_path / "t.txt", "--encoding", "utf-16-le")
        (tmp_path / "ids").write_text("\n".join(result.out.split()))
        assert command("tokenizer", "decode", vocabulary, "--data", tmp_path / "ids").out == "\ufeffa\r\nb"

    def test_bytes_come_back_exactly(self, vocabulary, capsysbinary):
        from tinygpt.cli import main

        assert main(["tokenizer", "decode", str(vocabulary), "255", "0", "195"]) == 0
        assert capsysbinary.readouterr().out == b"\xff\x00\xc3"

    def test_word_pieces(self, command, tmp_path, typed):
        """Spaces stand between the words, and none before the first, however the ids come in."""
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS.tokens))
        assert command("tokenizer", "encode", tmp_path, "The cats").out == "1 2 3\n"
        typed(b"1\n2\n3\n")
        assert command("tokenizer", "decode", tmp_path).out == "the cats"
        assert command("tokenizer", "encode", tmp_path / "vocab.txt", "--cased", "The cats").out == "0 2 3\n"

    @pytest.mark.parametrize(
        ("ids", "words"),
        [(["300"], ["300 is not a token id"]), (["-1"], ["-1 is not a token id"]), (["a"], ["'a' is not a token id"]),
         (["9" * 30], ["is not a token id"]), (["1", "--data", "x"], ["two sources"]),
         (["words"], ["words is a file", "--data words"]),
         (["--data", "absent"], ["cannot read absent"]), (["--data", "bad.npy"], ["bad.npy is not an array"]),
         (["--data", "real.npy"], ["real.npy must be a row of whole numbers"]),
         (["--data", "odd.bin"], ["odd.bin is damaged"]), (["--data", "words"], ["words, line 2: 'b' is not"])],
    )  # fmt: skip
    def test_ids_that_are_none(self, command, vocabulary, tmp_path, monkeypatch, ids, words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
        (tmp_path / "odd.bin").write_bytes(b"abc")
        (tmp_path / "words").write_text("97\nb")
        np.save("real.npy", np.zeros(3))
        assert_refused(command("tokenizer", "decode", vocabulary, *ids), *words)

    @pytest.mark.parametrize(
        ("options", "words"),
        [(["a", "--data", "b"], ["two sources"]), (["--data", "absent"], ["absent does not exist"]),
         (["--data", "empty"], ["empty is empty"]), (["--data", "binary"], ["binary is not utf-8"]),
         (["--data", "."], [". cannot be read"]), (["a", "--allowed-special", "<x>"], ["'<x>' is not a special token"]),
         (["--data", "binary", "--encoding", "hex"], ["'hex' is not a text encoding"]),
         (["a", "--encoding", "utf-8"], ["--encoding would change nothing"]),
         (["a", "--overwrite"], ["--overwrite would change nothing", "--out"]),
         (["a", "--out", "ids.txt"], ["must end in .npy"]), (["a", "--out", "no/ids.npy"], ["no is not a directory"])],
    )  # fmt: skip
    def test_texts_that_cannot_be_read(self, command, vocabulary, tmp_path, monkeypatch, options, words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty").touch()
        (tmp_path / "binary").write_bytes(b"\xff\x00")
        assert_refused(command("tokenizer", "encode", vocabulary, *options), *words)


class TestConvert:
    @pytest.mark.parametrize("to", ["tinygpt", "gpt2", "tiktoken", "huggingface"])
    @pytest.mark.parametrize("kind", ["tinygpt", "gpt2", "tiktoken", "huggingface"])
    def test_every_format_from_every_format(self, command, tmp_path, kind, to):
        path, hints = in_format(tmp_path, kind)
        result = command("tokenizer", "convert", path, tmp_path / "out", "--to", to, *hints)
        assert result.status == 0 and ("--pattern gpt2" in result.err) == (to == "tiktoken"), result.err
        (tmp_path / "again").mkdir()
        wanted, hints = in_format(tmp_path / "again", to)
        ids = command("tokenizer", "encode", tmp_path / "out", TEXT, "--allowed-special", "all", *hints).out.split()
        assert ids == list(map(str, TRAINED.encode(TEXT, "all")))
        if to != "tinygpt":  # which keeps the counts, where they are known
            written = everything(wanted) if to == "gpt2" else wanted.read_bytes()
            assert written == (everything(tmp_path / "out") if to == "gpt2" else (tmp_path / "out").read_bytes())

    def test_what_the_note_says_of_ranks_reads_them(self, command, vocabulary, tmp_path):
        note = command("tokenizer", "convert", vocabulary, tmp_path / "ranks", "--to", "tiktoken").err
        hints = note.partition("read it with ")[2].replace("'", "").split()
        back = command("tokenizer", "convert", tmp_path / "ranks", tmp_path / "back", "--to", "tinygpt", *hints)
        assert back.status == 0 and load_tokenizer(tmp_path / "back") == TRAINED

    def test_gpt2s_files_by_themselves(self, command, tmp_path):
        path, _ = in_format(tmp_path, "gpt2")
        assert command("tokenizer", "encode", path / "encoder.json", "the").out == f"{TRAINED.encode('the')[0]}\n"
        (path / "vocab.bpe").rename(tmp_path / "elsewhere")
        assert_refused(command("tokenizer", "encode", path, "the"), "without its merges")
        assert command("tokenizer", "encode", path, "the", "--merges", tmp_path / "elsewhere").status == 0
        assert_refused(command("tokenizer", "encode", tmp_path / "elsewhere", "the"), "merges alone")

    def test_vocabularies_without_merges(self, command, tmp_path):
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS.tokens))
        CharTokenizer("abc").save(tmp_path / "char.json")
        for name, made in (("vocab.txt", WORDS), ("char.json", CharTokenizer("abc"))):
            assert (
                command("tokenizer", "convert", tmp_path / name, tmp_path / f"{name}.ours", "--to", "tinygpt").status
                == 0
            )
            assert load_tokenizer(tmp_path / f"{name}.ours") == made
            refused = command("tokenizer", "convert", tmp_path / name, tmp_path / "gpt2", "--to", "gpt2")
            assert_refused(refused, "has no merges")
        assert not (tmp_path / "gpt2").exists()

    def test_a_run_is_a_tokenizer(self, command, trained, tmp_path, run_copy):
        out = tmp_path / "of_run.json"
        assert command("tokenizer", "convert", trained, out, "--to", "tinygpt").status == 0
        assert load_tokenizer(out) == load_tokenizer(trained / "tokenizer.json")
        (run_copy / "tokenizer.json").unlink()
        assert command("tokenizer", "encode", run_copy, "the").out == command("tokenizer", "encode", out, "the").out
        assert_refused(command("tokenizer", "encode", run_copy, "the", "--cased"), "no further options")

    @pytest.mark.parametrize("to", ["tinygpt", "gpt2", "tiktoken", "huggingface"])
    def test_what_exists_stays_unless_told(self, command, vocabulary, tmp_path, to):
        line = ["tokenizer", "convert", vocabulary, tmp_path / "out", "--to", to]
        assert command(*line).status == 0
        assert_refused(command(*line), "--overwrite")
        assert command(*line, "--overwrite").status == 0

    def test_what_gpt2_cannot_say_leaves_no_directory(self, command, tmp_path):
        Tokenizer(pattern="x+").save(tmp_path / "v.json")
        assert_refused(
            command("tokenizer", "convert", tmp_path / "v.json", tmp_path / "out", "--to", "gpt2"), "pattern"
        )
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", ["is empty", "tokenizer.json", "vocab.txt"]),
            (b"some text\n", ["is not a tokenizer", "encoder.json"]),
            (b"\x00\xff\x80", ["is not a tokenizer"]),
            (b'{"a": ', ["no valid JSON"]),
            (b'{"a": {}}', ["not a tokenizer"]),
            (b"[" * 9999, ["not a tokenizer"]),
            (b"{" * 9999, ["no valid JSON"]),
            (b'{"format": "tinygpt-tokenizer-2"}', ["entry 'type'"]),
            (b'{"format": "other", "type": "bpe"}', ["entry 'format'"]),
            (b'{"model": {"type": "Unigram"}}', ["decoder"]),
            (b'{"a": 0, "b": 2}', ["without its merges"]),
            (b"IQ== 0\nIg== 1\n", ["is a file of ranks", "r50k_base"]),
            (b"[UNK]\nthe\nthe\n", ["line 3", "repeats 'the'"]),
        ],
    )
    def test_what_is_no_tokenizer(self, command, tmp_path, content, words):
        (tmp_path / "file").write_bytes(content)
        line = ["tokenizer", "convert", tmp_path / "file", tmp_path / "out", "--to", "tinygpt"]
        assert_refused(command(*line), str(tmp_path / "file"), *words)
        assert sorted(os.listdir(tmp_path)) == ["file"]

    @pytest.mark.parametrize(
        ("hints", "words"),
        [(["--name", "r50k_base"], ["no use for --name"]), (["--cased"], ["no use for --cased"]),
         (["--special-token", "<x>"], ["no use for --special-token"])],
    )  # fmt: skip
    def test_hints_without_a_use(self, command, vocabulary, hints, words):
        assert_refused(command("tokenizer", "encode", vocabulary, "x", *hints), *words)

    def test_special_tokens_of_gpt2_are_there_and_have_their_ids(self, command, tmp_path):
        path, _ = in_format(tmp_path, "gpt2")
        line = ["tokenizer", "encode", path, "x", "--special-token", SPECIAL, "--special-token"]
        assert_refused(command(*line, "<x>"), "'<x>'", "no such token")
        assert_refused(command(*line, "<|endoftext|>=3"), "gives it the id", "not 3")

    def test_ranks_want_ids_of_special_tokens(self, command, tmp_path):
        path, _ = in_format(tmp_path, "tiktoken")
        assert_refused(command("tokenizer", "encode", path, "x", "--pattern", "gpt2", "--special-token", "<x>"), "id")
        assert_refused(command("tokenizer", "encode", path, "x", "--name", "r90k"), "r90k")
        assert_refused(command("tokenizer", "inspect", path, "x"), "--name=", "r50k_base", "--pattern=")
        path.rename(tmp_path / "p50k_base.tiktoken")
        assert command("tokenizer", "encode", tmp_path / "p50k_base.tiktoken", "x").status == 0

    def test_missing(self, command, tmp_path):
        assert_refused(command("tokenizer", "encode", tmp_path / "absent", "x"), "cannot read the tokenizer")
        assert_refused(command("tokenizer", "encode", tmp_path, "x"), "has no tokenizer in it", "vocab.txt")


def test_options_may_stand_anywhere(command, vocabulary):
    for line in (["--allowed-special", "all", vocabulary, "a"], [vocabulary, "--allowed-special", "all", "--", "a"]):
        assert command("tokenizer", "encode", *line).out == "97\n"
    assert command("tokenizer", "encode", vocabulary, "--", "-a").out.split() == list(map(str, TRAINED.encode("-a")))
    assert command("tokenizer", "decode", "--name", "x", vocabulary, "97").status == 2
    assert_refused(command("tokenizer", "encode", vocabulary, "a", "b"), "unrecognized arguments: b")
    assert_refused(command("tokenizer", "encode"), "TOKENIZER")
