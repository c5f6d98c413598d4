"""BERT's two tasks at once: masked tokens of a pair of sentences, and whether the second follows the first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from ...errors import BadInput
from ...model import Bert
from ...text.corpus import Corpus, split
from ...text.masked_lm import MaskedBatch
from ...text.next_sentence import Documents, next_sentence_batch, sentences
from ...text.tokenizer import CLASSIFY, MASK, SEPARATE, BaseTokenizer, Tokenizer
from ...train import bert_loss, next_sentence_accuracy
from ..options import TrainOptions
from .masked import MaskedTask


class NextSentenceTask(MaskedTask):
    """Masked language modeling of pairs; a sentence is a line. Losses of held-out text are of the tokens alone."""

    loss = staticmethod(bert_loss)
    special_tokens = (MASK, CLASSIFY, SEPARATE)

    def __init__(self, data: Corpus, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        super().__init__(data, options, tokenizer)
        if tokenizer is None and isinstance(self.tokenizer, Tokenizer):
            self.tokenizer = self.tokenizer.in_pairs()
        if not self.tokenizer.surround([], []):
            raise BadInput(
                "--next-sentence needs a vocabulary that puts something around two sentences: "
                "leave --init-from out, and train with --tokenizer bpe"
            )
        if min(len(self.learn_from), len(self.held_out)) < 2:
            n = len(data.documents)
            held_out = len(self.held_out) if n > 1 else "a part"
            raise BadInput(
                "--next-sentence needs two documents to learn from and two held out; each file is a document, and of "
                f"the {n} here {held_out} would be held out: give more files"
            )
        for name, documents in (("to learn from", self.learn_from), ("held out", self.held_out)):
            try:
                self.drawn(documents, options.seed, 0)
            except BadInput as error:
                raise BadInput(f"--next-sentence, with the documents {name}: {error}") from None

    @cached_property
    def learn_from(self) -> Documents:
        return self._sentences[0]

    @cached_property
    def held_out(self) -> Documents:
        return self._sentences[1]

    @cached_property
    def counted(self) -> np.ndarray:
        """The sentences alone: what stands between lines is in no pair."""
        return np.concatenate([sentence for document in self.learn_from for sentence in document])

    @cached_property
    def _sentences(self) -> list[Documents]:
        return [sentences(part.texts, self.tokenizer) for part in split(self.data)]

    def whole_validation(self) -> Iterable[MaskedBatch]:
        """Pairs drawn from the held-out text, as many as it has room for."""
        o = self.options
        passes = math.ceil(len(self.texts.validation) / (o.block_size * o.batch_size))
        return (self.drawn(self.held_out, 0, index) for index in range(passes))

    def drawn(self, tokens: Documents, seed: int, index: int) -> MaskedBatch:
        o = self.options
        return next_sentence_batch(tokens, self.tokenizer, self.masking, o.batch_size, o.block_size, seed, index)

    def data_lines(self) -> list[str]:
        n, held_out = (sum(map(len, documents)) for documents in (self.learn_from, self.held_out))
        line = f"pairs      of {n:,} lines, validation of {held_out:,}; half of the pairs follow each other in the text"
        return [*super().data_lines(), line]

    @property
    def step_size(self) -> str:
        return f"{self.options.batch_size * self.options.gradient_accumulation_steps:,} pairs"

    def scores(self, model: Bert) -> list[str]:
        right = next_sentence_accuracy(model, self.whole_validation())
        told = ["\npairs that follow each other told from others", f"{self.this_model:<40} {right:>6.1%}"]
        return [*super().scores(model), *told]
