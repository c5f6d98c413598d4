"""Reads tokenizer.json of the library `tokenizers`, for byte-level BPE as in GPT-2, RoBERTa, BART and Llama 3.

It reads the model BPE (`vocab`, `merges` as pairs or as strings, `ignore_merges`), `added_tokens`, the pre-tokenizer
ByteLevel, alone or after one Split, and what the post-processor puts around a text or a pair. An added token has the id
that the file gives it. Anything else that would change ids is refused by name.
Source: huggingface/tokenizers 0.23, the serialisation of `Tokenizer`.
"""

from collections.abc import Iterator
from os import PathLike
from typing import Any

import regex

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.around import ALONE, ONE_AFTER_THE_OTHER, Template
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.files import naming, read_object
from tinygpt.text.tokenizer.formats import visible
from tinygpt.text.tokenizer.formats.huggingface_write import write
from tinygpt.text.tokenizer.formats.splits import WHOLE_TEXT, check, gaps_as_pieces
from tinygpt.text.tokenizer.ids import is_id
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN

__all__ = ["read", "write"]

Entry = dict[str, Any]


def read(path: str | PathLike[str]) -> dict[str, Any]:
    """The arguments of the tokenizer in the file. Raises BadInput that names the file, the entry and its value."""
    file = read_object(path)
    with naming(path):
        for name in ("normalizer", "truncation", "padding"):
            _expect(file.get(name), (None,), name)
        _expect(_type_of(file.get("decoder"), "decoder"), ("ByteLevel",), "decoder.type")
        model = _object(file.get("model"), "model")
        vocabulary = visible.checked_vocabulary(model.get("vocab"), "model.vocab")
        added = _added_tokens(file.get("added_tokens"), vocabulary)
        pattern, prefix_space = _pre_tokenizer(file.get("pre_tokenizer"))
        ids = vocabulary | {token["content"]: token["id"] for token in added}
        single, pair = _around(file.get("post_processor"), ids)
        arguments = _model(model, vocabulary, {token["content"] for token in added})
    rules = Conventions(
        **arguments.pop("conventions"),
        prefix_space=prefix_space,
        always=tuple(token["content"] for token in added if not token["special"]),
        matched_last=tuple(token["content"] for token in added if token["normalized"]),
        strips={token["content"]: side for token in added if (side := _side(token))},
        single=single,
        pair=pair,
    )
    special_tokens = {token["content"]: token["id"] for token in added}
    return {**arguments, "special_tokens": special_tokens, "pattern": pattern, "conventions": rules}


def _model(model: Entry, vocabulary: dict[str, int], added: set[str]) -> Entry:
    """The merges, the order of the bytes, and those conventions that the model decides."""
    _expect(model.get("type", "BPE"), ("BPE",), "model.type")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        _expect(model.get(name), (None, "", False, 0), f"model.{name}")
    merges = _merges(model.get("merges"), vocabulary)
    made = {left + right for left, right in merges}
    id_of = {}
    for token, number in vocabulary.items():
        if token not in added or _is_made(token, made):
            id_of[visible.from_visible(token, "model.vocab")] = number
    byte_order, numbers = visible.numbering(id_of, (left + right for left, right in merges))
    return {
        "merges": merges,
        "byte_order": byte_order,
        "conventions": {
            "numbers": numbers,
            "unmerged": {token: n for token, n in id_of.items() if len(token) != 1 and token not in made},
            "whole_first": _boolean(model, "ignore_merges", "model"),
            "any_order": not _in_order(merges),
        },
    }


def _is_made(token: str, made: set[bytes]) -> bool:
    """Whether an added token is also a byte or a merge's token, and so an ordinary token as well."""
    try:
        data = visible.from_visible(token, "")
    except BadInput:
        return False
    return len(data) == 1 or data in made


def _merges(entries: Any, vocabulary: dict[str, int]) -> list[visible.Merge]:
    """The merges, written as "left right" or ["left", "right"]; both parts and the token they make must have ids."""
    if not isinstance(entries, list):
        raise BadInput("model.merges is missing or no list")
    merges: dict[visible.Merge, int] = {}
    for place, entry in enumerate(entries):
        where = f"model.merges[{place}]"
        parts = entry.split(" ") if isinstance(entry, str) else entry
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
            raise BadInput(f"{where} must be two tokens, not {str(entry)[:80]!r}")
        for token in (*parts, "".join(parts)):
            if token not in vocabulary:
                raise BadInput(f"{where}: {token!r} is not in model.vocab")
        left, right = (visible.from_visible(part, where) for part in parts)
        if merges.setdefault((left, right), place) != place:
            raise BadInput(f"{where} repeats model.merges[{merges[left, right]}]")
    return list(merges)


