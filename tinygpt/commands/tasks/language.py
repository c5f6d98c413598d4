"""The task of a GPT: each next token of a text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from shlex import quote

import numpy as np

from autograd import Key

from ...model import GPT, GPTConfig
from ...text.batches import Batch, random_windows, strided_windows
from ...text.corpus import Corpus
from ...text.tokenizer import BaseTokenizer
from ...train import causal_lm_loss
from ...train.evaluate import Evaluation
from ..options import TrainOptions
from ..prepare import baselines, prepare
from ..writing import write_sample
from .task import LAST_SAMPLE_TOKENS, SAMPLE_TOKENS, TextTask, shape


class LanguageTask(TextTask):
    """Causal language modeling."""

    loss = measure = staticmethod(causal_lm_loss)
    kind = "gpt"
    this_model = "this GPT"

    def __init__(self, data: Corpus, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        self.texts = prepare(data, options, tokenizer)
        super().__init__(data, options, self.texts.tokenizer)

    def model(self, key: Key) -> GPT:
        return GPT(GPTConfig(self.tokenizer.vocab_size, **shape(self.options)), key)

    def drawn(self, tokens: np.ndarray, seed: int, index: int) -> Batch:
        o = self.options
        size = min(o.block_size, len(tokens) - 1)
        return random_windows(tokens, o.batch_size, size, seed, index)

    def whole_validation(self) -> Iterable[Batch]:
        """Windows side by side: every held-out token once."""
        o = self.options
        return strided_windows(self.texts.validation, o.batch_size, o.block_size)

    @property
    def validation_bytes(self) -> int:
        return self.texts.validation_bytes

    @cached_property
    def baselines(self) -> dict[str, Evaluation]:
        return baselines(self.texts)

    def data_lines(self) -> list[str]:
        t = self.texts
        kind = "bytes merged in pairs" if self.options.tokenizer == "bpe" else "characters"
        return [
            self.split_line(),
            f"tokenizer  {t.tokenizer.vocab_size:,} tokens ({kind}), {t.train_bytes / len(t.train):.2f} bytes a token",
        ]

    def show(self, model: GPT, seed: int, at_the_end: bool = False) -> None:
        write_sample(model, self.tokenizer, LAST_SAMPLE_TOKENS if at_the_end else SAMPLE_TOKENS, seed)

    def next_command(self, run: str) -> str:
        return f"more of it: tinygpt generate {quote(run)} --prompt 'The '"
