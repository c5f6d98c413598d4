"""The pre-training of an encoder–decoder: it restores text that was corrupted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from shlex import quote
from typing import Any

import numpy as np

from autograd import Key

from ...errors import BadInput
from ...generate import greedy_search, translations
from ...model import Seq2Seq, Seq2SeqConfig
from ...text.corpus import Corpus
from ...text.denoising import CORRUPTED, FILLED_IN, infilling, n_spans, sentinels, span_corruption
from ...text.pair_batches import PairBatch
from ...text.tokenizer import END_OF_TEXT, MASK, BaseTokenizer
from ...train import seq2seq_loss
from ...train.evaluate import Evaluation
from ..options import TrainOptions
from ..prepare import prepare, unigram_baselines
from .task import TextTask, shape

LEAST = 2  # tokens of a window: one is lost, and one stays


class DenoisingTask(TextTask):
    """T5's missing spans, or BART's infilling."""

    loss = measure = staticmethod(seq2seq_loss)
    kind = "seq2seq"
    this_model = "this encoder–decoder"
    does = "From corrupted text it makes"

    def __init__(self, data: Corpus, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        names = sentinels(n_spans(options.block_size))
        self.texts = prepare(data, options, tokenizer, more_special=(END_OF_TEXT, MASK, *names))
        super().__init__(data, options, self.texts.tokenizer)
        special = self.tokenizer.special_tokens
        self._require_tokens(END_OF_TEXT, *(names if options.denoising == "spans" else [MASK]))
        self._sentinels = [special[name] for name in names if name in special]
        if self._window < LEAST:
            raise BadInput(
                f"of windows of {self._window} tokens nothing would stay to restore the rest from: denoising needs a "
                f"--block-size of at least {LEAST + 1}, and as many tokens of held-out text"
            )

    def _require_tokens(self, *names: str) -> None:
        for name in names:
            if name not in self.tokenizer.special_tokens:
                raise BadInput(
                    f"the vocabulary has no {name}, which --denoising {self.options.denoising} needs: leave "
                    "--init-from out, or begin from a run that denoises, too"
                )

    def model(self, key: Key) -> Seq2Seq:
        return Seq2Seq(Seq2SeqConfig(self.tokenizer.vocab_size, **shape(self.options)), key)

    def whole_validation(self) -> Iterable[Any]:
        """Windows drawn from the held-out text, as many as it has room for."""
        return (self.drawn(self.held_out, 0, index) for index in range(self._passes))

    @cached_property
    def baselines(self) -> dict[str, Evaluation]:
        learned = [self.drawn(self.learn_from, 1, index).targets for index in range(self._passes)]
        targets = [batch.targets for batch in self.whole_validation()]
        learned, targets = (np.concatenate([each.ravel() for each in both]) for both in (learned, targets))
        return unigram_baselines(learned, targets, self.tokenizer.vocab_size)

    def data_lines(self) -> list[str]:
        t = self.texts
        spans = self.options.denoising == "spans"
        how = f"{CORRUPTED:.0%} of them in spans" if spans else f"{FILLED_IN:.0%} of them filled in"
        return [
            self.split_line(),
            f"tokenizer  {t.tokenizer.vocab_size:,} tokens, {t.train_bytes / len(t.train):.2f} bytes a token; {how}",
        ]

    def show(self, model: Seq2Seq, seed: int, at_the_end: bool = False) -> None:
        batch = self.drawn(self.held_out, self.options.seed + 2, seed)
        source, mask = batch.source[:1], batch.source_mask[:1]
        most = self.options.block_size - 1
        begun = translations(model, np.asarray(source), np.asarray(mask), self._end, most)
        (made,) = greedy_search(begun, [self._end])
        corrupted = self.tokenizer.decode(np.asarray(source[0])[np.asarray(mask[0])])
        print(f"  {corrupted!r}\n  → {self.tokenizer.decode(made)!r}", flush=True)

    def next_command(self, run: str) -> str:
        return f"go on from it: tinygpt train --task seq2seq --init-from {quote(run)} --data pairs.tsv --out runs/pairs"

    @property
    def _end(self) -> int:
        return self.tokenizer.end_of_text

    @property
    def _window(self) -> int:
        """The size of a window, which fits the context together with the token that begins or ends it."""
        return min(self.options.block_size - 1, len(self.texts.validation) - 1)

    @property
    def _passes(self) -> int:
        return math.ceil(len(self.texts.validation) / (self._window * self.options.batch_size))

    def drawn(self, tokens: np.ndarray, seed: int, index: int) -> PairBatch:
        o = self.options
        if o.denoising == "spans":
            marks = self._sentinels
            return span_corruption(tokens, o.batch_size, self._window, marks, self._end, self._end, seed, index)
        mask = self.tokenizer.special_tokens[MASK]
        return infilling(tokens, o.batch_size, self._window, mask, self._end, self._end, seed, index)
