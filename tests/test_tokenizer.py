"""Byte-pair encoding: the identity on every text, the plain algorithm at speed, and files that survive."""

import csv
import json
import random
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import CharTokenizer, StreamDecoder, Tokenizer, linked, load_tokenizer, merging, plain
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern

pytestmark = pytest.mark.core

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "tokenizer"
TEXT = (
    "The quick brown fox can't jump over the lazy dog, because the dog isn't there; the fox is.\n\n"
    "Déjà vu: naïve café — 今日は世界 🙂🙂 and then the other brown foxes jumped, 12345 times.   \n"
    "    def indented(): return 'the end of the beginning'\n"
) * 4
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
NASTY = [
    "", "\x00", "\ufeffmark", "\ud800", "a\udfffb\ud83d\ude42", FAMILY, "e" + "\u0301" * 90, "\u202eright",
    "\r\n\t ", " " * 99,
]  # fmt: skip
EVERY_CHARACTER = st.text(st.characters(exclude_categories=()), max_size=60)
SPECIALS = ("<|endoftext|>", "<|pad|>", "<|end of|>", "<|end of|> x")

TOKENIZER = Tokenizer.train([TEXT], 400, SPECIALS)


class TestIdentity:
    @settings(max_examples=100, deadline=None)
    @given(EVERY_CHARACTER)
    def test_on_any_text(self, text):
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
        assert TOKENIZER.decode(TOKENIZER.encode(text, allowed_special="all")) == text

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=60))
    def test_on_any_bytes(self, data):
        assert TOKENIZER.decode_bytes(TOKENIZER.encode_bytes(data)) == data

    @pytest.mark.parametrize("text", NASTY)
    def test_on_nasty_text(self, text):
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
        assert CharTokenizer.train([text]).decode(CharTokenizer.train([text]).encode(text)) == text

    def test_bytes_that_are_no_text_are_shown_as_replaced(self):
        assert TOKENIZER.decode(TOKENIZER.encode_bytes(b"a\xff\xe2\x82b")) == "a\ufffd\ufffdb"


class TestPlainAndFastAgree:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.text("ab c'\n1é", max_size=40), max_size=4), st.sampled_from([1, 3, linked.MANY]))
    def test_merges(self, texts, many):
        """One place after another, all places at once, or some pairs so and some so."""
        with mock.patch.object(linked, "MANY", many):
            fast = Tokenizer.train(texts, 256 + 30, special_tokens=(), min_frequency=1)
        assert fast.merges == plain.train_plain(texts, 30)

    def test_merges_and_encoding_of_real_text(self):
        merges = plain.train_plain([TEXT], 150)
        fast = Tokenizer.train([TEXT], 256 + 150, special_tokens=(), min_frequency=1)
        assert fast.merges == merges
        for text in (TEXT, "unseen words, then the foxes' déjeuner\n\n"):
            assert [fast.token_bytes(each) for each in fast.encode(text)] == plain.encode_plain(text, merges)

    @settings(max_examples=100, deadline=None)
    @given(st.text("abc", min_size=1, max_size=80), st.sampled_from([0, 99]))
    def test_encodings_of_runs(self, word, endless):
        trained = Tokenizer.train(["aabcabcaaab" * 9, "abababccc"], 290, special_tokens=(), min_frequency=1)
        with mock.patch.object(merging, "ENDLESS", endless):
            tokens = [trained.token_bytes(each) for each in trained.encode(word)]
        assert tokens == plain.encode_plain(word, trained.merges)

    def test_ties_go_to_the_greater_pair_whatever_the_order(self):
        words = [f" {a}{b}" for a in "abcdé" for b in "vwxyz"]
        trained = {
            tuple(Tokenizer.train(random.Random(seed).sample(words, len(words)), 275, min_frequency=1).merges)
            for seed in range(5)
        }
        assert len(trained) == 1
        first = Tokenizer.train(["xa", "ab", "xa b", "ab"], 257, special_tokens=(), min_frequency=1)
        assert first.merges == [(b"x", b"a")]

    def test_an_endless_word_takes_no_endless_time(self):
        endless = "ab" * 20_000 + "0" * 20_000
        tokenizer = Tokenizer.train([endless], 300)
        assert tokenizer.decode(tokenizer.encode(endless)) == endless


