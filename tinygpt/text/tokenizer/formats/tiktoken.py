"""tiktoken's files: one token a line, "base64 rank". The rank is the token's id, and the order of its merge.

The file does not say which two tokens a merge joins: they are what the token's bytes become when they are encoded with
the lower ranks alone. Nor does it have the pattern and the special tokens, which belong to the name of the encoding.
Source of both: OpenAI, tiktoken 0.14, tiktoken_ext/openai_public.py. Its possessive quantifiers, which only make it
faster, are left out where that changes nothing.
"""

import base64
from collections.abc import Mapping
from os import PathLike
from typing import Any

from tinygpt.errors import BadInput
from tinygpt.files import replacing
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.files import naming, read_text
from tinygpt.text.tokenizer.formats import visible
from tinygpt.text.tokenizer.ids import is_id
from tinygpt.text.tokenizer.merging import merge_piece
from tinygpt.text.tokenizer.pieces import CL100K_PATTERN, O200K_PATTERN
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN

ENCODINGS: dict[str, tuple[str, dict[str, int]]] = {
    "r50k_base": (GPT2_PATTERN, {"<|endoftext|>": 50256}),
    "p50k_base": (GPT2_PATTERN, {"<|endoftext|>": 50256}),
    "cl100k_base": (
        CL100K_PATTERN,
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "o200k_base": (O200K_PATTERN, {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}),
}
"""The pattern and the special tokens of each encoding."""


def read(
    path: str | PathLike[str], name: str, pattern: str | None, special_tokens: Mapping[str, int] | None
) -> dict[str, Any]:
    """The arguments of the tokenizer in a file of ranks; `pattern` and `special_tokens` override those of `name`.

    Raises BadInput, naming the file and the line, the token or the rank: for invalid base64, a token or rank that
    occurs twice, a missing rank (unless a special token has it), a byte without a rank, or a token that is not two
    tokens of lower rank.
    """
    if name not in ENCODINGS:
        raise BadInput(f"no encoding is called {name!r}: choose one of {', '.join(ENCODINGS)}")
    pattern = ENCODINGS[name][0] if pattern is None else pattern
    special_tokens = dict(ENCODINGS[name][1] if special_tokens is None else special_tokens)
    text = read_text(path)
    with naming(path):
        ranks = _ranks(text)
        if missing := set(range(max(ranks.values(), default=0))) - set(ranks.values()) - set(special_tokens.values()):
            raise BadInput(f"no line has the rank {min(missing)}")
        for each, number in special_tokens.items():
            if number in ranks.values():
                raise BadInput(f"a line has the rank {number}, which is the id of {each!r} in {name}")
        merges = merges_from_ranks(ranks)
        byte_order, numbers = visible.numbering(ranks, (left + right for left, right in merges))
    return {
        "merges": merges,
        "special_tokens": special_tokens,
        "pattern": pattern,
        "byte_order": byte_order,
        "conventions": Conventions(numbers=numbers),
    }


def _ranks(text: str) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    line_of: dict[int, int] = {}
    for number, line in visible.numbered_lines(text):
        token_field, _, rank_field = line.partition(" ")
        try:
            token, rank = base64.b64decode(token_field, validate=True), int(rank_field)
            if str(rank) != rank_field:
                raise ValueError
        except ValueError:
            raise BadInput(f'line {number} must be "base64 rank", not {line[:80]!r}') from None
        if not token or not is_id(rank):
            raise BadInput(f"line {number}: {line[:80]!r} gives no token, or no rank that can be an id")
        if token in ranks:
            raise BadInput(f"line {number} gives the token {token!r} a second rank, {rank} after {ranks[token]}")
        if line_of.setdefault(rank, number) != number:
            raise BadInput(f"line {number} has the rank {rank}, as line {line_of[rank]} has")
        ranks[token] = rank
    return ranks


def merges_from_ranks(ranks: Mapping[bytes, int]) -> list[visible.Merge]:
    """The merge of each token longer than a byte, in the order of the ranks.

    tiktoken merges any two neighbours whose bytes together are a token. But wherever a token arises, the merges inside
    it are the same as when its bytes are encoded alone, so it always arises from the pair found here. Raises BadInput
    for a token that the lower ranks leave in one part or in more than two.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    merged: dict[tuple[int, int], int] = {}
    merges: list[visible.Merge] = []
    for token in sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__):
        parts = merge_piece(list(token), merged)
        if len(parts) != 2:
            raise BadInput(f"{token!r} (rank {ranks[token]}) is not two tokens of lower rank, but {len(parts)}")
        left, right = parts
        merged[left, right] = len(tokens)
        merges.append((tokens[left], tokens[right]))
        tokens.append(token)
    return merges


def write(tokenizer: visible.BytePairs, path: str | PathLike[str]) -> None:
    """Write the ranks. Raises BadInput if they would not give the same merges back."""
    visible.only_plain(tokenizer, "tiktoken's format")
    ranks = tokenizer.ordinary_tokens()
    if merges_from_ranks(ranks) != tokenizer.merges:
        raise BadInput("ranks alone do not say how this tokenizer's tokens are merged: write it with to_huggingface")
    in_order = sorted(ranks.items(), key=lambda entry: entry[1])
    lines = (b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in in_order)
    with replacing(path) as file:
        file.writelines(lines)
