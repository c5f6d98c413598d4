"""A model writes: rules that choose the next token, and the loop that asks for it; searches for an encoder–decoder."""

from .decoding import generate
from .fill import Candidate, fill
from .sampling import Rule, chain, sample, temperature, top_k, top_p
from .translate import beam_search, greedy_search

__all__ = [
    "Candidate",
    "Rule",
    "beam_search",
    "chain",
    "fill",
    "generate",
    "greedy_search",
    "sample",
    "temperature",
    "top_k",
    "top_p",
]