class TestTraining:
    def test_stops_where_no_pair_is_left_or_frequent(self):
        assert Tokenizer.train(["abcabc"], 1000, (), min_frequency=1).merges[-1][1].endswith(b"c")
        assert Tokenizer.train(["ab cd"], 1000, ()).merges == []
        assert Tokenizer.train([], 1000).vocab_size == 257

    def test_special_tokens_are_never_merged_across(self):
        tokenizer = Tokenizer.train(["ab<|endoftext|>cd" * 50], 300)
        assert not any(b"<" in left + right or b"bc" in left + right for left, right in tokenizer.merges)

    def test_progress_is_shown_where_asked(self, capsys):
        Tokenizer.train([TEXT], 270)
        assert capsys.readouterr() == ("", "")
        Tokenizer.train([TEXT], 270, progress=True)
        assert "learning merges" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"vocab_size": 256}, "no room for 256 bytes and 1 special.*at least 257"),
            ({"vocab_size": 300, "min_frequency": 0}, "min_frequency must be at least 1"),
            ({"vocab_size": 300, "pattern": "(a"}, "not a regular expression: missing .* at position 2"),
            ({"vocab_size": 300.5}, "vocab_size must be a whole number, not 300.5"),
            ({"vocab_size": "x"}, "vocab_size must be a whole number, not 'x'"),
            ({"vocab_size": 300, "pattern": "(a)b"}, "captures groups"),
            ({"vocab_size": 300, "special_tokens": ["<s>", "<s>"]}, "special_tokens: '<s>' is named twice"),
            ({"vocab_size": 300, "special_tokens": [""]}, "special_tokens: a name must be a string"),
            ({"vocab_size": 300, "special_tokens": "<s>"}, "put '<s>' in a list"),
            ({"vocab_size": 300, "texts": "one text"}, "put a single text in a list"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(BadInput, match=message):
            Tokenizer.train(**({"texts": [TEXT]} | arguments))


class TestPieces:
    @pytest.mark.parametrize(
        ("text", "pieces"),
        [
            ("Hello, world", ["Hello", ",", " world"]),
            ("can't WON'T", ["can", "'t", " WON", "'", "T"]),
            ("a\n\nb", ["a", "\n", "\n", "b"]),
            ("a   b", ["a", "  ", " b"]),
            ("a \n  \n", ["a", " \n  \n"]),
            ("x12 34é!?", ["x", "12", " 34", "é", "!?"]),
        ],
    )
    def test_gpt2_cuts_text_like_this(self, text, pieces):
        assert compile_pattern(GPT2_PATTERN).findall(text) == pieces

    def test_a_pattern_that_misses_characters_loses_none(self):
        tokenizer = Tokenizer.train(["aa bb aa"], 300, pattern="[a-z]+")
        assert tokenizer.decode(tokenizer.encode("aa 1é\n bb")) == "aa 1é\n bb"


class TestSpecialTokens:
    def test_ids_follow_the_merges(self):
        n_ordinary = 256 + len(TOKENIZER.merges)
        assert TOKENIZER.special_tokens == {name: n_ordinary + place for place, name in enumerate(SPECIALS)}
        assert TOKENIZER.end_of_text == n_ordinary and TOKENIZER.vocab_size == n_ordinary + 4
        assert Tokenizer(special_tokens=()).end_of_text is None

    def test_written_in_a_text_they_are_text_unless_allowed(self):
        text = "one<|endoftext|>two<|pad|>"
        end = TOKENIZER.end_of_text
        assert max(TOKENIZER.encode(text)) < end
        allowed = TOKENIZER.encode(text, allowed_special=["<|endoftext|>"])
        assert allowed == [*TOKENIZER.encode("one"), end, *TOKENIZER.encode("two<|pad|>")]
        assert TOKENIZER.encode(text, "all")[-1] == TOKENIZER.special_tokens["<|pad|>"]

    def test_the_longer_of_two_wins(self):
        assert TOKENIZER.encode("<|end of|> x", "all") == [TOKENIZER.special_tokens["<|end of|> x"]]
        assert TOKENIZER.encode("<|end of|> y", "all")[0] == TOKENIZER.special_tokens["<|end of|>"]

    def test_an_unknown_one_is_refused(self):
        with pytest.raises(BadInput, match=r"'<mask>' is not a special token .*<\|pad\|>"):
            TOKENIZER.encode("text", allowed_special=["<mask>"])


class TestForms:
    def test_batches_and_arrays_equal_single_texts(self):
        texts = [TEXT, *NASTY]
        single = [TOKENIZER.encode(text) for text in texts]
        assert TOKENIZER.encode_batch(texts) == single
        for text, ids in zip(texts, single):
            array = TOKENIZER.encode_array(text)
            assert array.dtype == np.uint16 and array.tolist() == ids and TOKENIZER.decode(array) == text
        documents = TOKENIZER.encode_documents(texts)
        assert documents.tolist() == [each for ids in single for each in [*ids, TOKENIZER.end_of_text]]

    def test_a_large_vocabulary_takes_four_bytes(self):
        names = [f"<{number}>" for number in range(65_536 - 256)]
        assert Tokenizer(special_tokens=names).dtype == np.uint16
        assert Tokenizer(special_tokens=[*names, "<one more>"]).dtype == np.uint32

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.one_of(st.integers(0, 399), st.sampled_from([*range(128, 256)])), max_size=30))
    def test_streaming_equals_decoding(self, ids):
        ids = [number % TOKENIZER.vocab_size for number in ids]
        stream = StreamDecoder(TOKENIZER)
        assert "".join(map(stream.push, ids)) + stream.finish() == TOKENIZER.decode(ids)

    def test_streaming_never_shows_half_a_character(self):
        text = "é今🙂\ud800z"
        byte_tokens = Tokenizer()
        stream = StreamDecoder(byte_tokens)
        shown = [stream.push(each) for each in byte_tokens.encode(text)]
        assert [each for each in shown if each] == list(text) and stream.finish() == ""
        stream.push(0xF0)
        assert stream.finish() == "\ufffd"

    @pytest.mark.parametrize("bad", [TOKENIZER.vocab_size, -1, 10**9, 1.5, None])
    def test_unknown_ids_are_named(self, bad):
        for decode in (TOKENIZER.decode, TOKENIZER.decode_bytes):
            with pytest.raises(BadInput, match=f"{bad!r} is not a token id"):
                decode([0, bad])

    def test_only_str_is_text(self):
        with pytest.raises(BadInput, match="must be a str, not bytes"):
            TOKENIZER.encode(b"bytes")


