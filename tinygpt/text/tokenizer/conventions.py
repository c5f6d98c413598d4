"""How the byte-pair encodings of other libraries differ from the plain one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import regex

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.around import ALONE, ONE_AFTER_THE_OTHER, Template, is_template
from tinygpt.text.tokenizer.files import bytes_to_field, field_to_bytes
from tinygpt.text.tokenizer.ids import is_id
from tinygpt.text.tokenizer.pretokens import Span, special_spans

STRIPS = ("left", "right", "both")

_SPACE_BEFORE = regex.compile(r"(?r)\p{White_Space}*")
_SPACE_AFTER = regex.compile(r"\p{White_Space}*")


@dataclass(frozen=True)
class Conventions:
    """The rules in another library's file, beyond bytes, merges, pattern and special tokens."""

    numbers: Sequence[int] | None = None
    """The id of each byte, in byte order, and then of each merge's token; None for 0, 1, 2 and so on."""

    unmerged: Mapping[bytes, int] = field(default_factory=dict)
    """Tokens that no merge makes, with their ids: they can be decoded, and encoded under `whole_first`."""

    whole_first: bool = False
    """A piece that is a token becomes that token, whatever the merges would make of it."""

    any_order: bool = False
    """Merges may use tokens that only later merges make, and several may make one token."""

    prefix_space: bool = False
    """A text that does not begin with a space gets one, and so does the text after a special token. Decoding then
    returns that space, too."""

    always: Sequence[str] = ()
    """The special tokens that are recognised in every text, allowed or not."""

    matched_last: Sequence[str] = ()
    """Special tokens that are looked for after the others, in the text that these leave."""

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

    def begun(self, text: str) -> str:
        """A text, or the text after a special token, with the space before it that `prefix_space` asks for."""
        return " " + text if self.prefix_space and text and not text.startswith(" ") else text

    def spans(self, text: str, names: Collection[str]) -> Iterator[Span]:
        """`special_spans` with these conventions; `names` and the tokens in `always` are recognised.

        The white space that a special token swallows belongs to its span, so the spans always cover the text.
        """
        last = set(self.matched_last)
        recognised = dict.fromkeys([*names, *self.always])
        last_names = [name for name in recognised if name in last]
        for span in self._spans_once(text, [name for name in recognised if name not in last]):
            if span.special is not None or not last_names:
                yield span
                continue
            for start, end, special in self._spans_once(text[span.start : span.end], last_names):
                yield Span(span.start + start, span.start + end, special)

    def _spans_once(self, text: str, names: Sequence[str]) -> Iterator[Span]:
        """One round of `spans`. White space that two special tokens could swallow goes to the left one."""
        special = [span for span in special_spans(text, names) if span.special is not None]
        next_starts = [*(span.start for span in special[1:]), len(text)]
        done = 0
        for (start, end, name), next_start in zip(special, next_starts):
            side = self.strips.get(name)
            if side in ("left", "both"):
                start = _SPACE_BEFORE.match(text, done, start).start()
            if side in ("right", "both"):
                end = _SPACE_AFTER.match(text, end, next_start).end()
            if done < start:
                yield Span(done, start, None)
            yield Span(start, end, name)
            done = end
        if done < len(text):
            yield Span(done, len(text), None)


PLAIN = Conventions()
"""The plain encoding: no differences."""


def _lists(value: Any) -> Any:
    """Tuples, also nested ones, as lists, for JSON."""
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
