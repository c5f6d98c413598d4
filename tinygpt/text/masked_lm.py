"""Masked language modeling: some tokens are hidden, and a model that sees the text on both sides predicts them.

Shapes: B rows in a batch, T tokens in a row, V vocabulary. The rows are windows of one long row of ids, or documents
padded to one length. What is hidden is a pure function of (seed, index), like the batches themselves.

Source: Devlin et al. 2019, "BERT", section 3.1, task 1, and appendix A.1; task 2, pairs of sentences, is in
`next_sentence.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygpt.errors import BadInput
from tinygpt.text.batches import IGNORE, checked_row, drawing, pad, random_windows
from tinygpt.text.tokenizer import MASK, BaseTokenizer, WordPiece
from tinygpt.text.tokenizer.wordpiece import CONTINUES

CHOSEN = 0.15
"""The share of tokens that the model must predict."""

MASKED, REPLACED = 0.8, 0.1
"""Of the chosen tokens, the shares that become the mask and a random token. The rest stay unchanged: in use no token is
hidden, so the model must also learn to represent the tokens that it sees."""

MASKING, PAIRING = 1, 2  # purposes of random numbers; 0 draws the windows


class MaskedBatch(NamedTuple):
    """inputs (B, T) int64, some tokens hidden; targets (B, T), the original ids of chosen tokens, IGNORE elsewhere.

    segments (B, T) int64: which of two texts a token belongs to (None: all to the first). mask (B, T) boolean: True at
    real tokens, False at padding (None: all are real). next_sentence_labels (B,), for pairs only: 0 if the second text
    follows the first, 1 if it comes from another document.
    """

    inputs: np.ndarray
    targets: np.ndarray
    segments: np.ndarray | None = None
    mask: np.ndarray | None = None
    next_sentence_labels: np.ndarray | None = None


class WordEdges(NamedTuple):
    """Which tokens join into words, (V,) boolean each.

    A token with `joins_left` continues the word of the token before it, if that one has `joins_right`.
    """

    joins_left: np.ndarray
    joins_right: np.ndarray

    def starts(self, ids: np.ndarray) -> np.ndarray:
        """(…, T) boolean: True where a word begins."""
        joined = self.joins_left[ids[..., 1:]] & self.joins_right[ids[..., :-1]]
        return np.concatenate([np.ones_like(ids[..., :1], dtype=bool), ~joined], axis=-1)


@dataclass(frozen=True, eq=False)
class Masking:
    """How the tokens of a vocabulary are hidden.

    mask_id: the id that hides a token. pad_id: the id that pads a row. ordinary (n,): the ids that may be chosen, and
    from which random replacements are drawn. words: if given, whole words are chosen instead of single tokens. share:
    the share of tokens chosen.
    """

    mask_id: int
    pad_id: int
    vocab_size: int
    ordinary: np.ndarray
    words: WordEdges | None = None
    share: float = CHOSEN

    @classmethod
    def of(cls, tokenizer: BaseTokenizer, whole_words: bool = False, share: float = CHOSEN) -> Masking:
        """The masking for a tokenizer's ids: special tokens are never chosen.

        Raises BadInput for a vocabulary without a mask token, and for a share outside 0 … 1.
        """
        if not 0 < share <= 1:
            raise BadInput(f"the share of tokens to hide must be above 0 and at most 1, not {share}")
        mask = mask_id(tokenizer)
        pad_id = tokenizer.special_tokens.get(tokenizer.pad_token, mask)  # without a pad token any id will do
        words = word_edges(tokenizer) if whole_words else None
        return cls(mask, pad_id, tokenizer.vocab_size, tokenizer.ordinary_ids, words, share)


def mask_id(tokenizer: BaseTokenizer) -> int:
    """The id of the mask token. Raises BadInput if the vocabulary has none."""
    if tokenizer.mask_token is None:
        raise BadInput(f"this vocabulary has no mask token: train one that has the special token {MASK!r}")
    return tokenizer.special_tokens[tokenizer.mask_token]


def word_edges(tokenizer: BaseTokenizer) -> WordEdges:
    """Which tokens of a vocabulary begin or continue a word.

    WordPiece marks this itself: a token with ## continues a word. Tokens of bytes or characters join where letters or
    digits meet: " The" begins a word because of its space, and "re" after it continues that word. Tokens that hold only
    some bytes of a character join, too. A space that is a token of its own belongs to the word after it.
    """
    joins = np.zeros((2, tokenizer.vocab_size), dtype=bool)
    for i in tokenizer.ordinary_ids.tolist():
        if isinstance(tokenizer, WordPiece):
            joins[:, i] = tokenizer.tokens[i].startswith(CONTINUES), True
        else:
            text = tokenizer.token_bytes(i).decode("utf-8", "replace")  # half a character is U+FFFD
            joins[:, i] = _in_word(text[0]), _in_word(text[-1]) or text[-1] == " "
    return WordEdges(*joins)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "\ufffd"


def mask_tokens(
    ids: np.ndarray, masking: Masking, seed: int, index: int, real: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Hides a share of the tokens of ids (B, T), each chosen independently: (inputs, targets), both (B, T) int64.

    Of the chosen tokens 80% become the mask, 10% a random ordinary token, and 10% stay as they are. Special tokens are
    never chosen, nor is padding, where `real` (B, T) is False. If whole words are chosen, each word is chosen with that
    probability, with all of its tokens, and what becomes of each token is drawn separately. If the draw chooses no
    token, the token (or word) with the lowest draw is chosen, because a step needs a target.

    Formula: chosen_t ~ Bernoulli(0.15); input_t = [MASK] with 0.8, any token with 0.1, else x_t; target_t = x_t
    Paper: Devlin et al. 2019, "BERT", section 3.1, task 1
    Example: examples/08_masked.py
    Test: tests/test_masked_lm.py
    """
    ids = _checked_ids(ids, masking)
    draw = drawing(seed, index, MASKING)
    lots, fates = draw.random((2, *ids.shape))
    others = masking.ordinary[draw.integers(len(masking.ordinary), size=ids.shape)]
    if masking.words is not None:  # all tokens of a word share the draw of its first
        first = np.where(masking.words.starts(ids), np.arange(ids.shape[1]), 0)
        lots = np.take_along_axis(lots, np.maximum.accumulate(first, axis=1), axis=1)
    may = np.isin(ids, masking.ordinary) if real is None else np.isin(ids, masking.ordinary) & real
    chosen = may & (lots <= max(masking.share, lots[may].min(initial=1)))
    hidden, replaced = chosen & (fates < MASKED), chosen & (fates >= MASKED) & (fates < MASKED + REPLACED)
    inputs = np.where(hidden, masking.mask_id, np.where(replaced, others, ids))
    return inputs, np.where(chosen, ids, IGNORE)


