"""`tinygpt tokenizer inspect`: shows how a text is cut into tokens, and how each of its pieces was merged."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence

from ..errors import BadInput
from ..text.tokenizer import BaseTokenizer, Tokenizer, WordPiece
from ..text.tokenizer.files import bytes_to_field
from ..text.tokenizer.inspection import Inspection, Piece, inspect
from ..text.tokenizer.pretokens import text_to_bytes

EXPLANATION = (
    "␣ is a space, ␊ a line feed; other control characters have signs like that; ⟨C3⟩ is a byte shown as a number, "
    "· a cut between tokens"
)
_SIGNS = {" ": "␣", "\x7f": "␡"} | {chr(n): chr(0x2400 + n) for n in range(32)}
_TAKEN = {*_SIGNS.values(), "⟨", "⟩", "·"}
SAMPLE = 12  # tokens shown as examples


def inspect_command(tokenizer: BaseTokenizer, text: str, allowed: list[str] | str, limit: int, as_json: bool) -> None:
    """Shows at most `limit` tokens and different pieces (0: all), and counts and examples of the rest."""
    if not text:
        raise BadInput("there is no text to look at")
    if limit < 0:
        raise BadInput(f"--limit must be at least 0, not {limit}")
    found = inspect(tokenizer, text, allowed, limit or None)
    if as_json:
        print(json.dumps(_as_json(tokenizer, found)))
    else:
        _show(tokenizer, found, limit or len(found.ids))


def visibly(token: bytes) -> str:
    """A token with every character visible; no two tokens look alike.

    Shown as the numbers of its bytes: whatever is no printable character by itself (part of a character, a combining
    mark without its letter), and the characters that serve as signs here.

    >>> visibly(" né\\n".encode())
    '␣né␊'
    >>> visibly("né".encode()[:2] + b"\\xff")
    'n⟨C3 FF⟩'
    """
    shown: list[str] = []
    numbers: list[str] = []
    for place, character in enumerate(token.decode("utf-8", "surrogateescape")):
        alone = place == 0 and unicodedata.category(character).startswith("M")
        if character in _SIGNS or (character.isprintable() and character not in _TAKEN and not alone):
            shown += [_numbered(numbers), _SIGNS.get(character, character)]
            numbers = []
        else:
            numbers += [f"{byte:02X}" for byte in character.encode("utf-8", "surrogateescape")]
    return "".join([*shown, _numbered(numbers)])


def _numbered(numbers: Sequence[str]) -> str:
    return f"⟨{' '.join(numbers)}⟩" if numbers else ""


def _cut(tokens: Iterable[bytes]) -> str:
    return "·".join(map(visibly, tokens))


def _show(tokenizer: BaseTokenizer, found: Inspection, limit: int) -> None:
    print(f"signs        {EXPLANATION}")
    shown = (_spelling(tokenizer, each) for each in found.ids[:limit].tolist())
    print(f"tokens       {_cut(shown)}{_more(len(found.ids), limit)}")
    print(f"ids          {' '.join(map(str, found.ids[:limit].tolist()))}{_more(len(found.ids), limit)}")
    print(f"             {found.n_bytes:,} bytes in {len(found.ids):,} tokens: ", end="")
    print(f"{found.bytes_per_token:.2f} bytes a token")
    if isinstance(tokenizer, Tokenizer):
        print(f"pieces       {found.n_pieces:,} different; merge n is entry n of the vocabulary's merges, from 0")
        for piece in found.pieces:
            print(f"  {_making(piece, tokenizer)}")
        if len(found.pieces) < found.n_pieces:
            print(f"  … and {found.n_pieces - len(found.pieces):,} more")
    print(f"unused       {len(found.unused):,} of {found.n_ordinary:,} tokens do not occur here", end="")
    print(_sample(tokenizer, found.unused))
    if isinstance(tokenizer, Tokenizer):
        print(f"unreachable  {len(found.unreachable):,} tokens can occur in no text", end="")
        print(_sample(tokenizer, found.unreachable))


def _more(total: int, limit: int) -> str:
    return f" … and {total - limit:,} more" if total > limit else ""


def _making(piece: Piece, tokenizer: Tokenizer) -> str:
    """The piece's bytes, then the tokens after each merge."""
    times = f"{piece.times:,} times: " if piece.times > 1 else ""
    if piece.steps or len(piece.data) == 1:
        stages = [_cut(bytes([byte]) for byte in piece.data)]
        stages += [f"{_cut(step.tokens)} (merge {step.rank})" for step in piece.steps]
        return times + " → ".join(stages)
    return times + _cut(map(tokenizer.token_bytes, piece.ids))


def _sample(tokenizer: BaseTokenizer, ids: Sequence[int]) -> str:
    """Some of the ids' tokens, those of several bytes first: an unused single byte says little."""
    if not ids:
        return ""
    tokens = sorted((_spelling(tokenizer, each) for each in ids), key=lambda token: len(token) == 1)
    return ", such as " + "  ".join(map(visibly, tokens[:SAMPLE]))


def _spelling(tokenizer: BaseTokenizer, number: int) -> bytes:
    """The token as the vocabulary has it, with WordPiece's ##."""
    if isinstance(tokenizer, WordPiece):
        return text_to_bytes(tokenizer.tokens[number])
    return tokenizer.token_bytes(number)


def _as_json(tokenizer: BaseTokenizer, found: Inspection) -> dict[str, object]:
    """Tokens as in files of vocabularies: one character up to U+00FF for each byte."""
    counts = tokenizer.merge_counts if isinstance(tokenizer, Tokenizer) else None
    pieces = [
        {
            "piece": bytes_to_field(piece.data),
            "times": piece.times,
            "ids": piece.ids,
            "merges": [
                {"rank": step.rank, "tokens": [bytes_to_field(token) for token in step.tokens]}
                | ({} if counts is None else {"count": counts[step.rank]})
                for step in piece.steps
            ],
        }
        for piece in found.pieces
    ]
    return {
        "bytes": found.n_bytes,
        "tokens": len(found.ids),
        "bytes_per_token": found.bytes_per_token,
        "vocab_size": tokenizer.vocab_size,
        "different_pieces": found.n_pieces,
        "pieces": pieces,
        "unused": found.unused,
        "unreachable": found.unreachable,
    }
