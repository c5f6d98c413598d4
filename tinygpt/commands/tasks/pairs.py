"""The task of an encoder–decoder: one text from another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from shlex import quote
from typing import Any

import numpy as np

from autograd import Key

from ...errors import BadInput, MissingExtra
from ...generate import greedy_search, translations
from ...model import Seq2Seq, Seq2SeqConfig
from ...text.batches import pad
from ...text.corpus.documents import fingerprint_of
from ...text.corpus.made_pairs import arithmetic_pairs
from ...text.pair_baselines import WordForWord
from ...text.pair_batches import EncodedPair, PairBatches, encode_pairs
from ...text.pairs import Pair, by_source, read_pairs, split_pairs
from ...text.tokenizer import END_OF_TEXT, BaseTokenizer
from ...text.tokenizer.pretokens import text_to_bytes
from ...train import seq2seq_loss
from ...train.evaluate import Evaluation
from ...train.metrics import bleu, chrf, exact_match, rouge
from ..options import TrainOptions
from ..prepare import new_tokenizer, unigram_baselines
from .task import Task, shape

MADE_PAIRS = 20_000  # made up where no data is given: arithmetic in words and in figures
SHOWN, TESTED, AT_ONCE = 3, 200, 50
APART = 7919  # places between the sources shown: a prime, so that they differ for almost any number of sources


@dataclass(frozen=True)
class PairCorpus:
    """Pairs of texts under a name that a person recognises."""

    name: str
    pairs: tuple[Pair, ...]

    @cached_property
    def texts(self) -> list[str]:
        return [text for pair in self.pairs for text in pair]

    @property
    def n_bytes(self) -> int:
        return sum(len(text_to_bytes(text)) for text in self.texts)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self.texts)


class PairTask(Task):
    """Translation, summarization, and whatever else makes one text of another."""

    measure = staticmethod(seq2seq_loss)
    kind = "seq2seq"
    this_model = "this encoder–decoder"
    does = "Of texts that it has not seen it makes"

    def __init__(self, data: PairCorpus, options: TrainOptions, tokenizer: BaseTokenizer | None = None) -> None:
        self.learn_from, self.held_out = split_pairs(data.pairs)
        if tokenizer is None:
            to_learn_from = [text for pair in self.learn_from for text in pair]
            tokenizer = new_tokenizer(data.texts, to_learn_from, options, (END_OF_TEXT,))
        super().__init__(data, options, tokenizer)
        self.train_pairs, self.left_out = self._encoded(self.learn_from)
        self.validation_pairs, _ = self._encoded(self.held_out)

    @staticmethod
    def read(options: TrainOptions) -> PairCorpus:
        if not options.data:
            return PairCorpus("arithmetic in words and figures", tuple(arithmetic_pairs(MADE_PAIRS, most_operations=2)))
        pairs = tuple(pair for path in options.data for pair in read_pairs(path, encoding=options.encoding))
        more = f" and {len(options.data) - 1} more" if len(options.data) > 1 else ""
        return PairCorpus(f"{options.data[0]}{more}", pairs)

    @property
    def loss(self) -> Any:
        return partial(seq2seq_loss, label_smoothing=self.options.label_smoothing)

    def model(self, key: Key) -> Seq2Seq:
        return Seq2Seq(Seq2SeqConfig(self.tokenizer.vocab_size, **shape(self.options)), key)

    def batches(self) -> Callable[[int], Any]:
        return self._batches(self.train_pairs, self.options.seed)

    def some_validation(self) -> list[Any]:
        drawn = self._batches(self.validation_pairs, self.options.seed + 1)
        return [drawn(index) for index in range(self.options.eval_iters)]

    def whole_validation(self) -> Iterable[Any]:
        return self._batches(self.validation_pairs, 0).in_order()

    @property
    def validation_bytes(self) -> int:
        return 0

    @cached_property
    def baselines(self) -> dict[str, Evaluation]:
        learned = np.concatenate([[*target, self._end] for _, target in self.train_pairs])
        targets = np.concatenate([[*target, self._end] for _, target in self.validation_pairs])
        return unigram_baselines(learned, targets, self.tokenizer.vocab_size)

    def data_lines(self) -> list[str]:
        kept, out = len(self.train_pairs), self.left_out
        note = f"; {out:,} left out, whose targets do not fit the context" if out else ""
        n_bytes = sum(len(text_to_bytes(text)) for pair in self.learn_from for text in pair)
        tokens = sum(len(source) + len(target) for source, target in self.train_pairs)
        return [
            f"           train {kept:,} pairs, validation {len(self.validation_pairs):,} of other sources{note}",
            f"tokenizer  {self.tokenizer.vocab_size:,} tokens, {n_bytes / max(tokens, 1):.2f} bytes a token",
        ]

    @property
    def step_size(self) -> str:
        return f"{self.options.batch_size * self.options.gradient_accumulation_steps:,} pairs"

    def show(self, model: Seq2Seq, seed: int, at_the_end: bool = False) -> None:
        sources = list(self._unseen)
        chosen = [sources[(seed + i * APART) % len(sources)] for i in range(SHOWN)]
        for source, made in zip(chosen, self._write(model, chosen)):
            expected = self._unseen[source]
            print(f"  {source}\n  → {made}" + ("" if made in expected else f"   (expected: {expected[0]})"), flush=True)

    def scores(self, model: Seq2Seq) -> list[str]:
        sources = list(self._unseen)[:TESTED]
        references = [self._unseen[source] for source in sources]
        known = WordForWord(self.learn_from)
        made = {"word for word": [known(source) for source in sources], self.this_model: self._write(model, sources)}
        lines = [f"\n{len(sources)} texts of others than it learned from"]
        for name, hypotheses in made.items():
            line = f"{name:<24} {exact_match(hypotheses, references):5.1f}% exact"
            for measured in (_of_translations, _of_summaries):
                with suppress(MissingExtra):
                    line += measured(hypotheses, references)
            lines.append(line)
        return lines

    def next_command(self, run: str) -> str:
        return f"try it: tinygpt translate {quote(run)} {quote(next(iter(self._unseen)))}"

    @property
    def _end(self) -> int:
        if self.tokenizer.end_of_text is None:
            raise BadInput("this vocabulary has no <|endoftext|>, which begins and ends what an encoder–decoder writes")
        return self.tokenizer.end_of_text

    @cached_property
    def _unseen(self) -> dict[str, list[str]]:
        return by_source(self.held_out)

    def _encoded(self, pairs: Sequence[Pair]) -> tuple[list[EncodedPair], int]:
        """The ids of the pairs, sources cut to the context, and how many targets do not fit into it."""
        size = self.options.block_size
        encoded = encode_pairs(pairs, self.tokenizer)
        kept = [(source[:size], target) for source, target in encoded if source and len(target) < size]
        if not kept:
            raise BadInput(f"no pair fits into a context of {size} tokens: make --block-size larger")
        return kept, len(encoded) - len(kept)

    def _batches(self, pairs: list[EncodedPair], seed: int) -> PairBatches:
        return PairBatches(pairs, self._end, self._end, seed, self.options.batch_size)

    def _write(self, model: Seq2Seq, sources: list[str]) -> list[str]:
        size, made = self.options.block_size, []
        for start in range(0, len(sources), AT_ONCE):
            ids = [row[:size] for row in self.tokenizer.encode_batch(sources[start : start + AT_ONCE])]
            made += greedy_search(translations(model, *pad(ids), self._end, max_new_tokens=size - 1), [self._end])
        return [self.tokenizer.decode(each).strip() for each in made]


def _of_translations(hypotheses: list[str], references: list[list[str]]) -> str:
    return f", BLEU {bleu(hypotheses, references):.1f}, chrF {chrf(hypotheses, references):.1f}"


def _of_summaries(hypotheses: list[str], references: list[list[str]]) -> str:
    return f", ROUGE-L {rouge(hypotheses, references)['ROUGE-L']:.1f}"