def _in_order(merges: list[visible.Merge]) -> bool:
    """Whether each merge makes a new token from tokens made before, as in training."""
    known = {bytes([byte]) for byte in range(256)}
    for left, right in merges:
        if left not in known or right not in known or left + right in known:
            return False
        known.add(left + right)
    return True


def _added_tokens(entries: Any, vocabulary: dict[str, int]) -> list[Entry]:
    """The added tokens by id, with every flag filled in."""
    if not isinstance(entries, list):
        raise BadInput("added_tokens is missing or no list")
    flags = ("special", "normalized", "lstrip", "rstrip", "single_word")
    added = []
    for place, entry in enumerate(entries):
        where = f"added_tokens[{place}]"
        entry = _object(entry, where)
        name, number = entry.get("content"), entry.get("id")
        if not isinstance(name, str) or not name or not is_id(number):
            raise BadInput(f"{where} must have a content and an id, not {name!r} and {number!r}")
        if vocabulary.get(name, number) != number:
            raise BadInput(f"{where}: {name!r} has the id {number}, and {vocabulary[name]} in model.vocab")
        added.append({"content": name, "id": number} | {flag: _boolean(entry, flag, where) for flag in flags})
        _expect(added[-1]["single_word"], (False,), f"{where}.single_word")
    if len({token["content"] for token in added}) < len(added) or len({token["id"] for token in added}) < len(added):
        raise BadInput("added_tokens has two entries with one content or one id")
    strips = any(token["lstrip"] or token["rstrip"] for token in added)
    for token in added:
        if strips and token["content"] != token["content"].strip():
            raise BadInput(f"added_tokens: {token['content']!r} begins or ends with white space, which another takes "
                           "by lstrip or rstrip: not supported")  # fmt: skip
    return sorted(added, key=lambda token: token["id"])


def _side(token: Entry) -> str | None:
    return {(True, False): "left", (False, True): "right", (True, True): "both"}.get((token["lstrip"], token["rstrip"]))


def _pre_tokenizer(entry: Any) -> tuple[str, bool]:
    """The pattern, and whether a space is put before a text."""
    kind = _type_of(entry, "pre_tokenizer")
    if kind == "ByteLevel":
        pattern = GPT2_PATTERN if _boolean(entry, "use_regex", "pre_tokenizer", True) else WHOLE_TEXT
        return pattern, _boolean(entry, "add_prefix_space", "pre_tokenizer", True)
    _expect(kind, ("Sequence",), "pre_tokenizer.type")
    parts = entry.get("pretokenizers")
    kinds = [_type_of(part, "pre_tokenizer.pretokenizers") for part in parts] if isinstance(parts, list) else parts
    if kinds != ["Split", "ByteLevel"]:
        raise BadInput(f"pre_tokenizer.pretokenizers is {kinds!r}; only Split and then ByteLevel is supported")
    for name in ("use_regex", "add_prefix_space"):
        _expect(_boolean(parts[1], name, "pre_tokenizer", True), (False,), f"pre_tokenizer.pretokenizers[1].{name}")
    return _split_pattern(parts[0]), False


def _split_pattern(split: Entry) -> str:
    """The pattern of a Split, completed so that the text between two matches is one piece, as in that library."""
    where = "pre_tokenizer.pretokenizers[0]"
    _expect(split.get("behavior"), ("Isolated",), f"{where}.behavior")
    _expect(_boolean(split, "invert", where), (False,), f"{where}.invert")
    pattern = _object(split.get("pattern"), f"{where}.pattern")
    if isinstance(pattern.get("Regex"), str):
        check(pattern["Regex"], f"{where}.pattern")
        return gaps_as_pieces(pattern["Regex"])
    if isinstance(pattern.get("String"), str) and pattern["String"]:
        return gaps_as_pieces(regex.escape(pattern["String"], literal_spaces=True))
    raise BadInput(f"{where}.pattern must be a Regex or a String, not {pattern!r}")


