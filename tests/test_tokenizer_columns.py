"""Long text encoded in columns gives the ids that its pieces give one by one, whatever the text and the merges."""

import pickle
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.text.tokenizer import Tokenizer, columns, keys, merging, plain, stitching, together, training
from tinygpt.text.tokenizer.columns import PieceCounts
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.cutting import cut
from tinygpt.text.tokenizer.encoding import number_merges
from tinygpt.text.tokenizer.keys import LONGEST_KEY, Keys, KeyTable
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern, text_to_bytes
from tinygpt.text.tokenizer.together import MergesTogether

pytestmark = pytest.mark.core

TRICKY = [*"aZé字1²' \t\n\r.!\u00a0\u0301\ud800\U0001f642\0", "  ", "'s", "'re", "'LL", "don't", " '", "''ve "]
texts = st.one_of(
    st.lists(st.sampled_from(TRICKY), max_size=40).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=60),
)
CORPUS = "the cat that sat on the mat ate the rat; thethethe catcatsatmat 1000 10000 ééé 字字 " * 8
LEARNED = Tokenizer.train([CORPUS], 256 + 120, (), min_frequency=1)
SHUFFLED = random.Random(1).sample(LEARNED.merges, len(LEARNED.merges))
KINDS = {
    "learned": LEARNED,
    "numbered otherwise": Tokenizer(
        LEARNED.merges, (), byte_order=bytes(reversed(range(256))),
        conventions=Conventions(numbers=random.Random(2).sample(range(1000), 256 + len(LEARNED.merges))),
    ),
    "merges in any order": Tokenizer(SHUFFLED, (), conventions=Conventions(any_order=True)),
    "whole pieces first": Tokenizer(
        SHUFFLED, (),
        conventions=Conventions(any_order=True, whole_first=True, unmerged={b" zzz": 900, b"z" * 40: 901}),
    ),
    "bytes alone": Tokenizer((), ()),
}  # fmt: skip

REPEATED = ["0" * 333, "the" * 99, "字" * 70, "z" * 40]


def in_blocks(tokenizer, text):
    return tokenizer._piece_ids.in_blocks()(text).tolist()


def merges_of(tokenizer):
    """The pairs of ids that merge, what they make, and the bytes of each token."""
    merged = number_merges(tokens := [bytes([byte]) for byte in range(256)], tokenizer.merges)
    return merged.keys(), list(merged.values()), list(map(len, tokens))


def one_by_one(tokenizer, text):
    pieces = compile_pattern(GPT2_PATTERN).findall(text)
    return [number for piece in pieces for number in tokenizer.ids_of_piece(text_to_bytes(piece))]


class TestCutting:
    @settings(max_examples=400, deadline=None)
    @given(texts)
    def test_pieces_are_those_of_the_pattern(self, text):
        data, starts, lengths = cut(text)
        pieces = [data[start : start + length] for start, length in zip(starts.tolist(), lengths.tolist())]
        assert pieces == [text_to_bytes(piece) for piece in compile_pattern(GPT2_PATTERN).findall(text)]


class TestTable:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.lists(st.binary(min_size=1, max_size=LONGEST_KEY), max_size=30), max_size=6))
    def test_finds_what_was_added(self, rounds):
        table, known = KeyTable(), {}
        with mock.patch.object(table, "_slots", np.full(2, -1)):  # which fill, and grow
            for strings in rounds:
                lengths = np.array([len(each) for each in strings], dtype=np.int64)
                made = Keys.of(b"".join(strings), np.cumsum(lengths) - lengths, lengths)
                assert table.find(made).tolist() == [known.get(each, -1) for each in strings]
                new = [row for row, each in enumerate(strings) if each not in known]
                numbers, first = table.add(made.rows(np.array(new, dtype=np.int64)))
                for row, number in zip(new, numbers.tolist(), strict=True):
                    assert known.setdefault(strings[row], number) == number
                assert {strings[new[row]] for row in first} == {strings[row] for row in new}
                assert len(table) == len(known) == len(set(known.values()))

    def test_keys_on_one_slot_are_kept_apart(self):
        lengths = np.ones(200, dtype=np.int64)
        made = Keys.of(bytes(range(200)), np.arange(200), lengths)
        with mock.patch.object(keys, "_ODD", [0, 0]):
            table = KeyTable()
            numbers, _ = table.add(made)
            assert (table.find(made) == numbers).all() and len(set(numbers.tolist())) == 200


@pytest.mark.parametrize("tokenizer", KINDS.values(), ids=KINDS)
@settings(max_examples=60, deadline=None)
@given(text=texts, many=st.sampled_from([1, 5]), block=st.sampled_from([3, 1 << 19]))
def test_ids_are_those_of_the_pieces(tokenizer, text, many, block):
    with mock.patch.object(together, "MANY", many), mock.patch.object(columns, "BLOCK", block):
        assert in_blocks(tokenizer, text) == one_by_one(tokenizer, text)


@pytest.mark.parametrize("tokenizer", KINDS.values(), ids=KINDS)
@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.text("thecasmr", max_size=150) | st.sampled_from(REPEATED)))
def test_long_pieces_too(tokenizer, words):
    text = " ".join(words) + " zzz"
    with mock.patch.object(together, "MANY", 1):
        assert in_blocks(tokenizer, text) == one_by_one(tokenizer, text)


