"""Rules that look at what is written: against repetition, against words, against an early end.

`tokens` are the prompt's and the new ones, however many; also those that a short context no longer shows the model.

V vocabulary; logits (V,) on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from ..errors import BadInput
from ..text.tokenizer import BaseTokenizer
from ..text.tokenizer.pretokens import text_to_bytes
from .sampling import Rule


def repetition_penalty(theta: float) -> Rule:
    """Makes each token that is written anywhere less likely (theta above 1), once, however often it is there.

    The paper divides every logit, which would favour a token with a negative one; here such a logit is multiplied.
    Unlike every other rule this one depends on where the logits have their zero, which softmax does not see.

    Formula: logits_i ← logits_i / θ where logits_i > 0, else logits_i · θ, for every i that is written
    Paper: Keskar et al. 2019, "CTRL: a conditional transformer language model", section 4.1
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    if not (theta > 0 and math.isfinite(theta)):
        raise BadInput(f"the repetition penalty must be a number above 0, not {theta} (1 changes nothing)")

    def penalize(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        logits, written = logits.astype(np.float64), np.unique(np.asarray(tokens, dtype=np.int64))
        values = logits[written]
        logits[written] = np.where(values > 0, values / theta, values * theta)
        return logits

    return penalize


def no_repeat_ngram(n: int) -> Rule:
    """No n tokens in a row come twice; those of the prompt count. With n = 1 no token comes twice.

    Formula: logits_i ← −∞ where some t has (x_t … x_{t+n−1}) = (the last n − 1 tokens, i)
    Paper: Paulus, Xiong & Socher 2017, "A deep reinforced model for abstractive summarization", section 2.5
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    if n < 1:
        raise BadInput(f"no_repeat_ngram must be at least 1, not {n}")

    def exclude(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        if len(tokens) < n:
            return logits
        grams = np.lib.stride_tricks.sliding_window_view(np.asarray(tokens, dtype=np.int64), n)
        last = np.asarray(tokens[len(tokens) - n + 1 :], dtype=np.int64)
        return _without(logits, grams[(grams[:, :-1] == last).all(axis=1), -1])

    return exclude


def banned(sequences: Iterable[Sequence[int]]) -> Rule:
    """None of these sequences of ids is written to its end; one that the prompt has begun counts as begun.

    Formula: logits_i ← −∞ where (…, i) is a banned sequence and the text ends with all of it that stands before i
    Paper: Hu et al. 2019, "ParaBank: … sentential paraphrasing via lexically-constrained neural machine translation"
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    sequences = [list(sequence) for sequence in sequences]
    if not all(sequences):
        raise BadInput("a banned sequence needs at least one token")

    def exclude(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        return _without(logits, [last for *begun, last in sequences if _ends_with(tokens, begun)])

    return exclude


def banned_words(words: Iterable[str], tokenizer: BaseTokenizer) -> Rule:
    """None of the words is written, with or without a space before it, by whatever tokens spell it.

    A vocabulary spells a word in many ways, of which `encode` knows one; a model kept from that one may turn to
    another. So bytes are compared, and `banned` is asked only for the spellings that the text has begun. Only whole
    tokens spell a word: part of a longer token may look like it, as the "cat" in a token "cats" does.
    Raises BadInput for an empty word.
    """
    words = list(words)
    if not all(words):
        raise BadInput("a banned word needs at least one character")
    texts = [text_to_bytes(before + word) for word in words for before in ("", " ")]
    ids: dict[bytes, list[int]] = {}
    for number in range(tokenizer.vocab_size):
        with suppress(BadInput):  # an id that the vocabulary leaves out
            ids.setdefault(tokenizer.token_bytes(number), []).append(number)

    def exclude(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        last = (i for text in texts for rest in _rests(text, tokens, tokenizer) for i in ids.get(rest, ()))
        return banned([i] for i in last)(logits, tokens)

    return exclude


def min_length(length: int, end: int) -> Rule:
    """The token `end` is excluded until `length` tokens are written, the prompt's among them.

    Formula: logits_end ← −∞ where fewer than n tokens are written
    Paper: Stahlberg & Byrne 2019, "On NMT search errors and model errors: cat got your tongue?"
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    if length < 0:
        raise BadInput(f"the minimum length must be at least 0, not {length}")
    not_yet = banned([[end]])
    return lambda logits, tokens: not_yet(logits, tokens) if len(tokens) < length else logits


def _without(logits: np.ndarray, ids: Collection[int] | np.ndarray) -> np.ndarray:
    if len(ids) == 0:
        return logits
    ids = np.asarray(ids, dtype=np.int64)
    if ids.min() < 0 or ids.max() >= logits.size:
        raise BadInput(f"a banned id is outside 0 … {logits.size - 1}: was it made by another tokenizer?")
    kept = logits.copy()
    kept[ids] = -np.inf
    return kept


def _ends_with(tokens: Sequence[int], end: Sequence[int]) -> bool:
    return len(end) <= len(tokens) and list(tokens[len(tokens) - len(end) :]) == list(end)


def _rests(text: bytes, tokens: Sequence[int], tokenizer: BaseTokenizer) -> Iterator[bytes]:
    """What would complete `text` after each beginning of it that the last tokens spell, the empty one among them."""
    yield text
    written = b""
    for token in reversed(tokens):
        written = tokenizer.token_bytes(token) + written
        if len(written) >= len(text):
            return
        if text.startswith(written):
            yield text[len(written) :]
