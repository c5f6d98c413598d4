"""The task of an encoder: predicting masked tokens of a text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from shlex import quote
from typing import ClassVar

import numpy as np

from autograd import Key

from ...model import Bert, BertConfig
from ...text.batches import IGNORE
from ...text.corpus import Corpus
from ...text.masked_baselines import likeliest_after, likeliest_before, most_frequent
from ...text.masked_lm import MaskedBatch, Masking, consecutive_masked_windows, random_masked_windows
from ...text.tokenizer import MASK, BaseTokenizer
from ...train import masked_accuracy, masked_lm_loss, mlm_predictions
from ...train.evaluate import Evaluation
from ..options import TrainOptions
from ..prepare import prepare, unigram_baselines
from .task import TextTask, shape

SHOWN = 40  # tokens of held-out text that are printed with the model's guesses


class MaskedTask(TextTask):
    """Masked language modeling."""

    loss = measure = staticmethod(masked_lm_loss)
    kind = "bert"
    this_model = "this encoder"
    does = "It guesses ([guess|masked token])"
    special_tokens: ClassVar[tuple[str, ...]] = (MASK,)

    def __init__(self, data: Corpus, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        self.texts = prepare(data, options, tokenizer, more_special=self.special_tokens)
        super().__init__(data, options, self.texts.tokenizer)
        self.masking = Masking.of(self.tokenizer, options.whole_words)

    def model(self, key: Key) -> Bert:
        return Bert(BertConfig(self.tokenizer.vocab_size, **shape(self.options)), key)

    @property
    def counted(self) -> np.ndarray:
        """The tokens from whose frequencies the baselines guess."""
        return self.texts.train

    @cached_property
    def baselines(self) -> dict[str, Evaluation]:
        """Only about one token in seven is a target, so losses are given per token, not per byte."""
        targets = np.concatenate([batch.targets.ravel() for batch in self.whole_validation()])
        return unigram_baselines(self.counted, targets, self.tokenizer.vocab_size)

    def data_lines(self) -> list[str]:
        t = self.texts
        words = ", whole words" if self.options.whole_words else ""
        return [
            self.split_line(),
            f"tokenizer  {t.tokenizer.vocab_size:,} tokens, {t.train_bytes / len(t.train):.2f} bytes a token; "
            f"{self.masking.share:.0%} are hidden{words}",
        ]

    def show(self, model: Bert, seed: int, at_the_end: bool = False) -> None:
        batch = self.drawn(self.held_out, self.options.seed + 2, seed)
        guesses = mlm_predictions(model)(batch)[0]
        n = SHOWN if batch.mask is None else min(SHOWN, int(batch.mask[0].sum()))
        ids, targets = (np.asarray(each[0])[:n] for each in (batch.inputs, batch.targets))
        shown = [
            self.tokenizer.decode([token])
            if target == IGNORE
            else f"[{self.tokenizer.decode([guess])}|{self.tokenizer.decode([target])}]"
            for token, target, guess in zip(ids.tolist(), targets.tolist(), guesses[:n].tolist())
        ]
        print("".join(shown).replace("\n", " "), flush=True)

    def scores(self, model: Bert) -> list[str]:
        train, vocab_size = self.counted, self.tokenizer.vocab_size
        known = {
            "the most frequent token": most_frequent(train),
            "the likeliest after the token before": likeliest_after(train, vocab_size),
            "the likeliest before the token after": likeliest_before(train, vocab_size),
            self.this_model: mlm_predictions(model),
        }
        accuracy = {name: masked_accuracy(guess, self.whole_validation()) for name, guess in known.items()}
        return ["\nhidden tokens guessed right", *(f"{name:<40} {each:>6.1%}" for name, each in accuracy.items())]

    def next_command(self, run: str) -> str:
        text = quote(f"The {self.tokenizer.mask_token} of the list is returned.")
        return f"try it: tinygpt fill {quote(run)} {text}"

    def whole_validation(self) -> Iterable[MaskedBatch]:
        o = self.options
        return consecutive_masked_windows(self.texts.validation, self.masking, o.batch_size, o.block_size, o.seed)

    def drawn(self, tokens: np.ndarray, seed: int, index: int) -> MaskedBatch:
        o = self.options
        size = min(o.block_size, len(tokens) - 1)
        return random_masked_windows(tokens, self.masking, o.batch_size, size, seed, index)

