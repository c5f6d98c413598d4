"""Next sentence prediction: pairs of passages, of which the second follows the first or is from another document.

A passage is a run of consecutive sentences, as many as fit into its part of a row; the task is named after the
shortest, a single sentence. A sentence is any stretch of text, a list of ids; a document is a list of sentences. The
tokenizer decides which special tokens surround a pair and which segment each token is in: [CLS] A [SEP] B [SEP] for
BERT's.

Source: Devlin et al. 2019, "BERT", section 3.1, task 2, and appendix A.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.batches import drawing, pad
from tinygpt.text.masked_lm import PAIRING, MaskedBatch, Masking, mask_tokens
from tinygpt.text.tokenizer import BaseTokenizer

ELSEWHERE = 0.5
"""The probability that the second passage is from another document."""

Documents = Sequence[Sequence[Sequence[int]]]


def sentences(texts: Iterable[str], tokenizer: BaseTokenizer) -> list[list[list[int]]]:
    """The texts as lists of sentences, one for each line that is not blank; texts without any are left out."""
    documents = [[line for line in text.splitlines() if line.strip()] for text in texts]
    ids = iter(tokenizer.encode_batch(line for lines in documents for line in lines))
    return [[next(ids) for _ in lines] for lines in documents if lines]


def next_sentence_batch(
    documents: Documents,
    tokenizer: BaseTokenizer,
    masking: Masking,
    batch_size: int,
    block_size: int,
    seed: int,
    index: int,
) -> MaskedBatch:
    """B pairs, padded to the longest, with tokens hidden in both passages; label 1 is of pairs from two documents.

    The first passage begins with a random sentence that has a successor. A pair too long for block_size, with the
    special tokens around it, is cut at its outer ends: the beginning of the first passage and the end of the second. A
    pure function of its arguments.
    Raises BadInput for fewer than two documents or an empty one, if no document has two sentences, and if block_size
    leaves no room for a token of each passage.
    """
    draw = drawing(seed, index, PAIRING)
    firsts = np.cumsum([0, *(max(len(document) - 1, 0) for document in documents)])
    room = block_size - len(tokenizer.surround([], []))
    _check(documents, int(firsts[-1]), room)
    elsewhere = (draw.random(batch_size) < ELSEWHERE).astype(np.int64)
    rows, kinds = [], []
    for away, place in zip(elsewhere, draw.integers(firsts[-1], size=batch_size)):
        at = int(np.searchsorted(firsts, place, side="right")) - 1
        document = documents[at]
        first, end = passage(document, int(place - firsts[at]), len(document) - 1, room // 2)
        following, begin = _anywhere_else(documents, at, draw) if away else (document, end)
        second, _ = passage(following, begin, len(following), room - len(first))
        pair = shortened(first, second, room)
        rows.append(tokenizer.surround(*pair))
        kinds.append(tokenizer.token_types(*pair))
    ids, real = pad(rows, masking.pad_id)
    inputs, targets = mask_tokens(ids, masking, seed, index, real)
    return MaskedBatch(inputs, targets, pad(kinds)[0], real, elsewhere)


def passage(document: Sequence[Sequence[int]], begin: int, end: int, room: int) -> tuple[list[int], int]:
    """(ids, next index): the sentences from `begin` up to `end` that fit into `room` tokens, but at least one."""
    ids = list(document[begin])
    begin += 1
    while begin < end and len(ids) + len(document[begin]) <= room:
        ids += document[begin]
        begin += 1
    return ids, begin


def shortened(first: Sequence[int], second: Sequence[int], room: int) -> tuple[list[int], list[int]]:
    """Cuts the two to `room` tokens in total, keeping those next to the border between them.

    Each gets half of the room, and what the other leaves of its half.

    >>> shortened([1, 2, 3, 4, 5], [6, 7], 5)
    ([3, 4, 5], [6, 7])
    """
    half = room // 2
    kept = max(half, room - len(second))
    first = list(first)[-kept:]
    return first, list(second)[: room - len(first)]


def _anywhere_else(documents: Documents, at: int, draw: np.random.Generator) -> tuple[Sequence[Sequence[int]], int]:
    """(document, index) of a random sentence in any document but number `at`."""
    other = int(draw.integers(len(documents) - 1))
    document = documents[other + (other >= at)]
    return document, int(draw.integers(len(document)))


def _check(documents: Documents, n_firsts: int, room: int) -> None:
    if len(documents) < 2 or not n_firsts or not all(len(document) for document in documents):
        raise BadInput(
            "pairs of sentences need two documents or more, each with a sentence, and in one of them a sentence that "
            "follows another: give more documents"
        )
    if room < 2:
        raise BadInput("block_size leaves no room for two sentences among the tokens around them: make it larger")
