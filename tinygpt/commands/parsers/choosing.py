"""The options of every command that writes token by token: how each is chosen, and where the text ends."""

from __future__ import annotations

import argparse


def add_choosing(p: argparse.ArgumentParser) -> None:
    """The options that ChoosingOptions holds."""
    p.add_argument("--max-new-tokens", type=int, metavar="N", help="write at most N tokens (default: 200)")
    p.add_argument(
        "--temperature", type=float, metavar="T",
        help="below 1 makes likely tokens likelier, above 1 unlikely ones (default: 0.8)",
    )  # fmt: skip
    p.add_argument("--top-k", type=int, metavar="K", help="draw only from the K likeliest tokens (default: from all)")
    p.add_argument(
        "--top-p", type=float, metavar="P",
        help="draw only from the likeliest tokens whose probabilities add up to P (default: 1.0, from all)",
    )  # fmt: skip
    p.add_argument(
        "--min-p", type=float, metavar="P",
        help="draw only from tokens at least P times as likely as the likeliest (default: from all)",
    )  # fmt: skip
    p.add_argument(
        "--repetition-penalty", type=float, metavar="THETA",
        help="above 1 makes tokens that are in the text already less likely (default: 1.0, no penalty)",
    )  # fmt: skip
    p.add_argument(
        "--no-repeat-ngram", type=int, metavar="N",
        help="write no sequence of N tokens that is in the text already (default: repeating is allowed)",
    )  # fmt: skip
    p.add_argument(
        "--ban", action="extend", nargs="+", metavar="WORD", help="words that must not be written (default: none)"
    )
    p.add_argument(
        "--stop", action="extend", nargs="+", metavar="STRING",
        help="strings before which the text ends (default: none)",
    )  # fmt: skip
    p.add_argument("--greedy", action="store_true", help="always take the likeliest token instead of drawing one")
    p.add_argument(
        "--seed", type=int, metavar="N", help="random seed; the same seed writes the same text (default: 1337)"
    )
