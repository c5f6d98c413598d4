"""Pairs: read from files, split, encoded, batched; and the pairs that are already there."""

import ast
import json
import re
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tinygpt.errors import BadInput
from tinygpt.text.batches import IGNORE, pad
from tinygpt.text.corpus import made_pairs
from tinygpt.text.corpus.made_pairs import arithmetic_pairs, docstring_pairs, in_figures, in_words
from tinygpt.text.pair_batches import PairBatches, encode_pairs, make_batch
from tinygpt.text.pairs import Pair, by_source, read_jsonl, read_pairs, read_tsv, split_pairs
from tinygpt.text.tokenizer import CharTokenizer

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(4)
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BEGIN, END = 50, 51


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestReading:
    def test_tab_separated(self, tmp_path):
        text = "\ufeffGo.\tVa !\tCC-BY\r\n\r\nRun!\tCours !\nRun!\tCourez !"
        expected = [Pair("Go.", "Va !"), Pair("Run!", "Cours !"), Pair("Run!", "Courez !")]
        assert read_tsv(written(tmp_path / "a.txt", text)) == expected
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("_about.txt", "nothing")
            archive.writestr("fra.txt", text)
        assert read_pairs(tmp_path / "a.zip") == expected
        assert by_source(expected) == {"Go.": ["Va !"], "Run!": ["Cours !", "Courez !"]}

    def test_json_lines(self, tmp_path):
        lines = [{"article": ["One.", "Two."], "short": ["1", "2"]}, {"article": "Three.", "short": "3", "id": 7}]
        path = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
        expected = [Pair("One. Two.", "1"), Pair("One. Two.", "2"), Pair("Three.", "3")]
        assert read_jsonl(path, "article", "short") == read_pairs(path, "article", "short") == expected

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.tsv", "a\tb\nno tab\n", "a.tsv, line 2, is not a source, a tab and a target: 'no tab'"),
            ("a.tsv", "a\tb\n\tb\n", "line 2"),
            ("a.tsv", "a\tb\na\t \n", "line 2"),
            ("a.tsv", b"a\tb\nc\t\xff\n", "a.tsv, line 2, is not utf-8"),
            ("a.tsv", "\n\n", "has no pairs"),
            ("a.zip", "no archive", "a.zip is no zip archive"),
            ("a.jsonl", '{"source": "a", "target": "b"}\n{', "a.jsonl, line 2, is not JSON"),
            ("a.jsonl", "[" * 100_000, "line 1, is not JSON"),
            ("a.jsonl", "[1]", "line 1, is not a JSON object"),
            ("a.jsonl", '{"source": "a"}', "line 1, has no field 'target': it has 'source'"),
            ("a.jsonl", '{"source": "a", "target": 3}', "line 1, must have text"),
            ("a.jsonl", '{"source": "a", "target": []}', "line 1, must have text"),
        ],
    )
    def test_bad_files_are_named_with_the_line(self, tmp_path, name, content, message):
        with pytest.raises(BadInput, match=re.escape(message)):
            read_pairs(written(tmp_path / name, content))

    def test_files_that_are_not_there(self, tmp_path):
        for path in (tmp_path / "a.tsv", tmp_path / "a.zip"):
            with pytest.raises(BadInput, match="does not exist"):
                read_pairs(path)
        with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
            archive.writestr("a.txt", "a\tb")
            archive.writestr("b.txt", "a\tb")
        with pytest.raises(BadInput, match="2 files of text"):
            read_pairs(tmp_path / "two.zip")

    @pytest.mark.parametrize(
        ("name", "n"), [("translate/tatoeba-fra-eng.zip", 142_787), ("summarize/scitldr-A-train.jsonl", 1_992)]
    )
    def test_real_files(self, name, n):
        if not (DATA / name).exists():
            pytest.skip("shared data are not here")
        assert len(read_pairs(DATA / name)) == n


class TestSplit:
    def test_all_pairs_of_a_source_are_on_one_side_wherever_others_are(self):
        pairs = [Pair(f"source {i % 150}", f"target {i}") for i in range(300)]
        train, validation = split_pairs(pairs, 0.2)
        assert sorted([*train, *validation]) == sorted(pairs)
        assert not {pair.source for pair in train} & {pair.source for pair in validation}
        assert 30 < len(validation) < 90
        fewer = split_pairs(pairs[:100] + pairs[150:], 0.2)
        assert set(fewer[1]) <= set(validation)

    @pytest.mark.parametrize("share", [0, 1, 0.5])
    def test_what_cannot_be_split(self, share):
        with pytest.raises(BadInput, match="share"):
            split_pairs([Pair("one", "eins")], share)


def some_pairs(n=60):
    return [(RANDOM.integers(50, size=RANDOM.integers(1, 12)).tolist(), [i % 50] * (i % 9)) for i in range(n)]


def rows_of(batch):
    """The pairs in a batch, read back from it."""
    for source, mask, inputs, targets in zip(*batch):
        real = targets[targets != IGNORE]
        assert inputs[0] == BEGIN and real[-1] == END
        np.testing.assert_array_equal(inputs[1 : len(real)], real[:-1])
        assert (targets[len(real) :] == IGNORE).all() and not mask[mask.sum() :].any()
        yield tuple(source[mask]), tuple(real[:-1])


