"""By how many processes a text is encoded changes no token. (Not in the README's test line: they start slowly.)"""

import pickle
import subprocess
import sys

import pytest
from test_tokenizer_streams import PLAIN, TEXT, TOKENIZERS

from tinygpt.errors import BadInput
from tinygpt.text import workers
from tinygpt.text.tokenizer import CharTokenizer


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
def test_any_number_of_processes_gives_the_same_ids(tokenizer, monkeypatch):
    monkeypatch.setattr(workers, "SENT", 2000)
    documents = [TEXT[:5000], "", "é世🙂 <a b> ", TEXT[5000:9000]]
    assert tokenizer.encode_batch(documents, "all", processes=2) == tokenizer.encode_batch(documents, "all")
    assert tokenizer.encode_array(TEXT, processes=2).tolist() == tokenizer.encode(TEXT)


def test_long_text_is_shared_without_being_told(monkeypatch):
    monkeypatch.setattr(workers, "LARGE", 1000)
    monkeypatch.setattr(workers, "usable_cores", lambda: 2)
    assert PLAIN.encode_documents([TEXT, TEXT]).tolist() == [*PLAIN.encode(TEXT), PLAIN.end_of_text] * 2


def test_what_is_raised_there_is_raised_here():
    tokenizer = CharTokenizer("ab")
    with pytest.raises(BadInput, match="'c'"):
        tokenizer.encode_batch(["ab", "abc"], processes=2)


def test_a_process_that_dies_is_reported():
    with pytest.raises(BadInput, match="ended early, with status 3"):
        list(workers.in_processes(sys.exit, (3,), ["x"], 1))


def test_no_process_is_left_when_the_results_are_not_wanted():
    results = workers.in_processes(str.maketrans, ({},), (), 1)
    assert list(results) == []


@pytest.mark.parametrize("processes", [0, -1])
def test_at_least_one(processes):
    with pytest.raises(BadInput, match="at least 1"):
        PLAIN.encode_batch(["a"], processes=processes)


def test_a_script_needs_no_guard(tmp_path):
    """Pools of the standard library would run a script without a guard again in each process."""
    script = tmp_path / "script.py"
    script.write_text(
        "from tinygpt.text.tokenizer import Tokenizer\n"
        "print(len(Tokenizer().encode_batch(['a b'] * 10, processes=2)))\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ended.stdout == "10\n"


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
def test_tokenizers_can_be_sent(tokenizer):
    assert pickle.loads(pickle.dumps(tokenizer)) == tokenizer
