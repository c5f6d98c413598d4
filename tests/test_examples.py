"""The examples run as a reader runs them, and what they print holds."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
FAST, SLOW = 60, 300  # seconds; on two idle cores a twentieth of FAST and a tenth of SLOW are enough
LONGEST = 135  # lines of an example
NUMBER = r"-?\d+\.\d+"


def run(name: str, *arguments: object, timeout: int = FAST) -> str:
    """What an example prints on standard output; nothing may be on standard error."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        capture_output=True, encoding="utf-8", timeout=timeout, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def run_shortly(name: str, capsys: pytest.CaptureFixture[str], steps: int, **less: object) -> str:
    """The same in this process, with a few training steps, and less of whatever else is asked for."""
    runpy.run_path(str(EXAMPLES / name))["main"](steps=steps, **less)
    return capsys.readouterr().out


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(NUMBER, text)]


def rows_after(title: str, text: str) -> list[list[float]]:
    """The numbers of each line of a table, from the line after its title to the first empty one."""
    lines = text.partition(title)[2].splitlines()[1:]
    end = next((i for i, line in enumerate(lines) if not line.strip()), len(lines))
    return [row for line in lines[:end] if (row := numbers(line))]


def test_every_example_is_run_here():
    tested = set(re.findall(r"\d\d_\w+\.py", Path(__file__).read_text(encoding="utf-8")))
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("name", ["08_masked.py", "09_translation.py", "10_summarization.py"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--steps", "0"], "--steps: must be at least 1, not 0"),
        (["--minutes", "-1"], "--minutes"),
        (["--data", "nowhere.tsv"], "nowhere.tsv does not exist"),
    ],
)
def test_wrong_options_are_one_sentence(name, given, words, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, *given])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert end.value.code == 2 and words in capsys.readouterr().err.splitlines()[-1]


def test_gradients_by_hand_and_by_engine(tmp_path):
    picture = tmp_path / "graph.svg"
    text = run("01_gradients.py", picture)
    quantities = text.partition("all 12 gradients")[0].splitlines()[1:]
    columns = [(line[30:60].split(), line[60:].split()) for line in quantities if line.startswith(" ")]
    assert len(columns) > 30
    assert all(hand == engine and hand for hand, engine in columns)
    differences = [float(number) for number in re.findall(r", difference (\S+)", text)]
    assert len(differences) == 3 and max(differences) < 1e-12
    recorded = [int(number) for number in re.findall(r"(\d+) operations recorded", text)]
    assert recorded[0] > recorded[1] == recorded[2]
    assert "wrong_cube is caught" in text
    boxes = ElementTree.parse(picture).getroot().findall("{http://www.w3.org/2000/svg}g")
    assert len(boxes) > 12


def test_bigram_counted_and_learned():
    text = run("02_bigram.py")
    evenly, single, pairs = (row[0] for row in rows_after("in nats:", "\n" + text))
    assert evenly > single > pairs
    counted, learned, apart = re.search(rf"counted ({NUMBER}), learned ({NUMBER}): apart by (\S+)", text).groups()
    assert abs(float(learned) - float(counted)) < 1e-3 and 0 <= float(apart) < 1e-3
    assert float(counted) == pytest.approx(pairs)


def test_tokenizer():
    text = run("03_tokenizer.py")
    counts = [int(count) for count in re.findall(r"^ +(\d+) tokens  ", text, re.MULTILINE)]
    assert len(counts) == 8 and all(before > after for before, after in pairwise(counts))
    bytes_per_token = [float(number) for number in re.findall(rf"({NUMBER}) bytes a token", text)]
    assert bytes_per_token[0] == 1 and all(before < after for before, after in pairwise(bytes_per_token))
    assert "·<|endoftext|>·" in text
    changes = re.findall(r"(lose|gain)  (.+)", text)
    assert [verb for verb, _ in changes] == ["lose", "gain"] * 7
    for verb, pairs in changes:
        counts = [(int(was), int(now)) for was, now in re.findall(r"(\d+) → (\d+)", pairs)]
        assert all(was > now if verb == "lose" else was < now for was, now in counts)
    plain, fast = re.search(r"looks at ([\d,]+) pairs,\n.* at ([\d,]+):", text).groups()
    assert int(plain.replace(",", "")) > 100 * int(fast.replace(",", ""))


def test_attention():
    text = run("04_attention.py")
    weights = rows_after("softmax of the sum", text)
    assert len(weights) == 6
    for i, row in enumerate(weights):
        assert sum(row) == pytest.approx(1, abs=0.03)  # six numbers of two places
        assert not any(row[i + 1 :])
    *past, last = (row[0] for row in rows_after("The last token is replaced", text)[:6])
    assert not any(past) and last > 0


