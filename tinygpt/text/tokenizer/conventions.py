"""In what the byte-pair encodings of other libraries differ from the plain one; a plain one differs in nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import regex

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.around import ALONE, ONE_AFTER_THE_OTHER, Template, is_template
from tinygpt.text.tokenizer.files import bytes_to_field, field_to_bytes
from tinygpt.text.tokenizer.ids import is_id
from tinygpt.text.tokenizer.pretokens import split_at_special

STRIPS = ("left", "right", "both")

_SPACE_BEFORE = regex.compile(r"\p{White_Space}*\Z")
_SPACE_AFTER = regex.compile(r"\p{White_Space}*")


@dataclass(frozen=True)
class Conventions:
    """What a file of another library says beyond bytes, merges, pattern and special tokens."""

    numbers: Sequence[int] | None = None
    """The id of each byte, in byte order, and then of each merge's token; None for 0, 1, 2 and so on."""

    unmerged: Mapping[bytes, int] = field(default_factory=dict)
    """Tokens that no merge makes, with their ids: they can be decoded, and encoded under `whole_first`."""

    whole_first: bool = False
    """A piece that is a token becomes that token, whatever the merges would make of it."""

    any_order: bool = False
    """Merges may use tokens that only later merges make, and several may make one token."""

    prefix_space: bool = False
    """A text that does not begin with a space gets one, and so does what follows a special token. Then
    decoding gives that space back, too."""

    always: Sequence[str] = ()
    """Those of the special tokens that are recognised in every text, allowed or not."""

    matched_last: Sequence[str] = ()
    """Special tokens looked for in what the others have left."""

    strips: Mapping[str, str] = field(default_factory=dict)
    """Special tokens that swallow the white space on their "left", "right" or "both" sides."""

    single: Template = ALONE
    """What `surround` puts around one text."""

    pair: Template = ONE_AFTER_THE_OTHER
    """What `surround` puts around two texts."""

    def definition(self) -> dict[str, Any]:
        """The entries that differ from the plain encoding's, as JSON values."""
        plain = asdict(PLAIN)
        entries = {name: value for name, value in asdict(self).items() if value != plain[name]}
        if "unmerged" in entries:
            entries["unmerged"] = {bytes_to_field(token): number for token, number in self.unmerged.items()}
        return {name: _lists(value) for name, value in entries.items()}

    @classmethod
    def from_definition(cls, definition: Any) -> Self:
        """The inverse of `definition`. Raises BadInput that names the entry that is wrong."""
        if not isinstance(definition, dict):
            raise BadInput("entry 'conventions' must be an object")
        known = {each.name for each in fields(cls)}
        for name, value in definition.items():
            if name not in known or not _has_type(name, value):
                raise BadInput(f"entry 'conventions' has a wrong entry {name!r}: {str(value)[:80]}")
        entries = dict(definition)
        if "unmerged" in entries:
            unmerged = entries["unmerged"].items()
            entries["unmerged"] = {field_to_bytes(token, "unmerged"): number for token, number in unmerged}
        return cls(**{name: _tuples(value) for name, value in entries.items()})

    def number(self, tokens: Sequence[bytes]) -> dict[int, bytes]:
        """The ordinary tokens by their ids. Raises BadInput where two tokens have one id."""
        numbers = range(len(tokens)) if self.numbers is None else self.numbers
        if len(numbers) != len(tokens):
            raise BadInput(f"numbers has {len(numbers)} ids for {len(tokens)} tokens")
        by_id: dict[int, bytes] = {}
        for number, token in [*zip(numbers, tokens), *((number, token) for token, number in self.unmerged.items())]:
            if by_id.setdefault(number, token) is not token:
                raise BadInput(f"the id {number} belongs to two tokens, {by_id[number]!r} and {token!r}")
        return by_id

    def split(self, text: str, names: Collection[str]) -> Iterator[tuple[str, bool]]:
        """(part, whether it is a special token), in order, as `split_at_special` has it without conventions."""
        if not self.strips and not self.matched_last:
            yield from split_at_special(text, names)
            return
        last = set(self.matched_last)
        first_names = [name for name in names if name not in last]
        last_names = [name for name in names if name in last]
        for part, is_special in self._split_once(text, first_names):
            if is_special:
                yield part, True
            else:
                yield from self._split_once(part, last_names)

    def _split_once(self, text: str, names: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """One round of `split`; a special token's white space goes with it, and is in no part."""
        parts = list(split_at_special(text, names))
        swallow = False
        for place, (part, is_special) in enumerate(parts):
            if is_special:
                swallow = self.strips.get(part) in ("right", "both")
                yield part, True
                continue
            start = _SPACE_AFTER.match(part).end() if swallow else 0
            following = parts[place + 1][0] if place + 1 < len(parts) else None
            end = len(part)
            if self.strips.get(following) in ("left", "both"):
                end = _SPACE_BEFORE.search(part, start).start()
            swallow = False
            if start < end:
                yield part[start:end], False


PLAIN = Conventions()
"""No difference at all."""


def _lists(value: Any) -> Any:
    """Tuples, and tuples in them, as JSON has them."""
    return [_lists(each) for each in value] if isinstance(value, tuple | list) else value


def _tuples(value: Any) -> Any:
    """The inverse of `_lists`."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _has_type(name: str, value: Any) -> bool:
    """Whether a JSON value can be this entry of the conventions."""
    if name == "numbers":
        return isinstance(value, list) and all(map(is_id, value))
    if name in ("single", "pair"):
        return is_template(value, "A" if name == "single" else "AB")
    if name in ("always", "matched_last"):
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name == "unmerged":
        return isinstance(value, dict) and all(map(is_id, value.values()))
    if name == "strips":
        return isinstance(value, dict) and all(each in STRIPS for each in value.values())
    return isinstance(value, bool)