class TestCharacters:
    def test_ids_are_the_places_among_the_sorted_characters(self):
        tokenizer = CharTokenizer.train(["hello", "World"])
        assert tokenizer.characters == sorted(set("helloWorld")) and tokenizer.special_tokens == {}
        assert tokenizer.encode("Wed") == [0, 2, 1] and tokenizer.decode([0, 2, 1]) == "Wed"

    def test_an_unknown_character_is_named_with_its_place(self):
        with pytest.raises(BadInput, match=r"'é' \(U\+00E9\) at position 3 .*<\|unk\|>"):
            CharTokenizer.train(["caf"]).encode("café")

    def test_unless_the_vocabulary_has_a_token_for_it(self):
        tokenizer = CharTokenizer.train(["caf<|unk|>"], special_tokens=["<|unk|>", "<|endoftext|>"])
        assert tokenizer.vocab_size == 5 and tokenizer.encode("fé") == [2, 3]
        assert tokenizer.encode("a<|endoftext|>", "all") == [0, tokenizer.end_of_text]

    @pytest.mark.parametrize("characters", [["ab"], ["a", "a"], [1]])
    def test_bad_characters(self, characters):
        with pytest.raises(BadInput, match="character"):
            CharTokenizer(characters)


class TestFiles:
    @pytest.mark.parametrize(
        "tokenizer",
        [
            TOKENIZER,
            Tokenizer.train([TEXT], 300, ["<a b>", "\ud800é"], pattern=r"\w+|\W+"),
            Tokenizer(byte_order=bytes(reversed(range(256)))),
            CharTokenizer.train([TEXT, *NASTY], special_tokens=["<|unk|>"]),
        ],
        ids=["bpe", "pattern", "byte order", "characters"],
    )
    def test_what_was_saved_is_what_is_loaded(self, tokenizer, tmp_path):
        path = tmp_path / "tokenizer.json"
        tokenizer.save(path)
        for loaded in (load_tokenizer(path), type(tokenizer).load(path)):
            assert loaded == tokenizer and loaded.fingerprint == tokenizer.fingerprint
            assert loaded.encode(TEXT, "all") == tokenizer.encode(TEXT, "all")
            assert loaded.definition() == tokenizer.definition() and hash(loaded) == hash(tokenizer)
        assert [each.name for each in tmp_path.iterdir()] == ["tokenizer.json"]

    def test_different_tokenizers_differ(self):
        others = [Tokenizer(), Tokenizer(special_tokens=()), Tokenizer(pattern="x"), CharTokenizer("ab")]
        assert len({each.fingerprint for each in others}) == len(set(others)) == 4
        assert Tokenizer() != "a tokenizer"

    def test_damaged_files_are_refused_by_file_and_entry(self, tmp_path):
        TOKENIZER.save(tmp_path / "good.json")
        good = json.loads((tmp_path / "good.json").read_text())
        first = good["merges"][0]
        damages = [
            ({"format": "tinygpt-tokenizer-9"}, "format"),
            ({"type": "unigram"}, "'unigram'.*'bpe', 'char', 'wordpiece'"),
            ({"type": None}, "entry 'type'"),
            ({"merges": None}, "entry 'merges'"),
            ({"merges": [first, ["a"]]}, r"merges\[1\] must be a pair"),
            ({"merges": [first, ["a", "\u0100"]]}, r"merges\[1\] must be a string of characters up to"),
            ({"merges": [["zz", "a"]]}, r"merges\[0\] uses b'zz'"),
            ({"merges": [first, first]}, r"merges\[1\] makes .* already"),
            ({"pattern": 3}, "entry 'pattern'"),
            ({"pattern": "("}, "not a regular expression"),
            ({"byte_order": "abc"}, "byte_order"),
            ({"byte_order": None}, "entry 'byte_order'"),
            ({"special_tokens": ["x", "x"]}, "special_tokens: 'x' is named twice"),
        ]
        path = tmp_path / "bad.json"
        for damage, message in damages:
            path.write_text(json.dumps(good | damage))
            with pytest.raises(BadInput, match=rf"bad\.json.*{message}"):
                load_tokenizer(path)

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"a": 1}', b"[1]", b'{"format": "tinygpt-', b"[" * 9999])
    def test_foreign_files_are_refused(self, content, tmp_path):
        path = tmp_path / "foreign.json"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"foreign\.json is not a tokenizer"):
            load_tokenizer(path)

    def test_missing_and_mistaken_paths(self, tmp_path):
        with pytest.raises(BadInput, match=r"absent\.json"):
            load_tokenizer(tmp_path / "absent.json")
        CharTokenizer("ab").save(tmp_path / "char.json")
        for place in ("no such directory", "char.json"):
            with pytest.raises(BadInput, match="cannot write"):
                TOKENIZER.save(tmp_path / place / "tokenizer.json")
        with pytest.raises(BadInput, match=r"'char', not 'bpe'.*load_tokenizer"):
            Tokenizer.load(tmp_path / "char.json")


def gpt2() -> Tokenizer:
    """GPT-2's own vocabulary; its files write byte b as a printable character, and number the bytes in that order."""
    path = DATA / "gpt2" / "vocab.bpe"
    if not path.exists():
        pytest.skip("no shared/data/tokenizer/gpt2/vocab.bpe beside the repository")
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    order = bytes(printable + [byte for byte in range(256) if byte not in printable])
    written = {chr(byte): byte for byte in printable}
    written |= {chr(256 + place): byte for place, byte in enumerate(order[len(printable) :])}
    lines = path.read_text(encoding="utf-8").split("\n")[1:-1]
    merges = [tuple(bytes(map(written.__getitem__, part)) for part in line.split(" ")) for line in lines]
    return Tokenizer(merges, byte_order=order)


def test_with_gpt2s_files_it_is_gpt2s_tokenizer():
    tokenizer = gpt2()
    assert tokenizer.vocab_size == 50257 and tokenizer.end_of_text == 50256
    french = json.loads((DATA / "vectors" / "gpt2_fr_encoded_tokens.json").read_text(encoding="utf-8"))
    assert tokenizer.encode(french["text"]) == french["token_ids"]
    with open(DATA / "vectors" / "r50k_base_encodings.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert tokenizer.encode(row["input"]) == json.loads(row["output"])
