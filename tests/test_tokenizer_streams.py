"""Where a text is cut changes no token."""

import random
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import BadInput
from tinygpt.text.reading import read_chunks
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer, WordPiece
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.pieces import CUTTABLE_PATTERNS, PieceFinder, last_cut, next_cut
from tinygpt.text.tokenizer.pretokens import compile_pattern
from tinygpt.text.tokenizer.streams import safe_parts

pytestmark = pytest.mark.core

TRICKY = "aBstlLvedm'1\n\r\t !./-é\u0301一あʰǅ\u00a0\u2028\u200d٠🙂\ufeff\x00\x1c\x85ſK"
TEXT = "\n\n".join(topics.values()).encode("ascii", "ignore").decode()[:30_000]
SPECIALS = ["<|endoftext|>", "<a b>", "<a b>>"]
texts = st.text(st.sampled_from(TRICKY) | st.characters(), max_size=20)
with_specials = st.lists(texts | st.sampled_from(SPECIALS), max_size=8).map("".join)

PLAIN = Tokenizer.train([TEXT], 400, SPECIALS)
TOKENIZERS = {
    "bpe": PLAIN,
    "a pattern of its own": Tokenizer(PLAIN.merges, SPECIALS, r"\w+ \w+|\W"),
    "prefix space": Tokenizer(PLAIN.merges, SPECIALS, conventions=Conventions(prefix_space=True)),
    "strips": Tokenizer(PLAIN.merges, SPECIALS, conventions=Conventions(strips={"<a b>": "both"})),
    "always": Tokenizer(PLAIN.merges, SPECIALS, conventions=Conventions(always=("<|endoftext|>",))),
    "characters": CharTokenizer(sorted({*TRICKY, *TEXT}), ["<|unk|>", *SPECIALS]),
    "wordpiece": WordPiece(["[UNK]", "[SEP]", *map(chr, range(33, 127)), *(f"##{chr(c)}" for c in range(97, 123))]),
}


class TestCuts:
    @pytest.mark.parametrize("pattern", sorted(CUTTABLE_PATTERNS))
    @settings(max_examples=150, deadline=None)
    @given(text=texts)
    def test_pieces_of_the_parts_are_those_of_the_whole(self, pattern, text):
        find = compile_pattern(pattern).findall
        cuts, place = [], 0
        while (place := next_cut(text, place)) is not None:
            cuts.append(place)
            assert find(text[:place]) + find(text[place:]) == find(text)
        backwards, place = [], len(text)
        while (place := last_cut(text, 0, place)) is not None:
            backwards.append(place)
            place -= 1
        assert backwards[::-1] == cuts

    @pytest.mark.parametrize("pattern", [*sorted(CUTTABLE_PATTERNS), r"\p{Lu}+|[\p{Ll}\d]++", r"\X"])
    def test_the_finder_finds_what_the_pattern_does(self, pattern):
        draw = random.Random(pattern)
        find, plainly = PieceFinder(pattern), compile_pattern(pattern).findall
        for letters in (TRICKY, [letter for letter in TRICKY if letter.isascii()], TEXT + TRICKY):
            text = "".join(draw.choices(letters, k=5000))
            assert find(text) == plainly(text)


class TestStreams:
    @pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
    @settings(max_examples=60, deadline=None)
    @given(text=with_specials, sizes=st.lists(st.integers(0, 5), min_size=1), size=st.sampled_from([1, 2, 7, 4096]))
    def test_tokens_do_not_depend_on_the_cuts(self, tokenizer, text, sizes, size):
        chunks, place = [], 0
        for each in [*sizes, len(text)]:
            chunks.append(text[place : place + each])
            place += each
        for allowed in ((), "all"):
            want = tokenizer.encode(text, allowed)
            assert list(tokenizer.encode_stream(chunks, allowed)) == want
            names = tokenizer._recognised(tokenizer._allowed(allowed))
            parts = list(safe_parts(chunks, names, tokenizer._last_cut, size))
            assert "".join(parts) == text
            assert [each for part in parts for each in tokenizer.encode(part, allowed)] == want

    def test_a_stream_is_not_held(self):
        held = []

        def chunks():
            for count in range(200):
                held.append(count)
                yield " some words" * 100

        ids = PLAIN.encode_stream(chunks())
        next(ids)
        assert len(held) < 20

    def test_what_cannot_be_cut_is_joined_a_few_times_only(self):
        """An endless word in small chunks: each search for a cut waits until twice as much has come."""
        searched = []

        def no_cut(text, start, end):
            searched.append(end - start)

        assert list(safe_parts(["x"] * 20_000, (), no_cut, 10)) == ["x" * 20_000]
        assert sum(searched) < 20 * 20_000

    @pytest.mark.parametrize("chunks", ["text", [b"text"], [None]])
    def test_chunks_must_be_strings(self, chunks):
        with pytest.raises(BadInput, match="str"):
            list(PLAIN.encode_stream(chunks))


class TestFiles:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
    def test_a_file_gives_the_ids_of_its_text(self, tmp_path, encoding):
        text = (TEXT[:3000] + "é\r\n") * 400 if encoding == "latin-1" else (TEXT[:3000] + "é世🙂\r\n") * 400
        path = tmp_path / "text"
        path.write_bytes(text.encode(encoding))
        assert np.array_equal(PLAIN.encode_file(path, encoding=encoding), PLAIN.encode_array(text))

    def test_an_empty_file_has_no_ids(self, tmp_path):
        (tmp_path / "empty").touch()
        assert PLAIN.encode_file(tmp_path / "empty").tolist() == []

    @pytest.mark.parametrize(
        ("data", "message"), [(b"a" * (1 << 20) + b"\xff", "byte 1048576 is 0xff"), (b"abc\xe4\xb8", "byte 3 is 0xe4")]
    )
    def test_bad_bytes_are_named_by_their_place(self, tmp_path, data, message):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(BadInput, match=message):
            list(read_chunks(tmp_path / "bad"))

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(BadInput, match="nowhere does not exist"):
            PLAIN.encode_file(tmp_path / "nowhere")

    def test_training_on_files_is_training_on_their_texts(self, tmp_path):
        paths = [tmp_path / "first", tmp_path / "second"]
        halves = [TEXT[:15_000], "<|endoftext|>".join([TEXT[15_000:20_000], TEXT[20_000:]])]
        for path, text in zip(paths, halves, strict=True):
            path.write_text(text, "utf-8", newline="")
        for processes in (1, 2):
            learned = Tokenizer.train_from_files(paths, 350, processes=processes)
            assert learned == Tokenizer.train(halves, 350)
