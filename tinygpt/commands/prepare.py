"""From the options of a run to what training needs: text, tokenizer, token ids, baselines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..errors import BadInput
from ..model.bigram import CountedBigram
from ..text.batches import IGNORE, random_windows
from ..text.corpus import Corpus, embedded_english, split
from ..text.tokenizer import END_OF_TEXT, BaseTokenizer, CharTokenizer, Tokenizer
from ..train.evaluate import Evaluation
from .given_text import read_corpus
from .options import TrainOptions

PRIORS = (2, 8, 32, 128, 512)  # pseudo-counts of the counted bigram: the one best for the validation text is taken


@dataclass(frozen=True)
class Texts:
    """A corpus as token ids, split into a training part and a held-out part."""

    corpus: Corpus
    tokenizer: BaseTokenizer
    train: np.ndarray
    validation: np.ndarray
    train_bytes: int
    validation_bytes: int


def corpus_of(options: TrainOptions) -> Corpus:
    return read_corpus(options.data, options.encoding) if options.data else embedded_english()


def prepare(
    corpus: Corpus, options: TrainOptions, tokenizer: BaseTokenizer | None = None, more_special: tuple[str, ...] = ()
) -> Texts:
    """The corpus as tokens; a new tokenizer gets the special tokens `more_special`, too.

    Raises BadInput for a corpus too short for one context, or with characters the tokenizer does not know.
    """
    train, validation = split(corpus)
    if tokenizer is None:
        ends = (END_OF_TEXT,) if options.tokenizer == "bpe" or len(corpus.documents) > 1 else ()
        tokenizer = new_tokenizer(corpus.texts, train.texts, options, (*ends, *more_special))
    ids, held_out = _training_ids(tokenizer, train, options), tokenizer.encode_documents(validation.texts)
    if len(corpus.documents) == 1 and tokenizer.end_of_text is not None:
        ids, held_out = ids[:-1], held_out[:-1]  # one text cut in two does not end at the cut
    random_windows(ids, 1, options.block_size, options.seed, 0)
    if len(held_out) < 2:
        raise BadInput("the validation part of the corpus has fewer than 2 tokens: give more text")
    return Texts(corpus, tokenizer, ids, held_out, train.n_bytes, validation.n_bytes)


def _training_ids(tokenizer: BaseTokenizer, train: Corpus, options: TrainOptions) -> np.ndarray:
    if not options.bpe_dropout:
        return tokenizer.encode_documents(train.texts)
    rows = (
        [*tokenizer.encode_dropout(text, options.bpe_dropout, options.seed), *tokenizer.ends] for text in train.texts
    )
    return np.fromiter(chain.from_iterable(rows), dtype=tokenizer.dtype)


def new_tokenizer(
    texts: Iterable[str], to_learn_from: Iterable[str], options: TrainOptions, special_tokens: Iterable[str]
) -> BaseTokenizer:
    """What the options ask for: the characters of all texts, as in nanoGPT, or merges learned from training texts."""
    special_tokens = dict.fromkeys(special_tokens)
    if options.tokenizer == "char":
        return CharTokenizer.train(texts, special_tokens=special_tokens)
    return Tokenizer.train(to_learn_from, options.vocab_size, special_tokens=special_tokens)


def baselines(texts: Texts) -> dict[str, Evaluation]:
    """The loss of a uniform guess, and of a bigram counted in the training text, on the held-out text."""
    targets, vocab_size = len(texts.validation) - 1, texts.tokenizer.vocab_size
    nats = min(CountedBigram(texts.train, vocab_size, prior).nats(texts.validation) for prior in PRIORS)
    return {
        "uniform guess": Evaluation(targets * math.log(vocab_size), targets, texts.validation_bytes),
        "counted bigram": Evaluation(nats, targets, texts.validation_bytes),
    }


def unigram_baselines(learned: np.ndarray, targets: np.ndarray, vocab_size: int) -> dict[str, Evaluation]:
    """The loss of a uniform guess, and of the frequencies of the `learned` tokens plus one, on the targets."""
    targets = targets[targets != IGNORE]
    counts = np.bincount(learned[learned != IGNORE], minlength=vocab_size) + 1
    cost = np.log(counts.sum() / counts)
    return {
        "uniform guess": Evaluation(len(targets) * math.log(vocab_size), len(targets)),
        "counted unigram": Evaluation(float(cost[targets].sum()), len(targets)),
    }
