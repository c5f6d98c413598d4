"""GPT-2's files: encoder.json gives each token its id, vocab.bpe lists the merges in the order learned.

Both write bytes as the characters of `visible`. Source: Radford et al. 2019, "Language models are unsupervised
multitask learners", the code and files published with it.
"""

import json
from collections.abc import Iterable
from os import PathLike
from typing import Any

from tinygpt.errors import BadInput
from tinygpt.files import replacing
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.files import naming, read_object, read_text
from tinygpt.text.tokenizer.formats import visible
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN

Path = str | PathLike[str]

_HEADER = "#version: 0.2"


def read(encoder_json: Path, vocab_bpe: Path, special_tokens: Iterable[str]) -> dict[str, Any]:
    """The arguments of the tokenizer in the two files. Those of `special_tokens` that encoder.json has are special.

    Raises BadInput, naming file and entry, for a token that is not a byte and has no merge, a merge whose token has no
    id, two tokens with one id, or a gap in the ids.
    """
    entries = read_object(encoder_json)
    with naming(encoder_json):
        visible.checked_vocabulary(entries, "the vocabulary")
        if missing := set(range(len(entries))) - set(entries.values()):
            raise BadInput(f"no token has the id {min(missing)}, although there are {len(entries)} tokens")
        special = {name: entries[name] for name in special_tokens if name in entries}
        ordinary = {token: number for token, number in entries.items() if token not in special}
        id_of = {visible.from_visible(token, "the vocabulary"): number for token, number in ordinary.items()}
    merges = _merges(vocab_bpe, id_of, encoder_json)
    with naming(encoder_json):
        made = {left + right for left, right in merges}
        for token, number in id_of.items():
            if len(token) != 1 and token not in made:
                raise BadInput(f"{visible.to_visible(token)!r} (id {number}) is no byte, and no merge in {vocab_bpe} "
                               "makes it: add the merge, or name it among special_tokens")  # fmt: skip
        byte_order, numbers = visible.numbering(id_of, (left + right for left, right in merges))
    return {
        "merges": merges,
        "special_tokens": special,
        "pattern": GPT2_PATTERN,
        "byte_order": byte_order,
        "conventions": Conventions(numbers=numbers),
    }


def _merges(vocab_bpe: Path, id_of: dict[bytes, int], encoder_json: Path) -> list[visible.Merge]:
    """The merges: each joins tokens that are bytes or made before, and makes one that has an id."""
    merges: list[visible.Merge] = []
    known = {bytes([byte]) for byte in range(256)}
    text = read_text(vocab_bpe)
    with naming(vocab_bpe):
        for number, line in visible.numbered_lines(text):
            if number == 1 and line.startswith("#version"):
                continue
            parts = line.split(" ")
            if len(parts) != 2 or not all(parts):
                raise BadInput(f"line {number} must be two tokens with a space between them, not {line[:80]!r}")
            left, right = (visible.from_visible(part, f"line {number}") for part in parts)
            if left not in known or right not in known:
                unknown = parts[1] if left in known else parts[0]
                raise BadInput(f"line {number} merges {unknown!r}, which no line before it makes")
            if left + right in known:
                raise BadInput(f"line {number} makes {''.join(parts)!r} a second time")
            if left + right not in id_of:
                raise BadInput(f"line {number} makes {''.join(parts)!r}, which has no id in {encoder_json}")
            known.add(left + right)
            merges.append((left, right))
    return merges


def write(tokenizer: visible.BytePairs, encoder_json: Path, vocab_bpe: Path) -> None:
    """Write both files.

    Raises BadInput for a pattern other than GPT-2's, which the files imply, and for what they cannot express: gaps in
    the ids, or a special token that is written like an ordinary one.
    """
    visible.only_plain(tokenizer, "GPT-2's format")
    if tokenizer.pattern != GPT2_PATTERN:
        raise BadInput("GPT-2's files imply GPT-2's pattern, and this is another: write it with to_huggingface")
    ids = {visible.to_visible(token): number for token, number in tokenizer.ordinary_tokens().items()}
    if clash := ids.keys() & tokenizer.special_tokens.keys():
        raise BadInput(f"GPT-2's format cannot tell the special token {min(clash)!r} from the ordinary one written so")
    ids |= tokenizer.special_tokens
    if sorted(ids.values()) != list(range(len(ids))):
        raise BadInput("GPT-2's format wants ids that leave none out: write this tokenizer with to_huggingface")
    lines = [_HEADER, *(f"{visible.to_visible(left)} {visible.to_visible(right)}" for left, right in tokenizer.merges)]
    with replacing(vocab_bpe) as merges, replacing(encoder_json) as encoder:
        encoder.write(json.dumps(ids).encode("ascii"))
        merges.write(("\n".join(lines) + "\n").encode("utf-8"))