class TestBatches:
    def test_teacher_forcing(self):
        batch = make_batch([([7, 8, 9], [1, 2]), ([5], [])], BEGIN, END)
        assert batch.source.tolist() == [[7, 8, 9], [5, 0, 0]]
        assert batch.source_mask.tolist() == [[True, True, True], [True, False, False]]
        assert batch.inputs.tolist() == [[BEGIN, 1, 2], [BEGIN, 0, 0]]
        assert batch.targets.tolist() == [[1, 2, END], [END, IGNORE, IGNORE]]

    @pytest.mark.parametrize("limits", [{"max_pairs": 7}, {"max_tokens": 90}, {"max_pairs": 5, "max_tokens": 60}, {}])
    def test_each_pass_has_every_pair_once_within_the_limits(self, limits):
        pairs = some_pairs()
        expected = sorted((tuple(source), tuple(target)) for source, target in pairs)
        batches = PairBatches(pairs, BEGIN, END, 3, **limits)
        orders = []
        for start in (0, len(batches), 5 * len(batches)):
            made = [batches(start + i) for i in range(len(batches))]
            assert sorted(row for batch in made for row in rows_of(batch)) == expected
            for batch in made:
                assert len(batch.source) <= limits.get("max_pairs", 60)
                assert batch.source.size + batch.inputs.size <= limits.get("max_tokens", 10**9)
            orders.append([list(rows_of(batch)) for batch in made])
        assert orders[0] != orders[1] != orders[2]
        assert sorted(row for batch in batches.in_order() for row in rows_of(batch)) == expected

    def test_a_batch_follows_from_seed_and_index(self):
        pairs = some_pairs()
        one, other = (PairBatches(pairs, BEGIN, END, 3, 7) for _ in range(2))
        far = [one(i) for i in (40, 2, 17)]
        for i, batch in zip((40, 2, 17), far):
            for a, b in zip(other(i), batch):
                np.testing.assert_array_equal(a, b)
        different = PairBatches(pairs, BEGIN, END, 4, 7)
        assert any(one(i).source.tolist() != different(i).source.tolist() for i in range(5))

    def test_like_lengths_stand_together(self):
        batches = PairBatches(some_pairs(400), BEGIN, END, 0, 16)
        filled = np.mean([batches(i).source_mask.mean() for i in range(len(batches))])
        shuffled = np.mean([pad([source for source, _ in some_pairs(16)])[1].mean() for _ in range(25)])
        assert filled > 0.95 > 0.8 > shuffled

    def test_what_makes_no_batch(self):
        for message, arguments in {
            "no pairs": ([], {}), "longer than a batch of 4": ([([1, 2], [3, 4])], {"max_tokens": 4}),
            "at least 1": ([([1], [1])], {"max_pairs": 0}), "all texts are empty": ([([], [])], {}),
        }.items():  # fmt: skip
            with pytest.raises(BadInput, match=message):
                PairBatches(arguments[0], BEGIN, END, **arguments[1])(0)

    def test_one_tokenizer_or_two(self):
        pairs = [Pair("ab", "ba"), Pair("b", "")]
        one, other = CharTokenizer("ab"), CharTokenizer("ba")
        assert encode_pairs(pairs, one) == [([0, 1], [1, 0]), ([1], [])]
        assert encode_pairs(pairs, one, other) == [([0, 1], [0, 1]), ([1], [])]


class TestArithmetic:
    def test_both_sides_say_the_same(self):
        """Figures as Python reads them, and words as their grammar does, give the same tree."""
        for words, figures in arithmetic_pairs(300, seed=1):
            tree = from_python(ast.parse(figures, mode="eval").body)
            assert (in_words(tree), in_figures(tree)) == (words, figures)
            assert from_words(words.split()) == tree

    def test_an_example(self):
        tree = ("*", ("+", 3, 12), 40)
        assert in_words(tree) == "the product of the sum of three and twelve and forty"
        assert in_figures(tree) == "(3 + 12) * 40"

    def test_they_follow_from_the_seed_and_differ(self):
        assert arithmetic_pairs(50, 1) == arithmetic_pairs(50, 1) != arithmetic_pairs(50, 2)
        pairs = arithmetic_pairs(5000, most_operations=1)
        assert len(set(pairs)) == len({pair.source for pair in pairs}) == len({pair.target for pair in pairs}) == 5000
        assert arithmetic_pairs(20) == arithmetic_pairs(50)[:20]

    @pytest.mark.parametrize("arguments", [(0,), (10, 0, 0), (20_000, 0, 1)])
    def test_what_cannot_be_drawn(self, arguments):
        with pytest.raises(BadInput, match="operation"):
            arithmetic_pairs(*arguments)


def from_python(node):
    if isinstance(node, ast.Constant):
        return node.value
    sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}[type(node.op)]
    return sign, from_python(node.left), from_python(node.right)


def from_words(words):
    """The tree of a row of words, read from the left and used up."""
    if words[0] == "the":
        sign = {"sum": "+", "difference": "-", "product": "*"}[words[1]]
        del words[:3]
        left = from_words(words)
        assert words.pop(0) == "and"
        return sign, left, from_words(words)
    number = {in_words(n): n for n in range(100)}
    two = " ".join(words[:2])
    length = 2 if two in number and len(words) > 1 else 1
    value = number[" ".join(words[:length])]
    del words[:length]
    return value


def test_docstrings(monkeypatch):
    every_sixth = list(islice(made_pairs.documented_modules(), 0, None, 6))  # reading all takes seven times as long
    monkeypatch.setattr(made_pairs, "documented_modules", lambda: every_sixth)
    monkeypatch.setattr(made_pairs, "MIN_DOCSTRINGS", 80)
    pairs = docstring_pairs()
    assert len(pairs) > 80 and len(set(pairs)) == len({pair.target for pair in pairs}) == len(pairs)
    assert all("\n" not in text for pair in pairs for text in pair)
    assert np.mean([len(pair.source) > len(pair.target) for pair in pairs]) > 0.9
