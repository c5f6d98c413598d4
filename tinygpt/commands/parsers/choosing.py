"""The options of every command that writes token by token: how each is chosen, and where the text ends."""

from __future__ import annotations

import argparse


def add_choosing(p: argparse.ArgumentParser) -> None:
    """The options that ChoosingOptions holds."""
    p.add_argument("--max-new-tokens", type=int, help="at most (200)")
    p.add_argument("--temperature", type=float, help="below 1 plays safe, above 1 takes risks (0.8)")
    p.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    p.add_argument("--top-p", type=float, help="draw from the likeliest tokens that make up p")
    p.add_argument("--min-p", type=float, metavar="P", help="draw from tokens at least P times as likely as the best")
    p.add_argument(
        "--repetition-penalty", type=float, metavar="THETA",
        help="above 1, tokens that are written already become less likely",
    )  # fmt: skip
    p.add_argument("--no-repeat-ngram", type=int, metavar="N", help="no N tokens in a row come twice")
    p.add_argument("--ban", action="extend", nargs="+", metavar="WORD", help="words that are not written")
    p.add_argument("--stop", action="extend", nargs="+", metavar="STRING", help="the text ends before any of these")
    p.add_argument("--greedy", action="store_true", help="take the likeliest token in place of drawing one")
    p.add_argument("--seed", type=int, help="the same seed writes the same text (1337)")
