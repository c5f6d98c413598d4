"""One side of the translation benchmark: a process that translation.py starts and asks.

    python translation_side.py tinygpt|torch DATA STEPS TESTED THREADS

Both read the same pairs and draw the same batches; DATA is a file, or "-" for arithmetic in words and figures.
"""

from __future__ import annotations

import itertools
import runpy
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy
from harness import ROOT, serve

from tinygpt.text.pair_baselines import WordForWord
from tinygpt.train.metrics import bleu, chrf, exact_match

EXAMPLE = ROOT / "examples" / "09_translation.py"


class Side(ABC):
    """What example 09 trains, and how: the data, the form, the schedule. `training` yields the loss of step after step.

    example: the names that the file of example 09 defines.
    """

    def __init__(self, example: dict[str, Any], data: str | None, steps: int, tested: int):
        self.example, self.steps = example, steps
        self.learn_from, self.unseen, self.tokenizers, self.form = example["pairs_of"](data, tested)
        self.batches = example["batches_of"](self.form, self.learn_from, self.tokenizers)
        self.model = example["fresh_model"](self.form, self.tokenizers)
        self.rate = example["rate_of"](self.form, steps)

    @cached_property
    @abstractmethod
    def training(self) -> Iterator[float]:
        """Steps, as they are asked for."""

    @abstractmethod
    def write(self, sources: list[str]) -> list[str]:
        """Greedy translations."""

    def load(self, path: str) -> None:
        """Begins from the weights in a file."""
        with numpy.load(path) as arrays:
            self.model.load_state_dict(dict(arrays))

    def save(self, path: str) -> None:
        numpy.savez(path, **self.model.state_dict())

    def learn(self, steps: int) -> dict[str, list[float]]:
        """The losses of the next steps, and the milliseconds that each took."""
        losses, times = [], []
        for _ in range(steps):
            began = time.perf_counter()
            losses.append(next(self.training))
            times.append((time.perf_counter() - began) * 1e3)
        return {"losses": losses, "ms": times}

    def scores(self) -> dict[str, float]:
        return self._scores(self.write(list(self.unseen)))

    def word_for_word(self) -> dict[str, float]:
        return self._scores(list(map(WordForWord(self.learn_from), self.unseen)))

    def _scores(self, texts: list[str]) -> dict[str, float]:
        references = list(self.unseen.values())
        measures: dict[str, Callable[..., float]] = {"exact": exact_match, "bleu": bleu, "chrf": chrf}
        return {name: round(measure(texts, references), 2) for name, measure in measures.items()}

    def facts(self) -> dict[str, Any]:
        return {
            "parameters": self.model.n_params, "pairs": len(self.learn_from), "tested": len(self.unseen),
            "max_pairs": self.form["max_pairs"], "smoothing": self.form["smoothing"],
        }  # fmt: skip

    def versions(self) -> dict[str, str]:
        return {"numpy": numpy.__version__}


class Ours(Side):
    @cached_property
    def training(self) -> Iterator[float]:
        from tinygpt.train import AdamW, seq2seq_loss, train

        optimizer = AdamW(self.model.parameters(), beta2=self.example["BETA2"])
        loss = partial(seq2seq_loss, label_smoothing=self.form["smoothing"])
        return (step.loss for step in train(self.model, loss, self.batches, optimizer, self.steps, self.rate))

    def write(self, sources: list[str]) -> list[str]:
        return self.example["write"](partial(self.example["likeliest"], self.model), self.tokenizers, sources)


class Torch(Side):
    """The same in plain PyTorch: model, loss, optimizer and search are its own."""

    @cached_property
    def peer(self) -> Any:
        from peers.torch_gpt import load_ours
        from peers.torch_seq2seq import Seq2Seq

        peer = Seq2Seq(self.model.config, self.form["smoothing"])
        load_ours(peer, self.model.state_dict())
        return peer

    @cached_property
    def training(self) -> Iterator[float]:
        import torch
        from peers.torch_gpt import make_optimizer, train_step

        optimizer = make_optimizer(self.peer, (0.9, self.example["BETA2"]))
        for index in itertools.count():
            for group in optimizer.param_groups:
                group["lr"] = self.rate(index)
            yield train_step(self.peer, self.peer, optimizer, *map(torch.from_numpy, self.batches(index)))

    def versions(self) -> dict[str, str]:
        import torch

        return {"torch": torch.__version__}

    def write(self, sources: list[str]) -> list[str]:
        import torch
        from peers.torch_seq2seq import greedy_search

        def search(source: numpy.ndarray, mask: numpy.ndarray, end: int) -> list[list[int]]:
            longest = self.example["MOST_TOKENS"]
            return greedy_search(self.peer, torch.from_numpy(source), torch.from_numpy(mask), end, end, longest)

        return self.example["write"](search, self.tokenizers, sources)


SIDES: dict[str, type[Side]] = {"tinygpt": Ours, "torch": Torch}


def main() -> None:
    name, data, steps, tested, threads = sys.argv[1:]
    if name == "torch":
        import torch

        torch.set_num_threads(int(threads))
    example = runpy.run_path(str(EXAMPLE))
    side = SIDES[name](example, None if data == "-" else data, int(steps), int(tested))
    requests = ("facts", "versions", "save", "load", "learn", "scores", "word_for_word")
    serve({each: getattr(side, each) for each in requests})


if __name__ == "__main__":
    main()
