"""The merges in a saved vocabulary: one line per merge, with its id, its parts and its count.

The order of the lines is the order in which the merges were learned. The count is how often the two parts were
neighbours in the texts at that moment; it is left out if it is unknown, as in the files of other libraries.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.files import bytes_to_field, field_to_bytes
from tinygpt.text.tokenizer.plain import BytePair


class WrittenMerge(NamedTuple):
    """One line, parsed."""

    pair: BytePair
    id: int | None
    count: int | None


def entries(
    merges: Sequence[BytePair], id_of: Mapping[bytes, int], counts: Sequence[int] | None
) -> list[dict[str, Any]]:
    """The merges as JSON objects, in the order learned."""
    lines = [
        {"id": id_of[left + right], "left": bytes_to_field(left), "right": bytes_to_field(right)}
        for left, right in merges
    ]
    return lines if counts is None else [line | {"count": count} for line, count in zip(lines, counts, strict=True)]


def from_entry(entry: Any, place: int) -> WrittenMerge:
    """Parses one of `entries`, or a bare ["left", "right"]. Raises BadInput that names its place and what is wrong."""
    where = f"merges[{place}]"
    if isinstance(entry, list) and len(entry) == 2:
        entry = dict(zip(("left", "right"), entry, strict=True))
    if not isinstance(entry, dict) or not {"left", "right"} <= entry.keys() <= {"id", "left", "right", "count"}:
        raise BadInput(f"{where} must be a pair of tokens, a left and a right one, not {entry!r}")
    for name, least in (("id", 0), ("count", 1)):
        if name in entry and not (type(entry[name]) is int and entry[name] >= least):
            raise BadInput(f"{where}: {name} must be a number from {least}, not {entry[name]!r}")
    pair = field_to_bytes(entry["left"], where), field_to_bytes(entry["right"], where)
    return WrittenMerge(pair, entry.get("id"), entry.get("count"))


def all_counts(written: Sequence[WrittenMerge]) -> list[int] | None:
    """The counts, or None if no merge has one. Raises BadInput if only some have one."""
    without = [place for place, each in enumerate(written) if each.count is None]
    if without and len(without) < len(written):
        raise BadInput(f"merges[{without[0]}] has no count, though other merges have")
    return None if without or not written else [each.count for each in written if each.count is not None]


def check_ids(written: Iterable[WrittenMerge], id_of: Mapping[bytes, int]) -> None:
    """Raises BadInput if a line gives another id than the vocabulary does."""
    for place, ((left, right), number, _) in enumerate(written):
        if number is not None and number != id_of[left + right]:
            raise BadInput(f"merges[{place}] says that its id is {number}, and it is {id_of[left + right]}")


def checked_counts(counts: Sequence[int] | None, n_merges: int) -> list[int] | None:
    """One count per merge, or None. Raises BadInput if their number differs from that of the merges."""
    if counts is not None and len(counts) != n_merges:
        raise BadInput(f"merge_counts has {len(counts)} counts for {n_merges} merges")
    return None if counts is None else list(counts)
