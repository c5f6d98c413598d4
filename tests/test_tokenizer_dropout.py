"""BPE-dropout: the paper's algorithm, its two ends, and a training split that is cut anew while the rest is not."""

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.commands.options import TrainOptions
from tinygpt.commands.prepare import prepare
from tinygpt.errors import BadInput
from tinygpt.text.corpus import Corpus
from tinygpt.text.corpus.documents import Document, split
from tinygpt.text.tokenizer import Tokenizer, plain
from tinygpt.text.tokenizer.conventions import Conventions

pytestmark = pytest.mark.core

TEXT = "low low lower lowest newest newer widest, the ten hens then: déjà vu 今日は 🙂🙂 100\r\n\x00'tis " * 3
BPE = Tokenizer.train([TEXT], 330, min_frequency=1)
REVERSED = list(reversed(BPE.merges))
VARIETIES = [
    BPE,
    Tokenizer(BPE.merges, byte_order=bytes(reversed(range(256)))),
    Tokenizer(REVERSED, conventions=Conventions(any_order=True, prefix_space=True)),
    Tokenizer(BPE.merges, conventions=Conventions(whole_first=True, unmerged={b" hens then": 400})),
]
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=30), st.text("lowernst h🙂'\n", max_size=60)
)


def algorithm_1(word: bytes, merges: list[plain.BytePair], p: float, draw) -> list[bytes]:
    """Word for word: all possible merges, each removed with probability p, the one of highest priority applied."""
    split = [bytes([byte]) for byte in word]
    while True:
        possible = [(merges.index(pair), place) for place in range(len(split) - 1)
                    if (pair := (split[place], split[place + 1])) in merges]  # fmt: skip
        remaining = [candidate for candidate in possible if draw() >= p]
        if not remaining:
            return split
        _, place = min(remaining)
        split[place : place + 2] = [split[place] + split[place + 1]]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_words_are_cut_as_often_as_algorithm_1_cuts_them(p):
    """Two samples of 4,000: Pearson's statistic, which has the mean `cells` and the deviation √(2 cells)."""
    n, word, draw = 4000, " lower", Random(1).random
    merges = [(b"l", b"o"), (b"o", b"w"), (b"lo", b"w"), (b"e", b"r"), (b"w", b"e"), (b"low", b"er"), (b" ", b"low")]
    tokenizer = Tokenizer(merges)
    theirs = Counter(b"|".join(algorithm_1(word.encode(), merges, p, draw)) for _ in range(n))
    ours = Counter(b"|".join(map(tokenizer.token_bytes, tokenizer.encode_dropout(word, p, seed))) for seed in range(n))
    cells = [(ours[cut], theirs[cut]) for cut in ours | theirs if ours[cut] + theirs[cut] >= 10]
    statistic = sum((a - b) ** 2 / (a + b) for a, b in cells)
    assert len(cells) > 3 and statistic < len(cells) + 5 * math.sqrt(2 * len(cells))


@pytest.mark.parametrize("tokenizer", VARIETIES, ids=["plain", "byte order", "any order", "whole first"])
class TestLaws:
    @settings(max_examples=60, deadline=None)
    @given(text=ANY_TEXT, p=st.floats(0, 1), seed=st.integers(-5, 1 << 70))
    def test_the_tokens_spell_the_text(self, tokenizer, text, p, seed):
        ids = tokenizer.encode_dropout(text, p, seed, "all")
        assert tokenizer.decode(ids) == tokenizer.decode(tokenizer.encode(text, "all"))
        assert ids == tokenizer.encode_dropout(text, p, seed, "all")

    @settings(max_examples=40, deadline=None)
    @given(text=ANY_TEXT)
    def test_none_left_out_is_encode_and_all_left_out_are_bytes(self, tokenizer, text):
        assert tokenizer.encode_dropout(text, 0) == tokenizer.encode_dropout(text, 0.0, 7) == tokenizer.encode(text)
        assert tokenizer.encode_dropout(text, 1e-300) == tokenizer.encode(text), "so goes the road that p > 0 takes"
        assert all(len(tokenizer.token_bytes(each)) == 1 for each in tokenizer.encode_dropout(text, 1))

    def test_the_more_is_left_out_the_more_tokens(self, tokenizer):
        numbers = [
            np.mean([len(tokenizer.encode_dropout(TEXT, p, seed)) for seed in range(10)])
            for p in (0, 0.1, 0.3, 0.6, 0.9, 1)
        ]
        assert all(np.diff(numbers) > 1)


def test_special_tokens_stay_whole():
    ids = BPE.encode_dropout("low<|endoftext|>low", 1, allowed_special="all")
    assert ids == [*b"low", BPE.end_of_text, *b"low"]
    assert max(BPE.encode_dropout("low<|endoftext|>low", 0.5)) < BPE.end_of_text


def test_seeds_and_texts_have_numbers_of_their_own():
    assert len({tuple(BPE.encode_dropout(TEXT, 0.5, seed)) for seed in range(8)}) == 8
    halves = {tuple(BPE.encode_dropout(" lowest newest widest" + tail, 0.5)[:6]) for tail in "abcdefgh"}
    assert len(halves) > 4


@pytest.mark.parametrize("p", [0.1, 0.9])
def test_an_endless_word_takes_no_endless_time(p):
    word = "lowest" * 5000
    assert BPE.decode(BPE.encode_dropout(word, p)) == word


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, math.inf, "0.1", None, True])
def test_no_probability(p):
    with pytest.raises(BadInput, match=r"p, the probability of leaving a merge out, .* 0 and at most 1, not"):
        BPE.encode_dropout("low", p)


def test_only_str_is_text():
    with pytest.raises(BadInput, match="must be a str, not bytes"):
        BPE.encode_dropout(b"low", 0.5)


class TestTraining:
    DOCUMENTS = Corpus("hens", tuple(Document(str(n), TEXT[n:] + str(n)) for n in range(8)))
    ONE = Corpus("hens", (Document("all", TEXT * 4),))

    @pytest.mark.parametrize("corpus", [DOCUMENTS, ONE], ids=["documents", "one text"])
    def test_the_training_split_alone_is_cut_anew(self, corpus):
        plainly = prepare(corpus, TrainOptions(vocab_size=300, block_size=8))
        texts = prepare(corpus, TrainOptions(vocab_size=300, block_size=8, bpe_dropout=0.2, seed=3))
        assert texts.tokenizer == plainly.tokenizer
        assert np.array_equal(texts.validation, plainly.validation)
        assert len(texts.train) > 1.05 * len(plainly.train) and texts.train.dtype == plainly.train.dtype
        assert texts.tokenizer.decode(texts.train) == texts.tokenizer.decode(plainly.train)

    def test_a_document_is_cut_alike_in_any_company(self):
        options = TrainOptions(vocab_size=300, block_size=8, bpe_dropout=0.2, seed=3)
        texts = prepare(self.DOCUMENTS, options)
        first = split(self.DOCUMENTS)[0].texts[0]
        ids = texts.tokenizer.encode_dropout(first, 0.2, seed=3)
        assert texts.train[: len(ids) + 1].tolist() == [*ids, texts.tokenizer.end_of_text]

    @pytest.mark.parametrize("p", [-0.1, 1.5, math.nan])
    def test_no_probability(self, p):
        with pytest.raises(BadInput, match="--bpe-dropout must be at least 0 and at most 1"):
            TrainOptions(bpe_dropout=p)

    def test_characters_have_no_merges(self):
        with pytest.raises(BadInput, match="--bpe-dropout needs --tokenizer bpe"):
            TrainOptions(tokenizer="char", bpe_dropout=0.1)
