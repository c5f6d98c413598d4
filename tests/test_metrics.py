"""Measures: their bounds, what they do not mind, and the numbers of another implementation."""

import json
import sys
from pathlib import Path

import pytest

from tinygpt.errors import BadInput, MissingExtra
from tinygpt.text.pair_baselines import WordForWord, lead_sentence
from tinygpt.text.pairs import Pair
from tinygpt.train.metrics import bleu, chrf, exact_match, rouge

pytestmark = pytest.mark.core

ROUGE_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "summarize" / "rouge-data.json"
TEXTS = ["the cat sat on the mat today", "a dog barked at two of the birds"]
REFERENCES = [["a cat was on the mat", "the cat sat on the mat today"], ["a dog barked at two of the birds"]]
EACH_LIBRARY = pytest.mark.parametrize(
    ("measure", "library"), [(bleu, "sacrebleu"), (chrf, "sacrebleu"), (rouge, "rouge_score.rouge_scorer")]
)


def values(result):
    return list(result.values()) if isinstance(result, dict) else [result]


@EACH_LIBRARY
def test_from_nothing_in_common_to_one_of_the_references(measure, library):
    pytest.importorskip(library, reason="install it with pip install -e '.[eval]'")
    assert values(measure(TEXTS, REFERENCES)) == pytest.approx([100] * len(values(measure(TEXTS, REFERENCES))))
    nothing = values(measure(["xyz xyz xyz xyz", "xyz xyz xyz xyz"], REFERENCES))
    assert nothing == pytest.approx([0] * len(nothing), abs=1)
    partly = values(measure(["the cat sat on the rug today", TEXTS[1]], REFERENCES))
    assert all(0 < value < 100 for value in partly)
    fewer = [each[:1] for each in REFERENCES]
    assert all(one <= more for one, more in zip(values(measure(TEXTS, fewer)), values(measure(TEXTS, REFERENCES))))


@EACH_LIBRARY
def test_what_is_missing_is_named_with_its_remedy(measure, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=r"pip install -e '\.\[eval\]'"):
        measure(TEXTS, REFERENCES)


def test_bleu_of_the_paper():
    """Modified unigram precision of "the the the …" is 2/7 (section 2.1); sacrebleu smooths only what is zero."""
    pytest.importorskip("sacrebleu", reason="install it with pip install -e '.[eval]'")
    references = [["the cat is on the mat", "there is a cat on the mat"]]
    assert bleu(["the the the the the the the"], references) < bleu(["the cat is on a mat"], references)


def test_rouge_beside_another_implementation():
    """It counts each run of words once and stems nothing, so that its numbers are near and not the same."""
    pytest.importorskip("rouge_score", reason="install it with pip install -e '.[eval]'")
    if not ROUGE_DATA.exists():
        pytest.skip("shared data are not here")
    for entry in json.loads(ROUGE_DATA.read_text(encoding="utf-8")):
        ours = rouge([entry["hyp"]], [[entry["ref"]]])
        for name, theirs in entry["scores"].items():
            assert ours[name.upper()] == pytest.approx(100 * theirs["f"], abs=9)


def test_rouge_is_of_stems():
    pytest.importorskip("rouge_score", reason="install it with pip install -e '.[eval]'")
    assert values(rouge(["the cats running home"], [["the cat runs home"]])) == pytest.approx([100] * 3)


def test_exact_match_is_of_any_reference():
    assert exact_match([" a b ", "c", "d"], [["x", "a b"], ["C"], ["d"]]) == pytest.approx(200 / 3)


@pytest.mark.parametrize("measure", [bleu, chrf, rouge, exact_match])
@pytest.mark.parametrize(
    ("texts", "references"), [([], []), (["a"], []), (["a"], [[]]), (["a"], ["a"])]
)  # fmt: skip
def test_what_cannot_be_compared(measure, texts, references):
    with pytest.raises(BadInput, match="references"):
        measure(texts, references)


class TestWordForWord:
    def test_each_word_becomes_the_one_it_keeps_company_with(self):
        pairs = [Pair("le chat noir", "the black cat"), Pair("le chien", "the dog"), Pair("un chat", "a cat"),
                 Pair("un chien noir", "a black dog")]  # fmt: skip
        assert WordForWord(pairs)("le chat noir") == "the cat black"
        assert WordForWord(pairs)("un zèbre") == "a zèbre"

    def test_a_frequent_word_is_not_everybodys_company(self):
        """What stands in every target stands beside every word most often, and yet goes with its own word alone."""
        pairs = [Pair(f"mot{i} .", f"word{i} .") for i in range(5)] * 2
        assert WordForWord(pairs)("mot3 .") == "word3 ."

    def test_what_stands_between_words_stays(self):
        """Else sacrebleu would warn of texts in which each sign stands alone."""
        pairs = [Pair("mot.", "word."), Pair("mot, autre", "word, other"), Pair("autre.", "other.")]
        assert WordForWord(pairs)("autre mot,  mot.") == "other word,  word."


def test_the_lead_sentence():
    assert lead_sentence("It rains, e.g. here. It snows! Or not?") == "It rains, e.g. here."
    assert lead_sentence("No end") == "No end"
    assert lead_sentence(' "Why?" He left. ') == '"Why?" He left.'