def scores(text: str) -> dict[str, tuple[float, ...]]:
    """Name → (nats a token, perplexity, bits per byte) of the table in 05."""
    found = re.findall(rf"^(\w[\w ]*?) +({NUMBER}) +({NUMBER}) +({NUMBER})$", text, re.MULTILINE)
    return {name: tuple(map(float, row)) for name, *row in found}


def test_training_begins(capsys):
    score = scores(run_shortly("05_training.py", capsys, steps=3))
    assert score["fresh model"][0] == pytest.approx(score["uniform guess"][0], rel=0.02)
    assert score["this GPT"][2] < score["fresh model"][2]


@pytest.mark.slow
def test_training_beats_the_bigram():
    score = scores(run("05_training.py", timeout=SLOW))
    assert score["this GPT"][2] < 0.95 * score["counted bigram"][2] < score["uniform guess"][2]


def check_generation(text: str) -> None:
    left = {name: int(n) for name, n in re.findall(r"^(.+): (\d+) tokens left$", text, re.MULTILINE)}
    everything = left["as the model has it"]
    assert left["top-k 5"] == 5
    assert left["temperature 0.5"] == left["temperature 2"] == everything
    assert 0 < left["top-p 0.7"] < everything and 0 < left["min-p 0.1"] < everything
    assert left["at least 20 more tokens"] == everything - 1
    assert left["no two tokens in a row twice"] < everything
    bars = {name: rows_after(f"{name}: {n} tokens left", text) for name, n in left.items()}
    likeliest = {name: rows[0][-1] for name, rows in bars.items()}
    assert likeliest["temperature 0.5"] > likeliest["as the model has it"] > likeliest["temperature 2"]
    assert min(likeliest["top-k 5"], likeliest["min-p 0.1"]) > likeliest["as the model has it"]
    came, expected = numbers(text.partition("draws under")[2].partition("\n")[0])
    assert came == pytest.approx(expected, abs=0.02)  # four standard deviations of 10,000 draws
    assert "same text: True" in text and "another text: True" in text


def test_generation_with_a_model_that_knows_little(capsys):
    check_generation(run_shortly("06_generation.py", capsys, steps=20))


@pytest.mark.slow
def test_positions_that_go_on():
    rows = dict(re.findall(r"^(rotary|alibi|t5) +(.+)$", run("07_positions.py", timeout=SLOW), re.MULTILINE))
    within, after = numbers(rows["alibi"])
    assert after < within + 0.1, "ALiBi reads on as it was trained"
    within, after = numbers(rows["rotary"])
    assert after > within + 0.05, "angles that were never trained mislead"


@pytest.mark.slow
def test_generation():
    check_generation(run("06_generation.py", timeout=SLOW))


def test_positions_begin(capsys):
    text = run_shortly("07_positions.py", capsys, steps=3)
    scores = [row[-6:] for row in rows_after("and multiplied", text)[:6]]
    assert all(scores[i][j] == scores[i + 1][j + 1] for i in range(5) for j in range(5))
    rows = dict(re.findall(r"^(learned|sinusoidal|rotary|alibi|t5) +(.+)$", text, re.MULTILINE))
    assert "its table ends at 32" in rows["learned"] and len(numbers(rows["learned"])) == 1
    assert all(len(numbers(row)) == 2 for name, row in rows.items() if name != "learned") and len(rows) == 5


def translations(text: str) -> dict[str, float]:
    """Name → exact matches in per cent, of the table in 09."""
    return {name: float(exact) for name, exact in re.findall(rf"^(\w.+?) +exact +({NUMBER}) %", text, re.MULTILINE)}


def test_translation_of_a_file(capsys, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"number {i} .\tle nombre {i} .\tby somebody\n" for i in range(200)), encoding="utf-8")
    text = run_shortly("09_translation.py", capsys, steps=1, tested=5, data=pairs)
    assert "word for word" in translations(text)


def test_the_rate_falls_with_the_time_where_that_is_over_first(monkeypatch):
    example = runpy.run_path(str(EXAMPLES / "09_translation.py"))
    within, rate = example["within"], example["rate_of"](example["ARITHMETIC"], 100)
    seconds = [7.0]
    monkeypatch.setitem(within.__globals__, "time", SimpleNamespace(monotonic=lambda: seconds[-1]))
    hurried = within(1, rate, 100)
    assert hurried(30) == rate(30)
    seconds.append(7 + 45)
    assert hurried(30) == rate(75) and hurried(80) == rate(80)
    seconds.append(7 + 60)
    assert hurried(31) == rate(100) < rate(99)


