"""How tokens were made: what a saved vocabulary says of it, and what an inspection finds in a text."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer, load_tokenizer, plain
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.inspection import LONGEST_FOLLOWED, inspect, unreachable_tokens
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern

pytestmark = pytest.mark.core

TEXT = "The hen and the ten hens can't go on to the end of the garden — déjà vu, 12345 🙂🙂.\n\n" * 3
TOKENIZER = Tokenizer.train([TEXT], 330)
PREFIXED = Tokenizer(TOKENIZER.merges, conventions=Conventions(prefix_space=True, always=("<|endoftext|>",)))
OUT_OF_REACH = Tokenizer([(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")], ())
SOME_TEXT = st.text("the n<|endoftext|>dg'é🙂\n\ud8001", max_size=40)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab c\né", max_size=30), max_size=3))
def test_counts_are_those_at_the_time_of_each_merge(texts):
    tokenizer = Tokenizer.train(texts, 280, (), min_frequency=1)
    find_pieces = compile_pattern(GPT2_PATTERN).findall
    words = [list(map(bytes, zip(piece.encode()))) for text in texts for piece in find_pieces(text)]
    assert len(tokenizer.merge_counts) == len(tokenizer.merges)
    for pair, count in zip(tokenizer.merges, tokenizer.merge_counts):
        assert plain.count_pairs(words)[pair] == count
        words = [plain.merge(word, pair) for word in words]


class TestFiles:
    def test_a_line_says_how_a_token_was_made(self, tmp_path):
        TOKENIZER.save(tmp_path / "v.json")
        lines = (tmp_path / "v.json").read_text().splitlines()
        first = json.loads(lines[lines.index('"merges": [') + 1].removesuffix(","))
        left, right = (part.encode("latin-1") for part in (first["left"], first["right"]))
        assert (left, right) == TOKENIZER.merges[0] and first["id"] == 256
        assert first["count"] == TOKENIZER.merge_counts[0] == max(TOKENIZER.merge_counts)
        assert load_tokenizer(tmp_path / "v.json").merge_counts == TOKENIZER.merge_counts

    def test_counts_make_no_other_tokenizer(self, tmp_path):
        uncounted = Tokenizer(TOKENIZER.merges)
        assert uncounted == TOKENIZER and uncounted.fingerprint == TOKENIZER.fingerprint
        uncounted.save(tmp_path / "v.json")
        assert load_tokenizer(tmp_path / "v.json").merge_counts is None
        assert '"count"' not in (tmp_path / "v.json").read_text()

    def test_the_first_format_is_still_read(self, tmp_path):
        path = tmp_path / "old.json"
        path.write_text(json.dumps({"format": "tinygpt-tokenizer-1", **TOKENIZER.definition()}))
        assert load_tokenizer(path) == TOKENIZER

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"id": 300}, r"merges\[1\] says that its id is 300, and it is 257"),
            ({"id": "257"}, r"merges\[1\]: id must be a number from 0, not '257'"),
            ({"count": 0}, r"merges\[1\]: count must be a number from 1"),
            ({"count": True}, r"merges\[1\]: count must be a number"),
            ({"left": 3}, r"merges\[1\] must be a string"),
            ({"rank": 3}, r"merges\[1\] must be a pair of tokens"),
            ({"left": "zz"}, r"merges\[1\] uses b'zz'"),
        ],
    )
    def test_damage(self, change, message, tmp_path):
        path = tmp_path / "v.json"
        TOKENIZER.save(path)
        file = json.loads(path.read_text())
        file["merges"][1] |= change
        path.write_text(json.dumps(file))
        with pytest.raises(BadInput, match=rf"v\.json is damaged: {message}"):
            load_tokenizer(path)

    def test_a_count_that_is_missing(self, tmp_path):
        path = tmp_path / "v.json"
        TOKENIZER.save(path)
        file = json.loads(path.read_text())
        del file["merges"][2]["count"]
        path.write_text(json.dumps(file))
        with pytest.raises(BadInput, match=r"merges\[2\] has no count"):
            load_tokenizer(path)
        with pytest.raises(BadInput, match="1 counts for 0 merges"):
            Tokenizer((), merge_counts=[3])


class TestInspection:
    @settings(max_examples=60, deadline=None)
    @given(SOME_TEXT, st.sampled_from([TOKENIZER, PREFIXED]), st.sampled_from([(), "all", ("<|endoftext|>",)]))
    def test_the_pieces_are_the_text(self, text, tokenizer, allowed):
        found = inspect(tokenizer, text, allowed)
        ids = tokenizer.encode(text, allowed)
        assert found.ids.tolist() == ids and found.n_pieces == len(found.pieces)
        of_pieces = Counter()
        for piece in found.pieces:
            of_pieces.update({number: piece.times * n for number, n in Counter(piece.ids).items()})
        of_pieces[tokenizer.end_of_text] = ids.count(tokenizer.end_of_text)
        assert +of_pieces == Counter(ids)

    @settings(max_examples=60, deadline=None)
    @given(SOME_TEXT)
    def test_the_steps_are_the_merges_in_order(self, text):
        for piece in inspect(TOKENIZER, text).pieces:
            tokens = [bytes([byte]) for byte in piece.data]
            for step in piece.steps:
                tokens = plain.merge(tokens, TOKENIZER.merges[step.rank])
                assert tokens == list(step.tokens)
            assert tokens == [TOKENIZER.token_bytes(each) for each in piece.ids]
            ranks = [step.rank for step in piece.steps]
            assert ranks == sorted(set(ranks))

    def test_numbers(self):
        found = inspect(TOKENIZER, "the the é", most_pieces=1)
        assert found.n_bytes == 10 and found.bytes_per_token == 10 / len(found.ids)
        assert [(piece.data, piece.times) for piece in found.pieces] == [(b"the", 1)] and found.n_pieces == 3
        assert found.n_ordinary == TOKENIZER.vocab_size - 1
        assert set(found.unused) == set(range(TOKENIZER.vocab_size - 1)) - set(found.ids.tolist())
        assert inspect(TOKENIZER, "").bytes_per_token == 0

    def test_tokens_out_of_reach(self):
        """bc comes first, so that ab never meets a c."""
        assert OUT_OF_REACH.encode("abc") == [97, 256] and unreachable_tokens(OUT_OF_REACH) == (258,)
        assert unreachable_tokens(TOKENIZER) == ()
        whole = Tokenizer(OUT_OF_REACH.merges, (), conventions=Conventions(whole_first=True))
        assert unreachable_tokens(whole) == ()
        assert inspect(whole, "abc").pieces[0].ids == (258,) and inspect(whole, "abc").pieces[0].steps == ()

    def test_a_piece_too_long_to_follow(self):
        piece = inspect(TOKENIZER, "hen" * LONGEST_FOLLOWED).pieces[0]
        assert piece.steps == () and b"".join(map(TOKENIZER.token_bytes, piece.ids)) == piece.data

    def test_characters_have_no_pieces(self):
        found = inspect(CharTokenizer("abc"), "abba")
        assert found.ids.tolist() == [0, 1, 1, 0] and found.unused == (2,)
        assert found.pieces == found.unreachable == ()
