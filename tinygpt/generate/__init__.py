"""A model writes: rules that choose the next token, and the loop that asks for it."""

from .decoding import generate
from .fill import Candidate, fill
from .sampling import Rule, chain, sample, temperature, top_k, top_p

__all__ = ["Candidate", "Rule", "chain", "fill", "generate", "sample", "temperature", "top_k", "top_p"]
