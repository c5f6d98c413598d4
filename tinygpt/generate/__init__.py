"""A model writes: rules that choose the next token, the loop that asks for it, text as it comes, and its likelihood."""

from .decoding import Written, generate, generate_with_logprobs
from .history import banned, banned_words, min_length, no_repeat_ngram, repetition_penalty
from .sampling import Rule, chain, min_p, sample, temperature, top_k, top_p
from .score import Score, score, score_text
from .streaming import StopAt, stream_text

__all__ = [
    "Rule",
    "Score",
    "StopAt",
    "Written",
    "banned",
    "banned_words",
    "chain",
    "generate",
    "generate_with_logprobs",
    "min_length",
    "min_p",
    "no_repeat_ngram",
    "repetition_penalty",
    "sample",
    "score",
    "score_text",
    "stream_text",
    "temperature",
    "top_k",
    "top_p",
]