def random_masked_windows(
    tokens: np.ndarray, masking: Masking, batch_size: int, block_size: int, seed: int, index: int
) -> MaskedBatch:
    """B windows of one long row of ids; their starts and the hidden tokens are drawn for (seed, index).

    Raises BadInput if the row has T tokens or fewer.
    """
    windows = random_windows(tokens, batch_size, block_size, seed, index).inputs
    return MaskedBatch(*mask_tokens(windows, masking, seed, index))


def consecutive_masked_windows(
    tokens: np.ndarray, masking: Masking, batch_size: int, block_size: int, seed: int = 0
) -> Iterator[MaskedBatch]:
    """The whole row once, in windows that lie end to end, for evaluation: the hidden tokens are the same every time."""
    tokens = checked_row(tokens)
    size = batch_size * block_size
    for index, start in enumerate(range(0, len(tokens), size)):
        part = tokens[start : start + size]
        rows = [part[i : i + block_size] for i in range(0, len(part), block_size)]
        yield masked_documents(rows, masking, seed, index)


def masked_documents(documents: Sequence[Sequence[int]], masking: Masking, seed: int, index: int) -> MaskedBatch:
    """One row per document (the ids of a text with any special tokens around it), padded to the longest."""
    ids, real = pad(documents, masking.pad_id)
    return MaskedBatch(*mask_tokens(ids, masking, seed, index, real), mask=None if real.all() else real)


def _checked_ids(ids: np.ndarray, masking: Masking) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise BadInput(f"ids to hide tokens of must be integers (B, T), not {ids.dtype} of shape {ids.shape}")
    if ids.size and not (ids.min() >= 0 and ids.max() < masking.vocab_size):
        raise BadInput(f"an id lies outside 0 … {masking.vocab_size - 1}: was the text encoded by another tokenizer?")
    return ids.astype(np.int64)
