"""What is hidden, how often, and that asking again hides the same."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import BadInput
from tinygpt.text.batches import IGNORE, pad
from tinygpt.text.masked_lm import (
    Masking,
    consecutive_masked_windows,
    mask_id,
    mask_tokens,
    masked_documents,
    random_masked_windows,
    word_edges,
)
from tinygpt.text.next_sentence import next_sentence_batch, sentences, shortened
from tinygpt.text.tokenizer import (
    CLASSIFY,
    END_OF_TEXT,
    MASK,
    PAD,
    SEPARATE,
    CharTokenizer,
    Tokenizer,
    WordPiece,
    load_tokenizer,
)

pytestmark = pytest.mark.core

V, SPECIAL = 50, (47, 48, 49)  # the mask, the padding, and another
PLAIN = Masking(47, 48, V, np.arange(47))
BERT = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "##ly", ",", "so", "a", "b"])
BYTES = Tokenizer.train(["the naïve reader, therefore, reads"] * 3, 275, special_tokens=(END_OF_TEXT, PAD, MASK))


def some_ids(shape, vocab=V, seed=0):
    return np.random.default_rng(seed).integers(vocab, size=shape)


def within_deviations(count, n, p, most=4):
    """Whether a count of n draws lies within `most` standard deviations of what a probability p lets expect."""
    return abs(count - n * p) <= most * math.sqrt(n * p * (1 - p))


class TestMasking:
    ids = some_ids((400, 500))
    inputs, targets = mask_tokens(ids, PLAIN, seed=3, index=4)
    chosen = targets != IGNORE
    ordinary = ~np.isin(ids, SPECIAL)

    def test_fifteen_in_a_hundred_are_chosen(self):
        assert within_deviations(self.chosen.sum(), self.ordinary.sum(), 0.15)

    def test_of_these_eighty_are_hidden_ten_replaced_and_ten_stay(self):
        n = self.chosen.sum()
        hidden, same = self.chosen & (self.inputs == PLAIN.mask_id), self.chosen & (self.inputs == self.ids)
        other = self.chosen & ~hidden & ~same
        assert within_deviations(hidden.sum(), n, 0.8)
        assert within_deviations(same.sum(), n, 0.1 + 0.1 / 47)  # the random token may be the very one
        assert within_deviations(other.sum(), n, 0.1 * 46 / 47)
        replaced = np.bincount(self.inputs[other], minlength=V)
        assert not replaced[list(SPECIAL)].any()
        assert all(within_deviations(each, other.sum(), 1 / 47) for each in replaced[:47])

    def test_targets_are_the_tokens_and_nothing_else_changes(self):
        np.testing.assert_array_equal(self.targets[self.chosen], self.ids[self.chosen])
        np.testing.assert_array_equal(self.inputs[~self.chosen], self.ids[~self.chosen])
        assert self.inputs.dtype == self.targets.dtype == np.int64

    def test_special_tokens_are_never_chosen(self):
        assert not self.chosen[~self.ordinary].any()

    def test_every_place_is_as_likely(self):
        per_column, n = self.chosen.sum(axis=0), self.ordinary.sum(axis=0)
        assert all(within_deviations(*pair, 0.15, most=5) for pair in zip(per_column, n))

    def test_padding_is_never_chosen(self):
        real = np.arange(500) < np.arange(400)[:, None]
        targets = mask_tokens(self.ids, PLAIN, 3, 4, real)[1]
        assert (targets[~real] == IGNORE).all()
        np.testing.assert_array_equal(targets[real], self.targets[real])

    def test_it_depends_on_seed_and_index_alone(self):
        ids = self.ids[:4, :50]
        drawn = {mask_tokens(ids, PLAIN, seed, index)[0].tobytes() for seed in range(-2, 5) for index in range(6)}
        assert len(drawn) == 42
        assert mask_tokens(ids, PLAIN, 2, 5)[0].tobytes() in drawn

    @pytest.mark.parametrize("masking", [PLAIN, Masking.of(BYTES, whole_words=True)])
    def test_the_smallest_batch_has_a_target(self, masking):
        """Without one a step has nothing to learn from; of one token alone 15 in 100 batches would have."""
        for index in range(40):
            for shape in ((1, 1), (1, 3), (2, 2)):
                targets = mask_tokens(some_ids(shape, 40, index), masking, 5, index)[1]
                assert (targets != IGNORE).any()
        assert (mask_tokens(np.full((1, 3), 48), PLAIN, 5, 0)[1] == IGNORE).all()

    def test_another_share(self):
        masking = Masking(47, 48, V, np.arange(47), share=1.0)
        assert ((mask_tokens(self.ids, masking, 0, 0)[1] != IGNORE) == self.ordinary).all()


class TestWords:
    def test_wordpiece_says_where_words_begin(self):
        assert BERT.encode("unaffablely, so") == [5, 6, 7, 8, 9, 10]
        row = np.array([2, 5, 6, 7, 8, 9, 10, 5, 3])
        starts = word_edges(BERT).starts(row)
        assert starts.tolist() == [True, True, False, False, False, True, True, True, True]
        np.testing.assert_array_equal(word_edges(BERT).starts(np.stack([row, row])), [starts, starts])

    def test_bytes_begin_words_at_spaces_and_signs(self):
        edges = word_edges(BYTES)
        for text, words in (
            ("the naïve reader", ["the", " naïve", " reader"]),
            ("(rereads, the\nreader", ["(", "rereads", ",", " the", "\n", "reader"]),
            ("thé 日本 x", ["thé", " 日本", " x"]),
        ):
            ids = np.array(BYTES.encode(text))
            starts = np.flatnonzero(edges.starts(ids))
            parts = np.split(ids, starts[1:])
            assert [BYTES.decode(part.tolist()) for part in parts] == words

    def test_characters(self):
        tokenizer = CharTokenizer.train(["a cat, so"], special_tokens=(MASK,))
        ids = np.array(tokenizer.encode("a cat, so"))
        assert np.flatnonzero(word_edges(tokenizer).starts(ids)).tolist() == [0, 1, 5, 6]

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10**6))
    def test_whole_words_are_whole(self, seed):
        masking = Masking.of(BYTES, whole_words=True, share=0.4)
        ids = some_ids((5, 40), BYTES.vocab_size, seed)
        chosen = mask_tokens(ids, masking, seed, 1)[1] != IGNORE
        starts = masking.words.starts(ids)
        for row in range(5):
            word = np.cumsum(starts[row])
            for each in range(1, word[-1] + 1):
                assert len(set(chosen[row, word == each].tolist())) == 1

    def test_of_words_as_many_are_chosen_as_of_tokens(self):
        masking = Masking.of(BYTES, whole_words=True)
        ids = np.tile(np.array(BYTES.encode("the naïve reader reads, therefore")), (600, 3))
        chosen, starts = mask_tokens(ids, masking, 0, 0)[1] != IGNORE, masking.words.starts(ids)
        assert within_deviations(chosen[starts].sum(), starts.sum(), 0.15)


class TestBatches:
    row = some_ids(1000, 47, seed=1).astype(np.uint16)

    def test_windows_of_a_row(self):
        batch = random_masked_windows(self.row, PLAIN, 6, 20, seed=1, index=2)
        whole = np.where(batch.targets == IGNORE, batch.inputs, batch.targets)
        windows = {tuple(self.row[i : i + 20].tolist()) for i in range(981)}
        assert whole.shape == (6, 20) and {tuple(each) for each in whole.tolist()} <= windows
        again = random_masked_windows(self.row, PLAIN, 6, 20, seed=1, index=2)
        np.testing.assert_array_equal(batch.inputs, again.inputs)

    @pytest.mark.parametrize(("n", "block_size"), [(1000, 20), (1000, 17), (5, 20), (41, 10)])
    def test_meeting_windows_are_the_whole_row_once(self, n, block_size):
        whole = []
        for batch in consecutive_masked_windows(self.row[:n], PLAIN, 3, block_size):
            assert batch.inputs.shape[1] <= block_size
            ids = np.where(batch.targets == IGNORE, batch.inputs, batch.targets)
            whole.append(ids if batch.mask is None else ids[batch.mask])
        np.testing.assert_array_equal(np.concatenate([each.reshape(-1) for each in whole]), self.row[:n])

    def test_documents_are_padded_to_the_longest(self):
        documents = [[1, 2, 3], [4], [], [5, 6]]
        batch = masked_documents(documents, Masking(47, 48, V, np.arange(47), share=1.0), 0, 0)
        assert batch.mask.tolist() == [[True] * 3, [True] + [False] * 2, [False] * 3, [True] * 2 + [False]]
        assert (batch.inputs[~batch.mask] == 48).all()
        assert batch.targets.tolist() == [[1, 2, 3], [4, IGNORE, IGNORE], [IGNORE] * 3, [5, 6, IGNORE]]
        assert masked_documents([[1, 2], [3, 4]], PLAIN, 0, 0).mask is None
        assert pad([])[0].shape == (0, 0)


class TestTokenizers:
    def test_which_token_hides(self):
        assert mask_id(BERT) == 4 and mask_id(BYTES) == BYTES.special_tokens["<|mask|>"]
        assert mask_id(Tokenizer(special_tokens=("<mask>",))) == 256

    def test_what_may_be_chosen(self):
        masking = Masking.of(BERT)
        assert masking.ordinary.tolist() == list(range(5, 13)) and (masking.pad_id, masking.vocab_size) == (0, 13)
        assert Masking.of(BYTES).pad_id == BYTES.special_tokens[PAD]
        assert Masking.of(Tokenizer(special_tokens=(MASK,))).pad_id == 256  # no token of its own: any will do

    def test_ids_that_are_left_out(self):
        tokenizer = Tokenizer(special_tokens={MASK: 300})
        assert Masking.of(tokenizer).ordinary.tolist() == list(range(256))


class TestPairs:
    """Sentence i of document d is the row (d, i) of digits in base 20, so that a pair tells where it comes from."""

    masking = Masking(4, 0, 13, np.arange(5, 13), share=0.2)
    documents = [[[5 + d] * 2 + [5 + i] for i in range(n)] for d, n in enumerate((4, 1, 3, 5))]

    def batch(self, index=0, size=400, block_size=9):
        return next_sentence_batch(self.documents, BERT, self.masking, size, block_size, 1, index)

    def whole(self, batch):
        return np.where(batch.targets == IGNORE, batch.inputs, batch.targets)

    def test_half_follow_and_half_come_from_elsewhere(self):
        batch = self.batch()
        assert within_deviations(batch.next_sentence_labels.sum(), 400, 0.5)
        seen = set()
        for row, elsewhere in zip(self.whole(batch), batch.next_sentence_labels):
            cls, d, _, i, sep, e, _, j, end = row.tolist()
            assert (cls, sep, end) == (2, 3, 3)
            assert (d != e) if elsewhere else (d == e and j == i + 1)
            seen.add((d, i))
        assert seen == {(5 + d, 5 + i) for d, n in enumerate((4, 1, 3, 5)) for i in range(n - 1)}

    def test_segments_and_specials(self):
        batch = self.batch()
        assert (batch.segments == [0] * 5 + [1] * 4).all() and batch.mask.all()
        assert (batch.targets[:, [0, 4, 8]] == IGNORE).all() and (batch.targets != IGNORE).any()

    def test_a_batch_depends_on_its_index_alone(self):
        assert self.batch(3).inputs.tobytes() == self.batch(3).inputs.tobytes() != self.batch(4).inputs.tobytes()

    def test_long_pairs_are_cut(self):
        batch = self.batch(block_size=7)
        assert batch.inputs.shape == (400, 7)
        assert (self.whole(batch)[:, [0, 3, 6]] == [2, 3, 3]).all()
        nine = list(range(9))
        for first, second, room in ((nine, [7, 8, 9], 7), ([1, 2, 3], nine, 7), ([1], [2], 7), (nine, nine, 2)):
            a, b = shortened(first, second, room)
            assert len(a) + len(b) == min(room, len(first) + len(second))
            assert a == first[len(first) - len(a) :] and b == second[: len(b)] and a and b

    def test_passages_fill_the_row(self):
        """Sentences that follow each other, from both sides of one border; a document's last is never in the first."""
        documents = [[[5 + i] for i in range(n)] for n in (8, 3)]
        batch = next_sentence_batch(documents, BERT, self.masking, 300, 9, 0, 0)
        lengths = set()
        columns = self.whole(batch), batch.segments, batch.mask, batch.next_sentence_labels
        for row, segments, real, elsewhere in zip(*columns):
            first, second = (row[real & (segments == side)].tolist() for side in (0, 1))
            first, second = first[1:-1], second[:-1]
            lengths.add((len(first), len(second)))
            for each in (first, second):
                assert each == list(range(each[0], each[0] + len(each)))
            assert elsewhere or second[0] == first[-1] + 1
        assert (3, 3) in lengths and all(a <= 3 and a + b <= 6 for a, b in lengths)

    def test_shorter_pairs_are_padded(self):
        documents = [[[5], [6, 7, 8]], [[9], [10], [11]]]
        batch = next_sentence_batch(documents, BERT, self.masking, 50, 20, 0, 0)
        lengths = batch.mask.sum(axis=1)
        assert lengths.min() == 5 and batch.inputs.shape == (50, 9) and lengths.max() == 9
        assert (batch.inputs[~batch.mask] == 0).all() and (batch.targets[~batch.mask] == IGNORE).all()

    def test_a_vocabulary_of_bytes_marks_pairs_as_berts_does(self, tmp_path):
        plain = Tokenizer([(b"a", b"b")], (MASK, CLASSIFY, SEPARATE), merge_counts=[3])
        marked = plain.in_pairs()
        begin, separator = (marked.special_tokens[name] for name in (CLASSIFY, SEPARATE))
        assert marked.encode("abc") == plain.encode("abc") and marked.merge_counts == [3]
        assert marked.surround([7], [8, 9]) == [begin, 7, separator, 8, 9, separator]
        assert marked.token_types([7], [8, 9]) == [0, 0, 0, 1, 1, 1]
        assert marked.surround([7]) == [begin, 7, separator] and plain.surround([7], [8]) == [7, 8]
        marked.save(tmp_path / "tokenizer.json")
        assert load_tokenizer(tmp_path / "tokenizer.json").surround([], []) == [begin, separator, separator]
        with pytest.raises(BadInput, match=r"special tokens '<\|cls\|>' and '<\|sep\|>'"):
            Tokenizer().in_pairs()

    def test_lines_are_sentences(self):
        assert sentences(["so\n\n a, b\n", "", "un"], BERT) == [[[10], [11, 9, 12]], [[5]]]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: Masking.of(Tokenizer()), "no mask token.*<|mask|>"),
        (lambda: Masking.of(BERT, share=0), "share of tokens"),
        (lambda: Masking.of(BERT, share=1.5), "at most 1, not 1.5"),
        (lambda: mask_tokens(np.arange(5), PLAIN, 0, 0), r"integers \(B, T\)"),
        (lambda: mask_tokens(np.ones((2, 2)), PLAIN, 0, 0), "not float64"),
        (lambda: mask_tokens(np.full((1, 2), V), PLAIN, 0, 0), "outside 0 … 49"),
        (lambda: mask_tokens(np.full((1, 2), -1), PLAIN, 0, 0), "outside 0 … 49"),
        (lambda: random_masked_windows(np.arange(8), PLAIN, 1, 8, 0, 0), "8 tokens"),
        (lambda: next_sentence_batch([[[5], [6]]], BERT, PLAIN, 1, 9, 0, 0), "two documents or more"),
        (lambda: next_sentence_batch([[[5]], [[6]]], BERT, PLAIN, 1, 9, 0, 0), "a sentence that follows another"),
        (lambda: next_sentence_batch([[[5], [6]], [[7]]], BERT, PLAIN, 1, 4, 0, 0), "no room for two sentences"),
    ],
)
def test_bad_input_says_what_to_do(ask, message):
    with pytest.raises(BadInput, match=message):
        ask()
