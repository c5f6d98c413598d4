"""Byte-pair encoding beside its peers: training against Hugging Face's tokenizers, encoding against tiktoken.

    python tests/benchmarks/tokenizer.py [--data FILE …] [--megabytes 3 100] [--json]

Both sides train on the same texts and encode with the same merges; what they give is compared before it is timed.
Times are the best of several rounds taken in turns, in one process. A text longer than the data is made of copies in
which some of the words that occur once become new words, so that the number of different words grows as it does in
real text: about as the square root of its length (Heaps 1978, "Information retrieval", section 7.5).
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import regex
from harness import print_json, print_table, processor_name, refuse

from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN
from tinygpt.text.workers import usable_cores

MEGABYTE = 1_000_000
DOCUMENT = 10_000  # characters
VOCABULARIES = (8192, 32768)
ROUNDS = 3
GROWTH = 0.5
ALL_CORES = 20  # megabytes: some seconds of work
PATHOLOGICAL = {"zeros": "0", "one endless word": "abcdefghij", "emoji": "🙂", "spaces": " ", "line breaks": "\n"}


def main() -> None:
    parser = argparse.ArgumentParser(description="byte-pair encoding beside tokenizers and tiktoken")
    parser.add_argument("--data", nargs="+", type=Path, help="text (default: the English in Python)")
    parser.add_argument("--megabytes", nargs="+", type=int, default=[3], help="sizes to train on (default 3)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    for peer in ("tokenizers", "tiktoken"):
        if importlib.util.find_spec(peer) is None:
            refuse(f"the peer {peer} is not installed: pip install -e '.[peers]'")
    text = "\n\n".join(path.read_text("utf-8") for path in options.data) if options.data else "\n\n".join(
        embedded_english().texts
    )
    training = [row for size in options.megabytes for row in train_rows(grown(text, size * MEGABYTE))]
    encoding, pathological = encode_rows(text), pathological_rows(text)
    print(processor_name())
    for rows in (training, encoding, pathological):
        print_table([list(rows[0]), *(list(row.values()) for row in rows)])
        print()
    if options.json:
        print_json({"cpu": processor_name(), "training": training, "encoding": encoding, "pathological": pathological})


def grown(text: str, size: int) -> str:
    """Copies of the text up to `size` characters, with new words in each."""
    once = {word for word, count in Counter(regex.findall(r"\p{L}{4,}", text)).items() if count == 1}
    copies, length = [text], len(text)
    while length < size:
        copies.append(_copy(text, once, len(copies)))
        length += len(copies[-1])
    return "".join(copies)[:size]


def _copy(text: str, once: set[str], number: int) -> str:
    draw = random.Random(number)
    share = (number + 1) ** GROWTH - number**GROWTH
    letters = "abcdefghijklmnopqrstuvwxyz"
    turned = str.maketrans(letters, "".join(draw.sample(letters, 26)))

    def changed(match: regex.Match) -> str:
        word = match.group()
        return word.translate(turned) if word in once and draw.random() < share else word

    return regex.sub(r"\p{L}{4,}", changed, text)


def train_rows(text: str) -> list[dict[str, Any]]:
    documents = [text[i : i + DOCUMENT] for i in range(0, len(text), DOCUMENT)]
    rounds = ROUNDS if len(text) < 10 * MEGABYTE else 1
    rows = []
    for size in VOCABULARIES:
        sides = (Tokenizer.train, train_peer)
        ours, theirs = best(rounds, *(lambda train=train, n=size: train(documents, n) for train in sides))
        rows.append({
            "training": f"{len(text) / MEGABYTE:.0f} MB, {size} tokens", "tinygpt, s": round(ours, 2),
            "tokenizers, s": round(theirs, 2), "ours/theirs": round(ours / theirs, 2),
        })  # fmt: skip
    return rows


def train_peer(documents: list[str], vocab_size: int) -> None:
    from tokenizers import Tokenizer as Peer
    from tokenizers import models, pre_tokenizers, trainers

    peer = Peer(models.BPE())
    peer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, initial_alphabet=alphabet, special_tokens=[END_OF_TEXT],
        show_progress=False,
    )  # fmt: skip
    peer.train_from_iterator(documents, trainer)


def encode_rows(text: str) -> list[dict[str, Any]]:
    """A megabyte not seen before, after another; much text on all cores."""
    warm, fresh = halves(text)
    learned = Tokenizer.train([text], 16384)
    peer = tiktoken_of(learned)
    trials = [_timed(_ready(learned, warm, fresh), lambda: peer.encode_ordinary(fresh)) for _ in range(ROUNDS)]
    long = grown(text, ALL_CORES * MEGABYTE)
    on_all = [_timed(lambda: learned.encode_array(long), lambda: peer.encode_ordinary(long)) for _ in range(ROUNDS)]
    rows = []
    for name, sample, times in (("one process", fresh, trials), (f"{usable_cores()} processes", long, on_all)):
        ours, theirs = (min(each) for each in zip(*times, strict=True))
        size = len(sample.encode()) / MEGABYTE
        rows.append({
            "encoding": f"{size:.1f} MB, {name}", "tinygpt, MB/s": round(size / ours, 1),
            "tiktoken, MB/s": round(size / theirs, 1), "ours/theirs (speed)": round(theirs / ours, 2),
        })  # fmt: skip
    return rows


def pathological_rows(text: str) -> list[dict[str, Any]]:
    """Text made to be slow, as multiples of the time that as much fresh text takes. (tiktoken 0.14 refuses some.)"""
    warm, fresh = halves(text)
    learned = Tokenizer.train([text], 16384)
    n_bytes = len(fresh.encode())
    samples = {"fresh text": fresh, **{n: c * (n_bytes // len(c.encode())) for n, c in PATHOLOGICAL.items()}}
    times = {
        name: min(_seconds(_ready(learned, warm, sample)) for _ in range(ROUNDS)) for name, sample in samples.items()
    }
    return [
        {"encoding": name, "seconds": round(each, 3), "times fresh text": round(each / times["fresh text"], 1)}
        for name, each in times.items()
    ]


def halves(text: str) -> tuple[str, str]:
    """Two megabytes of the text, or its two halves."""
    half = min(MEGABYTE, len(text) // 2)
    return text[:half], text[half : 2 * half]


def _ready(learned: Tokenizer, warm: str, sample: str) -> Callable[[], list[int]]:
    """Encodes the sample, with nothing remembered but what `warm` had."""
    tokenizer = Tokenizer(learned.merges)
    tokenizer.encode(warm)
    return lambda: tokenizer.encode(sample)


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _timed(ours: Callable[[], Any], theirs: Callable[[], list[int]]) -> tuple[float, float]:
    """Seconds of both, whose ids must be equal."""
    begun = time.perf_counter()
    ids = ours()
    between = time.perf_counter()
    wanted = theirs()
    ended = time.perf_counter()
    if list(ids) != wanted:
        raise SystemExit("tinygpt and tiktoken disagree: what follows would compare two different things")
    return between - begun, ended - between


def tiktoken_of(tokenizer: Tokenizer) -> Any:
    import tiktoken

    ranks = {tokenizer.token_bytes(i): i for i in range(256 + len(tokenizer.merges))}
    return tiktoken.Encoding("same", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={})


def best(rounds: int, *works: Callable[[], object]) -> list[float]:
    """The shortest time of each, taken in turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for measured, work in zip(times, works, strict=True):
            begun = time.perf_counter()
            work()
            measured.append(time.perf_counter() - begun)
    return [min(measured) for measured in times]


if __name__ == "__main__":
    main()
