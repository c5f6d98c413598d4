"""What the commands with beam search have in common: its options, and how its results are printed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..errors import BadInput
from ..generate import Beginnings, beam_search, wu_penalty
from .flags import Idle

IDLE_IN_A_BEAM_OF_ONE = Idle(
    ("length_penalty",), lambda o: o.beam == 1, "--beam 1 finds one text and compares none", "make --beam larger"
)

LARGEST_BEAM = 1000  # as far as Koehn & Knowles 2017, section 3.6, look; translations become worse long before


@dataclass(frozen=True)
class BeamOptions:
    """The options of a beam search. Raises BadInput for values out of range."""

    beam: int = 4
    length_penalty: float = 0.6
    best: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= LARGEST_BEAM:
            raise BadInput(f"--beam must be from 1 to {LARGEST_BEAM}, not {self.beam}")
        wu_penalty(self.length_penalty)  # checks its number, before a model is opened
        if not 1 <= self.best <= self.beam:
            raise BadInput(f"--best must be from 1 to the {self.beam} of --beam, not {self.best}")


def print_best(
    options: BeamOptions,
    begun: Beginnings,
    ends: Collection[int],
    text: Callable[[list[int]], str],
    headed: bool = False,
) -> None:
    """Searches one text and prints the --best results, with their scores if there are several.

    headed: print each below a heading line, which texts of several lines need; else on one line with its score.
    """
    (found,) = beam_search(begun, ends, options.beam, wu_penalty(options.length_penalty))
    for number, each in enumerate(found[: options.best], 1):
        score = f"{each.score:9.3f}  "
        if headed:
            score = f"{chr(10) if number > 1 else ''}text {number}, score {each.score:.3f}\n"
        print((score if options.best > 1 else "") + text(each.tokens), flush=True)
