"""Denoising objectives for an encoder–decoder: a part of each text is removed, and the model restores it.

Shapes: B windows in a batch, n tokens in a window. Both functions draw windows from a row of ids and return sources and
targets; the same (seed, index) gives the same batch.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.batches import drawing, random_windows
from tinygpt.text.pair_batches import EncodedPair, PairBatch, make_batch

_SPANS = 1  # the purpose of these random numbers; the windows, from the same seed and index, have purpose 0


CORRUPTED, FILLED_IN = 0.15, 0.3
"""The shares of tokens that are removed, by T5's objective and by BART's."""

MEAN_SPAN = 3.0
"""The mean number of tokens in a span, for both."""


def sentinels(n: int) -> list[str]:
    """The names of n special tokens that stand for missing spans, T5's: <extra_id_0>, <extra_id_1> …"""
    return [f"<extra_id_{i}>" for i in range(n)]


def n_spans(window: int, share: float = CORRUPTED, mean_length: float = MEAN_SPAN) -> int:
    """How many spans `span_corruption` removes from a window, and so how many sentinels it needs."""
    return max(1, round(_n_removed(window, share) / mean_length))


def span_corruption(
    tokens: np.ndarray,
    batch_size: int,
    window: int,
    sentinel_ids: Sequence[int],
    begin: int,
    end: int,
    seed: int,
    index: int,
    share: float = CORRUPTED,
    mean_length: float = MEAN_SPAN,
) -> PairBatch:
    """Windows in which each missing span is replaced by its own sentinel; the target says what stood there.

        Thank you <X> me to your party <Y>    →    <X> for inviting <Y> last week.

    round(share · n) tokens are removed, in round(that / mean_length) spans (at least one of each). All ways of cutting
    them into spans are equally likely, and so are all ways of cutting what stays. A window begins with tokens that stay
    and ends in a span. Raises BadInput for more spans than sentinels, for a share that leaves too few tokens to
    separate the spans, and for a row that is too short for a window.

    Formula: source = t_1 <X> t_2 <Y> …, target = <X> s_1 <Y> s_2 … for the text t_1 s_1 t_2 s_2 …
    Paper: Raffel et al. 2020, "Exploring the limits of transfer learning with T5", section 3.1.4, and its released code
    Example: examples/10_summarization.py
    Test: tests/test_denoising.py
    """
    _check(share, mean_length)
    taken, spans = _n_removed(window, share), n_spans(window, share, mean_length)
    if taken + spans > window:
        raise BadInput(f"windows of {window} tokens cannot lose {taken} in {spans} spans: make them longer")
    if spans > len(sentinel_ids):
        raise BadInput(f"windows of {window} tokens lose {spans} spans, and there are {len(sentinel_ids)} sentinels")

    def corrupted(text: np.ndarray, random: np.random.Generator) -> EncodedPair:
        lengths = np.stack([_parts(window - taken, spans, random), _parts(taken, spans, random)], axis=1)
        pieces = np.split(text, np.cumsum(lengths.ravel())[:-1])
        marks = [[sentinel] for sentinel in sentinel_ids[:spans]]
        source = [part for kept, mark in zip(pieces[::2], marks) for part in (kept, mark)]
        target = [part for mark, lost in zip(marks, pieces[1::2]) for part in (mark, lost)]
        return np.concatenate(source).tolist(), np.concatenate(target).tolist()

    return _batch(corrupted, tokens, batch_size, window, begin, end, seed, index)


def infilling(
    tokens: np.ndarray,
    batch_size: int,
    window: int,
    mask: int,
    begin: int,
    end: int,
    seed: int,
    index: int,
    share: float = FILLED_IN,
    mean_length: float = MEAN_SPAN,
) -> PairBatch:
    """Windows in which each missing span is replaced by the same mask token; the target is the whole window.

    So the model must find out how many tokens a mask stands for, possibly none. Span lengths are drawn until
    round(share · n) tokens (at least one) are removed; the last length is cut to fit. All orders of the spans and the
    tokens that stay are equally likely. Raises BadInput for a share that removes everything or nothing, and for a row
    that is too short for a window.

    Formula: source = t_1 <mask> t_2 <mask> …, target = t_1 s_1 t_2 s_2 …, |s_i| ~ Poisson(mean_length)
    Paper: Lewis et al. 2020, "BART: denoising sequence-to-sequence pre-training", section 2.2
    Example: examples/10_summarization.py
    Test: tests/test_denoising.py
    """
    _check(share, mean_length)
    taken = _n_removed(window, share)
    if taken >= window:
        raise BadInput(f"windows of {window} tokens cannot lose {taken}: make them longer")

    def corrupted(text: np.ndarray, random: np.random.Generator) -> EncodedPair:
        lengths: list[int] = []
        while sum(lengths) < taken:
            lengths.append(min(int(random.poisson(mean_length)), taken - sum(lengths)))
        things = window - taken + len(lengths)  # tokens that stay, and spans
        places = np.sort(random.choice(things, len(lengths), replace=False))
        is_span = np.zeros(things, dtype=bool)
        is_span[places] = True
        widths = np.ones(things, dtype=int)
        widths[places] = lengths
        starts = np.cumsum(widths) - widths
        source = np.where(is_span, mask, text[np.minimum(starts, window - 1)])
        return source.tolist(), text.tolist()

    return _batch(corrupted, tokens, batch_size, window, begin, end, seed, index)


def _batch(
    corrupted: Callable[[np.ndarray, np.random.Generator], EncodedPair],
    tokens: np.ndarray,
    batch_size: int,
    window: int,
    begin: int,
    end: int,
    seed: int,
    index: int,
) -> PairBatch:
    random = drawing(seed, index, _SPANS)
    windows = random_windows(tokens, batch_size, window, seed, index).inputs
    return make_batch([corrupted(text, random) for text in windows], begin, end)


def _n_removed(window: int, share: float) -> int:
    return max(1, round(share * window))


def _parts(n: int, parts: int, random: np.random.Generator) -> np.ndarray:
    """The lengths of n items cut into so many parts, none empty; all ways of cutting are equally likely."""
    cuts = np.sort(random.choice(n - 1, parts - 1, replace=False)) + 1
    return np.diff([0, *cuts, n])


def _check(share: float, mean_length: float) -> None:
    if not 0 < share < 1:
        raise BadInput(f"the share of tokens to take must lie between 0 and 1, not {share}")
    if not mean_length > 0:
        raise BadInput(f"the mean length of a span must be above 0, not {mean_length}")
