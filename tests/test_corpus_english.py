"""The English that comes with Python. (Not in the README's test line: reading its sources takes seconds.)"""

import platform
import re
import time

from tinygpt.text.corpus import embedded_english, split


def test_it_is_english_without_code():
    corpus = embedded_english()
    lines = [line for text in corpus.texts for line in text.strip().split("\n\n")]
    assert corpus.name == f"English of CPython {platform.python_version()}"
    assert corpus.n_bytes > 800_000 and len(corpus.documents) > 200
    assert len(set(lines)) == len(lines), "a paragraph occurs twice"
    words = re.findall(r"[a-z]+", " ".join(lines).lower())
    assert 0.05 < words.count("the") / len(words) < 0.12
    for line in lines:
        assert "\n" not in line and ">>>" not in line and "::=" not in line and "  " not in line
        assert line.rstrip("\"')").endswith((".", "!", "?"))


def test_it_is_the_same_each_time():
    first = embedded_english()
    started = time.perf_counter()
    assert embedded_english() is first and time.perf_counter() - started < 0.1
    topics = [doc.name for doc in first.documents if doc.name.startswith("topic ")]
    assert topics == sorted(topics) == [doc.name for doc in first.documents[: len(topics)]]


def test_both_sides_are_of_use():
    train, validation = split(embedded_english())
    assert 0.03 < validation.n_bytes / (train.n_bytes + validation.n_bytes) < 0.2
