"""A model writes: rules that choose the next token, and the loop that asks for it; searches for an encoder–decoder."""

from .decoding import generate
from .sampling import Rule, chain, sample, temperature, top_k, top_p
from .translate import beam_search, greedy_search

__all__ = ["Rule", "beam_search", "chain", "generate", "greedy_search", "sample", "temperature", "top_k", "top_p"]