@pytest.mark.slow
def test_translation_is_right():
    score = translations(run("09_translation.py", timeout=SLOW))
    assert score["greedy"] > 95 and score["beam of 4"] > 95 and score["word for word"] < 5


def losses_of_summaries(text: str) -> tuple[float, float]:
    """Nats a token without denoising, and with."""
    found = {name: float(loss) for name, loss in re.findall(rf"^(\w[\w, ]+?)  +({NUMBER})", text, re.MULTILINE)}
    return found["summaries alone"], found["denoising, then summaries"]


def test_summarization_of_a_file(capsys, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    lines = [{"source": [f"It is {i} o'clock.", "So it is late."], "target": [f"{i}.", "Late."]} for i in range(99)]
    pairs.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    text = run_shortly("10_summarization.py", capsys, steps=1, tested=5, data=[pairs])
    assert all(0 < loss < 10 for loss in losses_of_summaries(text))
    assert re.search(r"^T5: .*<extra_id_0>", text, re.MULTILINE)


@pytest.mark.slow
def test_denoising_helps_to_summarize():
    text = run("10_summarization.py", timeout=SLOW)
    alone, denoised = losses_of_summaries(text)
    assert denoised < alone - 0.5
    rows = re.findall(r"^(summaries|denoising)\b(.+\d)$", text, re.MULTILINE)
    rouge_l = {name: numbers(row)[-1] for name, row in rows}
    assert rouge_l["denoising"] > rouge_l["summaries"]


def check_masked(text: str) -> dict[str, float]:
    asked = re.findall(r"⟨(.+?) → (.+?)⟩", text)
    assert "?" in {given for given, _ in asked} and "?" not in {wanted for _, wanted in asked}
    filled = numbers(text.partition("It fills:")[2])
    assert len(filled) == 4 * 4 and all(0 <= p <= 1 for p in filled)
    rows = re.findall(rf"^(\w[\w ]*?) +({NUMBER})$", text.partition("guessed rightly")[2], re.MULTILINE)
    return {name: float(accuracy) for name, accuracy in rows}


def test_masked_begins(capsys):
    accuracy = check_masked(run_shortly("08_masked.py", capsys, steps=3))
    most_frequent, after, before, encoder = accuracy.values()
    assert 0 <= encoder < most_frequent + 0.02 and most_frequent < min(after, before)


def test_masked_of_a_file(capsys, tmp_path):
    """Whose vocabulary takes more tokens for the texts to fill than the encoder has seen together."""
    text = tmp_path / "verse.txt"
    text.write_text("so high and so low , a zebra is a zoo ! " * 400, encoding="utf-8")
    assert check_masked(run_shortly("08_masked.py", capsys, steps=1, data=[text]))


@pytest.mark.slow
def test_masked_beats_both_neighbours():
    *baselines, encoder = check_masked(run("08_masked.py", timeout=SLOW)).values()
    assert encoder > 1.5 * max(baselines)


def check_speculative(text: str) -> None:
    checked = rows_after("checked by the target", text)
    assert len(checked) == 6
    for p, _, both, _, after in (row[-5:] for row in checked):
        assert both <= p and after == pytest.approx(p, abs=0.03)  # four standard deviations of 5,000 draws
    accepted, expected = numbers(text.partition("accepted: ")[2].partition("\n")[0])
    assert accepted == pytest.approx(expected, abs=0.03)
    assert "target alone: True" in text
    readings = re.findall(rf"temperature ({NUMBER}), (\d) ahead: +({NUMBER}) +({NUMBER})", text)
    assert len(readings) == 8
    assert all(0 < float(share) <= 1 and 1 < float(each) <= int(n) + 1 for _, n, share, each in readings)


def test_speculative_with_models_that_know_little(capsys):
    check_speculative(run_shortly("11_speculative.py", capsys, steps=20))


@pytest.mark.slow
def test_speculative():
    check_speculative(run("11_speculative.py", timeout=SLOW))


def check_gpt2(text: str) -> None:
    names = re.findall(r"^  (\S+) +\((?:\d+(?:, )?)+,?\) +(\S+)$", text, re.MULTILINE)
    assert len(names) == 2 + 12 + 2
    assert all(theirs == f"transformer.{ours}" for theirs, ours in names)
    assert "one that was read: 0.0 apart" in text
    forwards, backwards = (float(each.split()[-1]) for each in re.findall(r"perplexity of .*", text))
    assert 1 < forwards < backwards
    assert text.rstrip().endswith("the same tokens: True")


def test_gpt2_of_a_model_that_knows_little(capsys):
    check_gpt2(run_shortly("12_gpt2.py", capsys, steps=30))


@pytest.mark.slow
def test_gpt2():
    check_gpt2(run("12_gpt2.py", timeout=SLOW))
