"""Writes tokenizer.json; `huggingface.py` reads it."""

import json
from os import PathLike
from typing import Any

from tinygpt.errors import BadInput
from tinygpt.files import replacing
from tinygpt.text.tokenizer.around import ALONE, ONE_AFTER_THE_OTHER
from tinygpt.text.tokenizer.formats import visible
from tinygpt.text.tokenizer.formats.splits import WHOLE_TEXT, check, gaps_as_characters
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN


def write(tokenizer: visible.BytePairs, path: str | PathLike[str]) -> None:
    """Write the tokenizer. Raises BadInput for combinations that the file cannot express."""
    rules = tokenizer.conventions
    vocabulary = {visible.to_visible(token): number for token, number in tokenizer.ordinary_tokens().items()}
    file = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(tokenizer, name) for name in _by_id(tokenizer.special_tokens)],
        "normalizer": None,
        "pre_tokenizer": _pre_tokenizer(tokenizer),
        "post_processor": _template(tokenizer, vocabulary),
        "decoder": _byte_level(False, True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": rules.whole_first,
            "vocab": _with_placed(vocabulary, tokenizer.special_tokens),
            "merges": [[visible.to_visible(left), visible.to_visible(right)] for left, right in tokenizer.merges],
        },
    }
    try:
        data = json.dumps(file, ensure_ascii=False, indent=1).encode("utf-8")
    except UnicodeEncodeError:
        raise BadInput("tokenizer.json cannot hold a special token or a pattern with a lone surrogate") from None
    with replacing(path) as out:
        out.write(data)


def _by_id(ids: dict[str, int]) -> list[str]:
    return sorted(ids, key=ids.__getitem__)


def _with_placed(vocabulary: dict[str, int], special_tokens: dict[str, int]) -> dict[str, int]:
    """The vocabulary, together with the special tokens if the library would number them otherwise.

    The library ignores the id of an added token that the vocabulary lacks, and gives it the next one.
    """
    placed = dict(vocabulary)
    for name, number in special_tokens.items():
        if vocabulary.get(name, number) != number:
            raise BadInput(f"tokenizer.json cannot tell the special token {name!r} from the ordinary one written so")
    following = range(len(vocabulary), len(vocabulary) + len(special_tokens))
    if sorted(special_tokens.values()) != list(following):
        placed |= special_tokens
    return dict(sorted(placed.items(), key=lambda entry: entry[1]))


def _added_token(tokenizer: visible.BytePairs, name: str) -> dict[str, Any]:
    rules = tokenizer.conventions
    side = rules.strips.get(name)
    return {
        "id": tokenizer.special_tokens[name],
        "content": name,
        "single_word": False,
        "lstrip": side in ("left", "both"),
        "rstrip": side in ("right", "both"),
        "normalized": name in rules.matched_last,
        "special": name not in rules.always,
    }


def _byte_level(add_prefix_space: bool, use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _pre_tokenizer(tokenizer: visible.BytePairs) -> dict[str, Any]:
    pattern, prefix_space = tokenizer.pattern, tokenizer.conventions.prefix_space
    if pattern in (GPT2_PATTERN, WHOLE_TEXT):
        return _byte_level(prefix_space, pattern == GPT2_PATTERN)
    if prefix_space:
        raise BadInput("tokenizer.json has no way to put a space before a text that a pattern of its own cuts")
    cut = gaps_as_characters(pattern)
    check(cut, "tokenizer.json: the pattern")
    split = {"type": "Split", "pattern": {"Regex": cut}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, _byte_level(False, False)]}


def _template(tokenizer: visible.BytePairs, vocabulary: dict[str, int]) -> dict[str, Any] | None:
    """The post-processor, or None if nothing is put around texts."""
    rules = tokenizer.conventions
    if (rules.single, rules.pair) == (ALONE, ONE_AFTER_THE_OTHER):
        return None
    name_of = {number: name for name, number in [*vocabulary.items(), *tokenizer.special_tokens.items()]}

    def piece(place: int | str, type_id: int) -> dict[str, Any]:
        if isinstance(place, str):
            return {"Sequence": {"id": place, "type_id": type_id}}
        return {"SpecialToken": {"id": name_of[place], "type_id": type_id}}

    used = {name_of[place]: place for place, _ in (*rules.single, *rules.pair) if isinstance(place, int)}
    return {
        "type": "TemplateProcessing",
        "single": [piece(*each) for each in rules.single],
        "pair": [piece(*each) for each in rules.pair],
        "special_tokens": {name: {"id": name, "ids": [n], "tokens": [name]} for name, n in used.items()},
    }
