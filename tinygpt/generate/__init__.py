"""Text from a trained model: rules that choose the next token, decoding, streaming, and the likelihood of a text.

Beam search works for a GPT that continues a prompt and for an encoder–decoder that writes from a source. An encoder
fills in masked tokens.

In reading order: sampling, history, context, reading, decoding, streaming, score; then beginnings, beam, speculative,
chat and fill; bare and layout make the same faster.
"""

from .beam import Hypothesis, LengthPenalty, beam_search, greedy_search, power_penalty, wu_penalty
from .beginnings import Beginnings, continuations, translations
from .context import next_logits, window_start
from .decoding import Batch, GeneratedToken, generate, generate_batch, generate_with_logprobs
from .fill import Candidate, fill
from .history import banned, banned_words, min_length, no_repeat_ngram, repetition_penalty
from .layout import lay_out
from .sampling import Rule, chain, min_p, sample, temperature, top_k, top_p
from .score import Score, score, score_text
from .speculative import Speculation, speculative_generate
from .streaming import StopAt, TextStream, stream_text

__all__ = [
    "Batch",
    "Beginnings",
    "Candidate",
    "GeneratedToken",
    "Hypothesis",
    "LengthPenalty",
    "Rule",
    "Score",
    "Speculation",
    "StopAt",
    "TextStream",
    "banned",
    "banned_words",
    "beam_search",
    "chain",
    "continuations",
    "fill",
    "generate",
    "generate_batch",
    "generate_with_logprobs",
    "greedy_search",
    "lay_out",
    "min_length",
    "min_p",
    "next_logits",
    "no_repeat_ngram",
    "power_penalty",
    "repetition_penalty",
    "sample",
    "score",
    "score_text",
    "speculative_generate",
    "stream_text",
    "temperature",
    "top_k",
    "top_p",
    "translations",
    "window_start",
    "wu_penalty",
]
