"""Rules that depend on the text so far: against repetition, against given words, against an early end.

`tokens` are all tokens of the text, the prompt's and the new ones, including those that have left the model's context.

V vocabulary; logits (V,) on the CPU.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from ..errors import BadInput, require_whole
from ..text.tokenizer import BaseTokenizer
from ..text.tokenizer.pretokens import text_to_bytes
from .sampling import Rule

LARGEST_THETA = 1e200  # times a logit in float32, which is at most 3.4e38, it is still a number in float64


def repetition_penalty(theta: float) -> Rule:
    """Makes each token that occurs in the text less likely (theta above 1), by the same factor however often it occurs.

    The paper divides every such logit, which would favour a token whose logit is negative; here that logit is
    multiplied. Unlike the other rules, this one changes if a constant is added to all logits, although softmax does
    not. Raises BadInput for a theta outside 1e-200 … 1e200.

    Formula: logits_i ← logits_i / θ where logits_i > 0, else logits_i · θ, for every i that is written
    Paper: Keskar et al. 2019, "CTRL: a conditional transformer language model", section 4.1
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    if not 1 / LARGEST_THETA <= theta <= LARGEST_THETA:
        raise BadInput(
            f"repetition_penalty must be from {1 / LARGEST_THETA:g} to {LARGEST_THETA:g}, not {theta} "
            "(1 changes nothing)"
        )

    def penalize(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        logits, written = logits.astype(np.float64), np.unique(np.asarray(tokens, dtype=np.int64))
        values = logits[written]
        logits[written] = np.where(values > 0, values / theta, values * theta)
        return logits

    return penalize


def no_repeat_ngram(n: int) -> Rule:
    """No sequence of n tokens occurs twice; the prompt counts. With n = 1 no token occurs twice.

    Raises BadInput for an n that is not a whole number above 0.

    Formula: logits_i ← −∞ where some t has (x_t … x_{t+n−1}) = (the last n − 1 tokens, i)
    Paper: Paulus, Xiong & Socher 2017, "A deep reinforced model for abstractive summarization", section 2.5
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    require_whole("no_repeat_ngram", n, 1)

    def exclude(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        if len(tokens) < n:
            return logits
        grams = np.lib.stride_tricks.sliding_window_view(np.asarray(tokens, dtype=np.int64), n)
        last = np.asarray(tokens[len(tokens) - n + 1 :], dtype=np.int64)
        return _without(logits, grams[(grams[:, :-1] == last).all(axis=1), -1])

    return exclude


def banned(sequences: Iterable[Sequence[int]]) -> Rule:
    """None of these sequences of ids is completed, not even one that the prompt has begun.

    Raises BadInput for an empty sequence and, when it is applied, for excluding an id outside the vocabulary.

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
    """None of the words is written, with or without a space before it, whichever tokens spell it.

    A vocabulary can spell a word in many ways, of which `encode` gives one; a model kept from that one may turn to
    another. So the rule compares bytes, and excludes every token that would complete a word that the last tokens have
    begun. Only whole tokens spell a word: where "cat" is banned, a token "cats" may still be written.
    Raises BadInput for an empty word.
    """
    words = list(words)
    if not all(words):
        raise BadInput("a banned word needs at least one character")
    texts = [text_to_bytes(before + word) for word in words for before in ("", " ")]
    ids: dict[bytes, list[int]] = {}
    for number in range(tokenizer.vocab_size):
        with suppress(BadInput):  # an id without a token
            ids.setdefault(tokenizer.token_bytes(number), []).append(number)

    def exclude(logits: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        last = (i for text in texts for rest in _rests(text, tokens, tokenizer) for i in ids.get(rest, ()))
        return banned([i] for i in last)(logits, tokens)

    return exclude


def min_length(length: int, end: int) -> Rule:
    """Excludes the token `end` until the text, with its prompt, has `length` tokens.

    Raises BadInput for a negative length.

    Formula: logits_end ← −∞ where fewer than n tokens are written
    Paper: Stahlberg & Byrne 2019, "On NMT search errors and model errors: cat got your tongue?"
    Example: examples/06_generation.py
    Test: tests/test_rules_history.py
    """
    require_whole("the minimum length", length, 0)
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
    """For each beginning of `text` that the last tokens spell, also the empty one: the bytes that would complete it."""
    yield text
    written = b""
    for token in reversed(tokens):
        written = tokenizer.token_bytes(token) + written
        if len(written) >= len(text):
            return
        if text.startswith(written):
            yield text[len(written) :]
