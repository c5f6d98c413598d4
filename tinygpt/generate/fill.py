"""An encoder predicts the masked tokens of a text.

V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd import no_grad, softmax, to_device, to_numpy, wide

from ..errors import BadInput, require_whole
from ..text.masked_lm import mask_id
from ..text.tokenizer import BaseTokenizer, Tokenizer
from ..text.tokenizer.vocabulary import MASK_NAMES


class Candidate(NamedTuple):
    """A token for a masked place, and its probability there."""

    token: int
    text: str
    probability: float


def fill(model: Any, tokenizer: BaseTokenizer, text: str, k: int = 5) -> list[list[Candidate]]:
    """For each mask in the text, from left to right, its k likeliest tokens (or all there are), the likeliest first.

    A mask may be written [MASK], <mask> or <|mask|>, whatever the vocabulary's own name is, and stands for one token.
    In byte-pair encoding a token includes the space before its word, so a space before a mask is part of the masked
    token. Each mask is filled by itself, while the others stay masked.
    Raises BadInput for a text without a mask, a k below 1, a vocabulary without a mask token or with more tokens than
    the model has, and, where positions are learned, a text longer than the model's context.
    """
    require_whole("the number of candidates", k, 1)
    ids = encode_masked(tokenizer, text)
    _check_fit(tokenizer.vocab_size, len(ids), model.config)
    places = [place for place, token in enumerate(ids) if token == mask_id(tokenizer)]
    if not places:
        raise BadInput(f"the text has no mask: write {tokenizer.mask_token} where a token is to be guessed")
    device = model.parameters()[0].device
    with no_grad():
        hidden = model(to_device(np.array([ids]), device))
        logits = wide(model.mlm_logits(hidden[0, places]).data)
        probabilities = to_numpy(softmax(logits).data)[:, : tokenizer.vocab_size]
    return [_likeliest(tokenizer, each, k) for each in probabilities]


def encode_masked(tokenizer: BaseTokenizer, text: str) -> list[int]:
    """The ids of a text with masks, including the special tokens that the tokenizer puts around it."""
    mask_id(tokenizer)
    own = tokenizer.mask_token
    for name in MASK_NAMES:
        text = text.replace(name, own)
    if isinstance(tokenizer, Tokenizer):
        text = text.replace(f" {own}", own)
    return tokenizer.surround(tokenizer.encode(text, allowed_special=(own,)))


def _check_fit(vocab_size: int, length: int, config: Any) -> None:
    if vocab_size > config.vocab_size:
        raise BadInput(
            f"the tokenizer has {vocab_size} tokens and the model {config.vocab_size}: take the one it was trained with"
        )
    if length > config.block_size and config.positions == "learned":
        raise BadInput(f"the text has {length} tokens, and the context is {config.block_size}: shorten it")


def _likeliest(tokenizer: BaseTokenizer, probabilities: np.ndarray, k: int) -> list[Candidate]:
    """probabilities (V,) → the k likeliest tokens; special tokens are left out."""
    ordinary = tokenizer.ordinary_ids
    best = ordinary[np.argsort(-probabilities[ordinary], kind="stable")[:k]]
    return [Candidate(int(i), tokenizer.decode([int(i)]), float(probabilities[i])) for i in best]
