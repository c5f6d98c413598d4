"""What a run trains for. The command's loop knows none of the tasks; each of them is one file here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, ClassVar

from autograd import Key

from ...model import Module
from ...model.config import TransformerConfig
from ...text.corpus import Corpus
from ...text.tokenizer import BaseTokenizer
from ...train.evaluate import Evaluation
from ...train.losses import Loss
from ..options import TrainOptions
from ..prepare import Texts, read_corpus

SAMPLE_TOKENS, LAST_SAMPLE_TOKENS = 60, 160


class Task(ABC):
    """Data that has been read and made into tokens; the model and the loss that go with it."""

    loss: Loss
    """What is trained by."""

    measure: Loss
    """What is reported of held-out text: the plain likelihood, whatever helps to train."""

    kind: ClassVar[str]
    """Of its models, as model/kinds.py has it."""

    this_model: ClassVar[str]
    """What the model is called in the table at the end."""

    does: ClassVar[str] = "It writes"
    """How what `show` prints is announced."""

    def __init__(self, data: Any, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        """`data` is what `read` gave; with a tokenizer, that one is used, and none learned."""
        self.data, self.options = data, options
        self.tokenizer = tokenizer

    @staticmethod
    @abstractmethod
    def read(options: TrainOptions) -> Any:
        """The data, with a `name`, its `n_bytes` and a `fingerprint`. Raises BadInput where there is none."""

    @abstractmethod
    def model(self, key: Key) -> Module:
        """A fresh model for this data."""

    @abstractmethod
    def batches(self) -> Callable[[int], Any]:
        """Batch number → batch."""

    @abstractmethod
    def some_validation(self) -> list[Any]:
        """The same batches at every evaluation on the way, so that their losses can be compared."""

    @abstractmethod
    def whole_validation(self) -> Iterable[Any]:
        """Everything held out, once."""

    @property
    @abstractmethod
    def validation_bytes(self) -> int:
        """What `whole_validation` stands for, in UTF-8; 0 where the targets are not a text."""

    @property
    @abstractmethod
    def baselines(self) -> dict[str, Evaluation]:
        """What the held-out text costs those who know less; the last is the one to beat."""

    def rehearse(self) -> None:
        """Draws what a run begins with. Raises BadInput where the data does not give it."""
        self.batches()(0)
        self.some_validation()
        _ = self.baselines

    @abstractmethod
    def data_lines(self) -> list[str]:
        """What the data is, in lines for the reader."""

    @property
    def step_size(self) -> str:
        """How much the model sees in a step."""
        o = self.options
        return f"{o.batch_size * o.gradient_accumulation_steps * o.block_size:,} tokens"

    @abstractmethod
    def show(self, model: Module, seed: int, at_the_end: bool = False) -> None:
        """Print something that the model makes."""

    @abstractmethod
    def next_command(self, run: str) -> str:
        """What to try with the finished run."""

    def scores(self, model: Module) -> list[str]:
        """Lines about the finished model that a loss does not say."""
        return []


class TextTask(Task):
    """A task whose batches are drawn from one long row of tokens."""

    texts: Texts

    @staticmethod
    def read(options: TrainOptions) -> Corpus:
        return read_corpus(options)

    @property
    def learn_from(self) -> Any:
        """What batches to learn from are drawn from."""
        return self.texts.train

    @property
    def held_out(self) -> Any:
        """The same of the text that is not learned from."""
        return self.texts.validation

    @abstractmethod
    def drawn(self, tokens: Any, seed: int, index: int) -> Any:
        """Batch `index` of `learn_from` or `held_out`: a pure function of its arguments."""

    def batches(self) -> Callable[[int], Any]:
        return lambda index: self.drawn(self.learn_from, self.options.seed, index)

    def some_validation(self) -> list[Any]:
        o = self.options
        return [self.drawn(self.held_out, o.seed + 1, index) for index in range(o.eval_iters)]

    @property
    def validation_bytes(self) -> int:
        return 0


def shape(options: TrainOptions) -> dict[str, Any]:
    """The hyper-parameters of a model among the options, for any configuration."""
    names = TransformerConfig.__dataclass_fields__
    return {name: value for name, value in asdict(options).items() if name in names and name != "vocab_size"}