def _around(entry: Any, ids: dict[str, int]) -> tuple[Template, Template]:
    """What the post-processor puts around one text, and around two."""
    kind = None if entry is None else _type_of(entry, "post_processor")
    if kind in (None, "ByteLevel"):
        return ALONE, ONE_AFTER_THE_OTHER
    if kind == "RobertaProcessing":
        begin, end = (_known(*_name_and_id(entry, name), ids) for name in ("cls", "sep"))
        single = ((begin, 0), ("A", 0), (end, 0))
        return single, (*single, (end, 0), ("B", 0), (end, 0))
    if kind == "TemplateProcessing":
        return _template(entry, "single", "A", ids), _template(entry, "pair", "AB", ids)
    _expect(kind, ("Sequence",), "post_processor.type")
    processors = entry.get("processors")
    if not isinstance(processors, list):
        raise BadInput("post_processor.processors is missing or no list")
    adding = [each for each in processors if _type_of(each, "post_processor.processors") != "ByteLevel"]
    if len(adding) > 1:
        raise BadInput(f"post_processor.processors has {len(adding)} that add tokens; one is supported")
    return _around(adding[0] if adding else None, ids)


def _template(entry: Entry, name: str, letters: str, ids: dict[str, int]) -> Template:
    """A template such as `<s> $A </s>`, with each text of `letters` once."""
    pieces, where = entry.get(name), f"post_processor.{name}"
    if not isinstance(pieces, list):
        raise BadInput(f"{where} must be a list, not {pieces!r}")
    row: list[tuple[int | str, int]] = []
    for place, piece in enumerate(pieces):
        row += _places(_object(piece, f"{where}[{place}]"), f"{where}[{place}]", entry, ids)
    if sorted(each for each, _ in row if isinstance(each, str)) != [*letters]:
        raise BadInput(f"{where} must have the text{'s' * (len(letters) > 1)} {' and '.join(letters)} once")
    return tuple(row)


def _places(piece: Entry, where: str, entry: Entry, ids: dict[str, int]) -> Iterator[tuple[int | str, int]]:
    """The (place, type) of one piece of a template: a text, or the tokens that a name there stands for."""
    kind = "Sequence" if "Sequence" in piece else "SpecialToken"
    body = _object(piece.get(kind), f"{where}.{kind}")
    name, type_id = body.get("id"), body.get("type_id")
    if not isinstance(name, str) or not is_id(type_id):
        raise BadInput(f"{where}.{kind} must have an id and a type_id, not {name!r} and {type_id!r}")
    if kind == "Sequence":
        yield name, type_id
        return
    tokens = _object(entry.get("special_tokens"), "post_processor.special_tokens")
    token = _object(tokens.get(name), f"post_processor.special_tokens: {name!r}")
    numbers, names = token.get("ids"), token.get("tokens")
    if not isinstance(numbers, list) or not isinstance(names, list) or len(names) != len(numbers):
        raise BadInput(f"post_processor.special_tokens: {name!r} has no ids and tokens of one length")
    for each, number in zip(names, numbers):
        yield _known(each, number, ids), type_id


def _name_and_id(entry: Entry, name: str) -> list[Any]:
    value = entry.get(name)
    if not isinstance(value, list) or len(value) != 2:
        raise BadInput(f"post_processor.{name} must be a token and its id, not {value!r}")
    return value


def _known(name: Any, number: Any, ids: dict[str, int]) -> int:
    if not isinstance(name, str) or name not in ids or ids[name] != number:
        raise BadInput(f"post_processor gives {name!r} the id {number!r}, and the vocabulary says otherwise")
    return number


def _object(value: Any, where: str) -> Entry:
    if not isinstance(value, dict):
        raise BadInput(f"{where} is missing or no object")
    return value


def _type_of(entry: Any, where: str) -> str:
    kind = _object(entry, where).get("type")
    if not isinstance(kind, str):
        raise BadInput(f"{where}.type is missing or no string")
    return kind


def _boolean(entry: Entry, name: str, where: str, default: bool = False) -> bool:
    value = entry.get(name, default)
    if not isinstance(value, bool):
        raise BadInput(f"{where}.{name} must be true or false, not {value!r}")
    return value


def _expect(value: Any, supported: tuple[Any, ...], where: str) -> None:
    """Raises BadInput for a value that would change the ids and is not supported."""
    if not any(value is each or value == each for each in supported):
        wanted = " or ".join(repr(each) for each in supported[:1])
        raise BadInput(f"{where} is {str(value)[:80]!r}, which is not supported (only {wanted} is)")
