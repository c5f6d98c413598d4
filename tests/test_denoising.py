"""Spoiled text: what is taken, how much, and that nothing is lost."""

import numpy as np
import pytest

from tinygpt.errors import BadInput
from tinygpt.text.batches import IGNORE, random_windows
from tinygpt.text.denoising import infilling, n_spans, sentinels, span_corruption
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer

pytestmark = pytest.mark.core

TOKENIZER = Tokenizer(special_tokens=[END_OF_TEXT, *sentinels(20)])
SENTINELS = [TOKENIZER.special_tokens[name] for name in sentinels(20)]
MASK, END = SENTINELS[0], TOKENIZER.end_of_text
ROW = np.random.default_rng(6).integers(256, size=500).astype(np.uint16)
WINDOWS = pytest.mark.parametrize("window", [4, 30, 97])


def t5(window, index, **changes):
    return span_corruption(ROW, 16, window, SENTINELS, END, END, 9, index, **changes)


def bart(window, index, **changes):
    return infilling(ROW, 16, window, MASK, END, END, 9, index, **changes)


def rows_of(batch):
    for source, mask, targets in zip(batch.source, batch.source_mask, batch.targets):
        real = targets[targets != IGNORE]
        assert real[-1] == END
        yield source[mask].tolist(), real[:-1].tolist()


def restored(source, target):
    """Each sentinel of the source replaced by what follows it in the target."""
    spans, text = {}, []
    for token in target:
        if token in SENTINELS:
            spans[token] = []
            last = token
        else:
            spans[last].append(token)
    for token in source:
        text += spans.pop(token) if token in SENTINELS else [token]
    assert not spans
    return text


@WINDOWS
class TestSpanCorruption:
    def test_source_and_target_give_the_text_back(self, window):
        windows = random_windows(ROW, 16, window, 9, 5).inputs.tolist()
        assert [restored(*row) for row in rows_of(t5(window, 5))] == windows

    def test_how_much_is_taken(self, window):
        taken = max(1, round(0.15 * window))
        spans = max(1, round(taken / 3))
        assert n_spans(window) == spans
        for source, target in rows_of(t5(window, 2)):
            assert [token for token in source if token in SENTINELS] == SENTINELS[:spans]
            assert len(source) == window - taken + spans and len(target) == taken + spans
            assert source[0] not in SENTINELS and source[-1] in SENTINELS


def test_a_longer_window_needs_no_fewer_sentinels():
    """So those for a whole context are enough for any window that fits into it."""
    needed = [n_spans(window) for window in range(2, 1000)]
    assert needed == sorted(needed)


@WINDOWS
class TestInfilling:
    def test_what_stays_is_in_order_and_the_target_is_all(self, window):
        windows = random_windows(ROW, 16, window, 9, 5).inputs.tolist()
        for (source, target), text in zip(rows_of(bart(window, 5)), windows):
            assert target == text
            kept = [token for token in source if token != MASK]
            assert len(kept) == window - max(1, round(0.3 * window))
            rest = iter(text)
            assert all(token in rest for token in kept)

    def test_lengths_of_spans(self, window):
        """As many tokens a mask as a Poisson distribution of mean 3 gives, but for the last one, which is cut."""
        taken = max(1, round(0.3 * window))
        masks = [source.count(MASK) for i in range(40) for source, _ in rows_of(bart(window, i))]
        random = np.random.default_rng(0)
        expected = []
        for _ in range(4000):
            total = n = 0
            while total < taken:
                total, n = total + random.poisson(3), n + 1
            expected.append(n)
        assert np.mean(masks) == pytest.approx(np.mean(expected), abs=5 * np.std(expected) / 25)


@pytest.mark.parametrize("make", [t5, bart])
def test_a_batch_follows_from_seed_and_index(make):
    for a, b in zip(make(30, 7), make(30, 7)):
        np.testing.assert_array_equal(a, b)
    assert make(30, 7).source.tolist() != make(30, 8).source.tolist()


def test_infilling_takes_every_place_as_often_but_near_the_edges():
    """Random ids repeat in a window now and then: a token counts as taken where no other of its kind stays."""
    counts = np.zeros(20)
    for i in range(60):
        windows = random_windows(ROW, 16, 20, 9, i).inputs.tolist()
        for (source, _), text in zip(rows_of(bart(20, i, share=0.2, mean_length=2)), windows):
            counts += [token not in source for token in text]
    share = counts / (60 * 16)
    assert share[3:-3] == pytest.approx([0.2] * 14, abs=0.06) and share.min() > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t5(30, 0, share=0), "share of tokens"),
        (lambda: t5(30, 0, mean_length=0), "mean length"),
        (lambda: t5(30, 0, share=0.9), "cannot lose 27 in 9 spans"),
        (lambda: t5(450, 0), "lose 23 spans, and there are 20 sentinels"),
        (lambda: t5(500, 0, mean_length=9), "too few for a context of 500"),
        (lambda: bart(30, 0, share=1), "share of tokens"),
        (lambda: bart(1, 0), "cannot lose 1"),
        (lambda: bart(500, 0), "too few for a context of 500"),
    ],
)
def test_what_cannot_be_spoiled(call, message):
    with pytest.raises(BadInput, match=message):
        call()
