"""A damaged vocabulary file is refused by its name, whatever the damage; or what is left of it works."""

import json
import random
from pathlib import Path

import pytest

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import Tokenizer, WordPiece, load_tokenizer
from tinygpt.text.tokenizer.formats.tiktoken import CL100K_PATTERN

pytestmark = pytest.mark.core

TEXT = "The quick brown fox can't jump — déjà vu, 12345.\n" * 3
SMALL = Tokenizer.train([TEXT], 275)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "é"]
READERS = {
    "bpe.json": load_tokenizer,
    "wordpiece.json": load_tokenizer,
    "tokenizer.json": Tokenizer.from_huggingface,
    "encoder.json": lambda path: Tokenizer.from_gpt2(path, path.with_name("vocab.bpe")),
    "vocab.bpe": lambda path: Tokenizer.from_gpt2(path.with_name("encoder.json"), path),
    "ranks.tiktoken": Tokenizer.from_tiktoken,
    "vocab.txt": WordPiece.load,
}
JSON = [name for name in READERS if name.endswith(".json")]
WRONG_VALUES = [
    None,
    True,
    -1,
    0,
    1 << 70,
    1.5,
    "",
    "a",
    "\ud800",
    [],
    {},
    [1],
    ["a"],
    [[]],
    {"a": 1},
    "(",
    "(a)",
    "\\p{X}",
]
WRONG_VALUES += ["(?:" * 900 + "a" + ")" * 900, "(?:a{300}){300}", float("nan")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A folder with one file of each kind."""
    folder = tmp_path_factory.mktemp("sound")
    SMALL.save(folder / "bpe.json")
    WordPiece(WORDS).save(folder / "wordpiece.json")
    Tokenizer.train([TEXT], 275, ["<s>"], pattern=CL100K_PATTERN).to_huggingface(folder / "tokenizer.json")
    SMALL.to_gpt2(folder / "encoder.json", folder / "vocab.bpe")
    SMALL.to_tiktoken(folder / "ranks.tiktoken")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def damaged(sound, tmp_path):
    """damaged(name, data): the path of the file with this content, beside sound ones."""
    for path in sound.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())

    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def works_or_is_refused(path: Path) -> bool:
    """Whether the file was refused, by its name and in few words; if not, what it makes has to work."""
    try:
        tokenizer = READERS[path.name](path)
    except BadInput as error:
        assert path.name in str(error) and len(str(error)) < 700, str(error)
        return True
    for text in (TEXT, "éab <s> a!!"):
        ids = tokenizer.encode(text, "all")
        assert all(0 <= each < tokenizer.vocab_size for each in ids)
        assert isinstance(tokenizer, WordPiece) or tokenizer.decode(ids) == text
    return False


def places(value, path=()):
    """The way to every entry of a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from places(each, (*path, name))


@pytest.mark.parametrize("name", READERS)
class TestAnyFile:
    def test_sound_it_is_read(self, name, sound):
        assert not works_or_is_refused(sound / name)

    def test_empty_or_no_text(self, name, damaged):
        """Bytes that are no UTF-8, of which 0x80 may begin no character, and UTF-16, which Windows likes to save."""
        content = damaged(name, b"").read_bytes()
        for data in (b"", b"\n", b"\x80", b"\xff\xfe" + "text".encode("utf-16-le"), b"\0" * 9, content[:9] + b"\xff"):
            assert works_or_is_refused(damaged(name, data)), data

    def test_cut_off_anywhere(self, name, sound, damaged):
        """Lists of lines that are cut at a line's end may be shorter lists; JSON is never JSON before its end."""
        data = (sound / name).read_bytes().rstrip()
        for end in random.Random(name).choices(range(len(data)), k=25):
            refused = works_or_is_refused(damaged(name, data[:end]))
            assert refused or name == "vocab.txt"

    def test_bytes_changed_moved_and_repeated(self, name, sound, damaged):
        draw = random.Random(name)
        data = (sound / name).read_bytes()
        refused = 0
        for _ in range(60):
            start, end, place = sorted(draw.randrange(len(data) + 1) for _ in range(2)) + [draw.randrange(len(data))]
            flipped = data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :]
            repeated = data[:place] + data[start:end] + data[place:]
            longer = data[:place] + b"9" * draw.choice([1, 5000]) + data[place:]
            choice = draw.choice([flipped, repeated, longer, data[:start] + data[end:]])
            refused += works_or_is_refused(damaged(name, choice))
        assert refused > 10


