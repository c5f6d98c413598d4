"""Metrics that compare the texts of a model with references that people wrote.

Every metric takes one hypothesis for each source, and for each hypothesis the list of its references. BLEU, chrF and
ROUGE are those of the libraries `sacrebleu` and `rouge-score`, so that their numbers can be compared with published
ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ..errors import BadInput, MissingExtra

ROUGES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU of the whole corpus, 0 to 100: the precision of n-grams of one to four words, less a penalty for brevity.

    Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation", section 2. Raises BadInput
    if there is nothing to compare, MissingExtra if sacrebleu is not installed.
    """
    _check(hypotheses, references)
    return _library("sacrebleu").corpus_bleu(list(hypotheses), _transposed(references)).score


def chrf(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """chrF of the whole corpus, 0 to 100: the F-score of n-grams of one to six characters.

    A right word with a wrong ending counts for something, which it does not in BLEU.

    Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation", section 2. Raises as bleu does.
    """
    _check(hypotheses, references)
    return _library("sacrebleu").corpus_chrf(list(hypotheses), _transposed(references)).score


def rouge(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L, 0 to 100: shared words, shared bigrams, longest common subsequence of words.

    F-measures over stemmed words: the best over the references of each hypothesis, averaged over the hypotheses. Lin
    2004, "ROUGE: a package for automatic evaluation of summaries", sections 2 and 3. Raises BadInput if there is
    nothing to compare, MissingExtra if rouge-score is not installed.
    """
    _check(hypotheses, references)
    scorer = _library("rouge_score.rouge_scorer").RougeScorer(list(ROUGES), use_stemmer=True)
    scores = [scorer.score_multi(list(each), text) for text, each in zip(hypotheses, references, strict=True)]
    return {name: 100 * sum(score[key].fmeasure for score in scores) / len(scores) for key, name in ROUGES.items()}


def exact_match(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The percentage of hypotheses that equal one of their references, white space at both ends ignored."""
    _check(hypotheses, references)
    right = [text.strip() in {one.strip() for one in each} for text, each in zip(hypotheses, references, strict=True)]
    return 100 * sum(right) / len(right)


def _transposed(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """The first references of all, then the second ones, and so on, as sacrebleu wants them; None for a missing one."""
    most = max(map(len, references))
    return [[each[i] if i < len(each) else None for each in references] for i in range(most)]


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not hypotheses or len(hypotheses) != len(references):
        raise BadInput(f"{len(hypotheses)} hypotheses cannot be compared with {len(references)} lists of references")
    if any(isinstance(each, str) or not each for each in references):
        raise BadInput("each hypothesis needs a list of references, with one in it at least")


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0].replace("_", "-")
        raise MissingExtra(f"this measure needs {package}: pip install -e '.[eval]'") from None
