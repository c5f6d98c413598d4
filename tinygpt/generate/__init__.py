"""A model writes: rules that choose the next token, the loop that asks for it, text as it comes, and its likelihood.

For an encoder the hidden places of a text. Searches serve whatever writes, from a prompt or from a source.
"""

from .beam import Hypothesis, LengthPenalty, beam_search, greedy_search, power_penalty, wu_penalty
from .beginnings import Beginnings, continuations, translations
from .decoding import Written, generate, generate_with_logprobs
from .fill import Candidate, fill
from .history import banned, banned_words, min_length, no_repeat_ngram, repetition_penalty
from .sampling import Rule, chain, min_p, sample, temperature, top_k, top_p
from .score import Score, score, score_text
from .streaming import StopAt, stream_text

__all__ = [
    "Beginnings",
    "Candidate",
    "Hypothesis",
    "LengthPenalty",
    "Rule",
    "Score",
    "StopAt",
    "Written",
    "banned",
    "banned_words",
    "beam_search",
    "chain",
    "continuations",
    "fill",
    "generate",
    "generate_with_logprobs",
    "greedy_search",
    "min_length",
    "min_p",
    "no_repeat_ngram",
    "power_penalty",
    "repetition_penalty",
    "sample",
    "score",
    "score_text",
    "stream_text",
    "temperature",
    "top_k",
    "top_p",
    "translations",
    "wu_penalty",
]