@pytest.mark.parametrize("name", JSON)
def test_an_entry_of_json_is_missing_or_wrong(name, sound, damaged):
    draw = random.Random(name)
    whole = (sound / name).read_text(encoding="utf-8")
    ways = list(places(json.loads(whole)))
    shallow = [way for way in ways if 0 < len(way) < 3]
    for way in draw.choices(ways[1:], k=60) + draw.choices(shallow, k=60):
        value = json.loads(whole)
        *path, last = way
        target = value
        for step in path:
            target = target[step]
        if draw.random() < 0.25:
            del target[last]
        else:
            target[last] = draw.choice(WRONG_VALUES)
        works_or_is_refused(damaged(name, json.dumps(value).encode()))


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "no JSON object"),
        (b"{", "no valid JSON"),
        (b"[" * 9999, "no valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no valid JSON"),
        (b'{"a": 1, "a": 2}', "'a' stands there twice"),
        (b"\xef\xbb\xbf{}", "no valid JSON"),
    ],
)
def test_no_json_object(name, data, message, damaged):
    with pytest.raises(BadInput, match=message) as refusal:
        READERS[name](damaged(name, data))
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("encoder.json", '"!": 33', '"!": 34', "both have the id 34"),
        ("encoder.json", '"!": 33, ', "", "no token has the id 33|'!'"),
        ("encoder.json", '"!": 33', '"!": 1000000', "no token has the id 33"),
        ("encoder.json", '"!": 33', '"!": 99999999', "'!' has the id 99999999"),
        ("encoder.json", '"!": 33', '"!": -1', "'!' has the id -1"),
        ("vocab.bpe", "#version: 0.2\n", "#version: 0.2\nz qq\n", "line 2 merges 'qq', which no line before it makes"),
        ("vocab.bpe", "#version: 0.2\n", "#version: 0.2\nz\n", "line 2 must be two tokens"),
        ("ranks.tiktoken", " 0\n", " 1\n", "has the rank 1, as line"),
        ("ranks.tiktoken", " 5\n", " 0x5\n", 'line 6 must be "base64 rank"'),
        ("ranks.tiktoken", " 5\n", " 0_5\n", 'line 6 must be "base64 rank"'),
        ("ranks.tiktoken", " 5\n", " -5\n", "line 6: .* no rank"),
        ("ranks.tiktoken", " 5\n", " 99999999\n", "line 6: .* no rank"),
        ("tokenizer.json", '"!": 33', '"!": 34', "both have the id 34"),
        ("tokenizer.json", '"!": 33,', "", "no token is the byte 33"),
        ("tokenizer.json", '"!": 33', '"!": 99999999', "model.vocab: '!' has the id 99999999"),
        ("bpe.json", '"merges": [', '"merges": [{"left": "qq", "right": "z", "count": 1},', r"merges\[0\] uses b'qq'"),
        ("bpe.json", '"merges": [', '"merges": [["a"],', r"merges\[0\] must be a pair"),
        ("bpe.json", '"pattern": "', '"pattern": "(', "not a regular expression"),
        ("bpe.json", '"pattern": "', '"pattern": "(?:a|a)*b|', "takes for ever"),
        ("wordpiece.json", '"a"', '"[PAD]"', r"tokens\[4\] repeats"),
        ("vocab.txt", "##b\n", "a\n", "line 6 repeats 'a' of line 5"),
        ("vocab.txt", "##b\n", "\n", "line 6 must be a string that is not empty"),
        ("vocab.txt", "[UNK]\n", "", r"no \[UNK\]"),
    ],
)
def test_the_entry_is_named(name, old, new, message, sound, damaged):
    whole = (sound / name).read_text(encoding="utf-8")
    assert old in whole
    path = damaged(name, whole.replace(old, new, 1).encode())
    with pytest.raises(BadInput, match=message) as refusal:
        READERS[name](path)
    assert name in str(refusal.value)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("bad", [-1, 1 << 22, 1 << 70, None, 1.0, "a"])
def test_ids_beyond_the_vocabulary(name, bad, sound):
    with pytest.raises(BadInput, match="is not a token id"):
        READERS[name](sound / name).decode([4, bad])
