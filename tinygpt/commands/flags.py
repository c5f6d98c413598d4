"""Options by the flags that are typed: naming them in error sentences, and refusing those without effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import BadInput


def flag(name: str) -> str:
    """The flag of a field of options: --top-k of top_k."""
    return "--" + name.replace("_", "-")


class Idle(NamedTuple):
    """Options that have no effect where `where(options)` holds, and what to do other than leaving them out."""

    names: tuple[str, ...]
    where: Callable[[Any], bool]
    why: str
    instead: str = ""


def refuse_idle(given: Mapping[str, Any], asked: Any, table: Iterable[Idle]) -> None:
    """Raises BadInput for a given option that would have no effect.

    Whoever types an option expects an effect. `given` holds only options that were typed, not defaults; a switch that
    was typed as off (--no-bias) needs no effect, and is let through.
    """
    for each in table:
        idle = [flag(name) for name in each.names if given.get(name, False) is not False]
        if idle and each.where(asked):
            remedy = f"leave that out, or {each.instead}" if each.instead else "leave that out"
            raise BadInput(f"{', '.join(idle)} would change nothing: {each.why}; {remedy}")


def with_flags(sentence: str, flags: Mapping[str, str]) -> str:
    """A sentence of the library in which names of arguments become flags, for somebody who typed flags.

    A name becomes its flag if it has an underscore, as no English word has, or stands before "=" or after "the
    argument". Names of fields in a file, and names that are parts of paths, stay.

    >>> with_flags("top_k must be at least 1, not 0", {"top_k": "--top-k"})
    '--top-k must be at least 1, not 0'
    >>> with_flags("runs/top_k/config.json: top_k is missing", {"top_k": "--top-k"})
    'runs/top_k/config.json: top_k is missing'
    """
    if not flags:
        return sentence

    def as_typed(found: re.Match[str]) -> str:
        announced, name, assigned = found.groups()
        return flags[name] if announced or assigned or "_" in name else name

    said, separator, of_a_file = sentence.partition(".json: ")
    name = rf"(?<![\w/\\.'\"-])(the argument )?({'|'.join(flags)})(?=(=)?)(?![\w/\\'\"-]|\.\w)"
    return re.sub(name, as_typed, said) + separator + of_a_file
