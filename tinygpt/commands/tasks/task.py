"""What a run trains for. The loop in ../train.py knows no particular task; each of them is one file here."""

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
from ..prepare import Texts, corpus_of

SAMPLE_TOKENS, LAST_SAMPLE_TOKENS = 60, 160


class Task(ABC):
    """Data, read and tokenized, with the model and the loss that go with it."""

    loss: Loss
    """The loss that training minimizes."""

    measure: Loss
    """The loss reported for held-out text: always −log p itself, without label smoothing or the like."""

    kind: ClassVar[str]
    """The kind of its models, as model/kinds.py names it."""

    this_model: ClassVar[str]
    """What the model is called in the table at the end."""

    does: ClassVar[str] = "It writes"
    """The words that announce what `show` prints."""

    def __init__(self, data: Any, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        """`data` is what `read` returned. A tokenizer that is given is used; otherwise one is learned."""
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
        """How many bytes of UTF-8 `whole_validation` covers; 0 where the targets are not a text."""

    @property
    @abstractmethod
    def baselines(self) -> dict[str, Evaluation]:
        """The loss of simpler predictors on the held-out text; the last is the one to beat."""

    def rehearse(self) -> None:
        """Draws the first batches before a run is made. Raises BadInput where the data is not enough for them."""
        self.batches()(0)
        self.some_validation()
        _ = self.baselines

    @abstractmethod
    def data_lines(self) -> list[str]:
        """Lines that describe the data."""

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
        """Lines with further measures of the finished model, such as accuracy."""
        return []


class TextTask(Task):
    """A task whose batches are drawn from one long row of tokens."""

    texts: Texts

    @staticmethod
    def read(options: TrainOptions) -> Corpus:
        return corpus_of(options)

    @property
    def learn_from(self) -> Any:
        """The training data that batches are drawn from."""
        return self.texts.train

    @property
    def held_out(self) -> Any:
        """The held-out data, in the same form."""
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

    def split_line(self) -> str:
        """How many tokens there are to train on, and how many are held out."""
        t = self.texts
        return f"           train {len(t.train):,} tokens, validation {len(t.validation):,} (held-out text)"


def shape(options: TrainOptions) -> dict[str, Any]:
    """The hyper-parameters of a model among the options, for any configuration."""
    names = TransformerConfig.__dataclass_fields__
    return {name: value for name, value in asdict(options).items() if name in names and name != "vocab_size"}
