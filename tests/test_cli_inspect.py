"""`tinygpt tokenizer inspect`: what it shows of a text, and that nothing stays invisible."""

import json

import pytest
from command_line import assert_refused, some_text

from tinygpt.commands.tokenizer_inspect import visibly
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer, WordPiece

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.core

TRAINED = Tokenizer.train([some_text(900)], 300)


@pytest.fixture
def vocabulary(tmp_path):
    TRAINED.save(tmp_path / "vocabulary.json")
    return tmp_path / "vocabulary.json"


def test_what_is_shown(command, vocabulary):
    text = "then\nnaïve the mat"
    out = command("tokenizer", "inspect", vocabulary, text).out
    ids = TRAINED.encode(text)
    assert "·".join(visibly(TRAINED.token_bytes(each)) for each in ids) in out
    assert " ".join(map(str, ids)) in out
    assert f"{len(text.encode()) / len(ids):.2f} bytes a token" in out
    rank = TRAINED.merges.index((b"t", b"h"))
    assert f"␣·t·h·e → ␣·th·e (merge {rank}) → " in out and "␊" in out
    assert f"{TRAINED.vocab_size - 1 - len(set(ids))} of {TRAINED.vocab_size - 1} tokens do not occur" in out
    assert "0 tokens can occur in no text" in out


def test_for_machines(command, vocabulary, data):
    found = json.loads(command("tokenizer", "inspect", vocabulary, "--data", data, "--json", "--limit", 0).out)
    text = data.read_bytes().decode()
    assert found["tokens"] == len(TRAINED.encode(text)) and found["bytes"] == len(text.encode())
    assert len(found["pieces"]) == found["different_pieces"]
    for piece in found["pieces"]:
        for merge in piece["merges"]:
            assert merge["count"] == TRAINED.merge_counts[merge["rank"]]
            left, right = (part.decode("latin-1") for part in TRAINED.merges[merge["rank"]])
            assert left + right in merge["tokens"]


def test_a_limit(command, vocabulary, data):
    out = command("tokenizer", "inspect", vocabulary, "--data", data, "--limit", 5).out
    assert out.count(" → ") <= 5 * 20 and "… and" in out and len(out) < 3000


@pytest.mark.parametrize("words", [["the cats"], ["--data", "t.txt"]])
def test_other_vocabularies(command, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("the cats")
    WordPiece(["[UNK]", "the", "cat", "##s"]).save("words.json")
    CharTokenizer("the cas").save("char.json")
    assert "the·cat·##s" in command("tokenizer", "inspect", "words.json", *words).out
    assert "t·h·e·␣·c·a·t·s" in command("tokenizer", "inspect", "char.json", *words).out


@pytest.mark.parametrize(
    ("options", "words"),
    [([""], ["no text"]), (["x", "--limit", "-1"], ["--limit"]), (["x", "--allowed-special", "<x>"], ["<x>"])],
)
def test_bad_input(command, vocabulary, options, words):
    assert_refused(command("tokenizer", "inspect", vocabulary, *options), *words)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" né\n\t\x7f".encode(), "␣né␊␉␡"),
        ("é".encode()[:1], "⟨C3⟩"),
        ("é".encode()[1:] + b"a\xff\xfe", "⟨A9⟩a⟨FF FE⟩"),
        ("a·␣⟨".encode(), "a⟨C2 B7 E2 90 A3 E2 9F A8⟩"),
        ("\u0301e\u0301".encode(), "⟨CC 81⟩e\u0301"),
        ("\u200b\xa0".encode(), "⟨E2 80 8B C2 A0⟩"),
        (b"\xed\xa0\x80", "⟨ED A0 80⟩"),
    ],
)
def test_nothing_is_invisible(token, shown):
    assert visibly(token) == shown