class TestBlocks:
    @settings(max_examples=200, deadline=None)
    @given(
        choices=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=14),
        word=st.text("abc", min_size=1, max_size=90),
    )
    def test_with_any_vocabulary(self, choices, word):
        """Not only one that was learned: (b, c) may come before (a, b), and abc be out of reach."""
        tokens, merges = [b"a", b"b", b"c"], []
        for left, right in ((tokens[i % len(tokens)], tokens[j % len(tokens)]) for i, j in choices):
            if left + right not in tokens:
                merges.append((left, right))
                tokens.append(left + right)
        tokenizer = Tokenizer(merges, ())
        with mock.patch.object(together, "MANY", 1):
            ids = in_blocks(tokenizer, word)
        assert [tokenizer.token_bytes(each) for each in ids] == plain.encode_plain(word, merges)

    def test_most_long_pieces_are_stitched_together(self):
        draw = random.Random(3)
        word = "".join(draw.choices(["the", "cat", "sat", "mat", "rat"], k=400)).encode()
        pieces = LEARNED._piece_ids.in_blocks()
        with mock.patch.object(merging, "merge_by_heap", side_effect=AssertionError("one by one")):
            ids = pieces(word.decode())
        assert b"".join(map(LEARNED.token_bytes, ids.tolist())) == word and len(word) > 4 * stitching.STEP

    def test_pieces_are_stitched_in_whatever_order_they_are_given(self):
        draw = random.Random(6)
        pieces = ["".join(draw.choices("thecasmr", k=n)).encode() for n in (200, 90, 300)]
        lengths = np.array([len(piece) for piece in pieces])
        starts = np.cumsum(lengths) - lengths
        merged = MergesTogether(range(256), *merges_of(LEARNED), split_one=None)
        for order in ([0, 1, 2], [2, 0, 1]):
            ids, counts = merged.split(b"".join(pieces), starts[order], lengths[order])
            assert counts.all()  # none was left to split_one
            assert ids.tolist() == [number for row in order for number in LEARNED.ids_of_piece(pieces[row])]

    def test_what_is_remembered_is_bounded_and_changes_nothing(self):
        draw = random.Random(4)
        words = ["".join(draw.choices("thecasmr", k=draw.randrange(1, 40))) for _ in range(3000)]
        text = " ".join(words)
        want = one_by_one(LEARNED, text)
        with (
            mock.patch.object(columns, "BLOCK", 2000),
            mock.patch.object(columns, "REMEMBERED_PIECES", 500),
            mock.patch.object(columns, "REMEMBERED_IDS", 3000),
        ):
            encode = LEARNED._piece_ids.in_blocks()
            for _ in range(3):
                assert encode(text).tolist() == want
                assert len(encode._numbers) < 1500 and len(encode._ids) < 6000


class TestCounts:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(texts | st.sampled_from(REPEATED), max_size=6), st.sampled_from([3, 1 << 19]))
    def test_are_those_of_the_pieces(self, several, block):
        counts = PieceCounts()
        with mock.patch.object(columns, "BLOCK", block):
            for text in several:
                counts.add(text)
        find = compile_pattern(GPT2_PATTERN).findall
        assert counts.taken() == Counter(text_to_bytes(piece) for text in several for piece in find(text))
        assert counts.taken() == Counter()
        counts.add("once more")
        assert counts.taken() == {b"once": 1, b" more": 1}

    def test_training_on_long_texts_counts_so(self):
        text = CORPUS * 20
        halves = [text[: len(text) // 2], text[len(text) // 2 :]]
        with mock.patch.object(training, "LONG_TEXT", 1 << 30):
            want = training.count_pieces(halves, ["mat"], GPT2_PATTERN)
        with mock.patch.object(training.PieceFinder, "__call__", side_effect=AssertionError("piece by piece")):
            assert training.count_pieces(halves, [], GPT2_PATTERN).total() > 0
        assert training.count_pieces(halves, ["mat"], GPT2_PATTERN) == want


class TestTokenizer:
    def test_long_text_goes_this_way_and_short_does_not(self):
        text = CORPUS * 10
        assert len(text) > columns.LONG_TEXT
        tokenizer = Tokenizer(LEARNED.merges, ())
        assert tokenizer.encode(text[:100]) == one_by_one(LEARNED, text[:100]) and tokenizer._block_ids is None
        assert tokenizer.encode(text) == one_by_one(LEARNED, text) and tokenizer._block_ids is not None

    def test_a_copy_in_another_process_remembers_nothing(self):
        tokenizer = Tokenizer(LEARNED.merges, ())
        tokenizer.encode(CORPUS * 10)
        copy = pickle.loads(pickle.dumps(tokenizer))
        assert copy == tokenizer and copy._block_ids is None
        assert copy.encode(CORPUS * 10) == tokenizer.encode(CORPUS * 10)

    def test_threads_may_share_a_tokenizer(self):
        draw = random.Random(5)
        many = [" ".join("".join(draw.choices("thecasmr", k=6)) for _ in range(1000)) for _ in range(16)]
        tokenizer = Tokenizer(LEARNED.merges, ())
        with ThreadPoolExecutor(4) as threads:
            encoded = list(threads.map(tokenizer.encode, many))
        assert encoded == [one_by_one(LEARNED, text) for text in many]
