"""Other people's files give the ids that their owners' libraries give, and those libraries read what we write."""

import base64
import csv
import json
import random
import sys
import unicodedata
from functools import cache
from pathlib import Path

import pytest

from tinygpt.text.tokenizer import Tokenizer
from tinygpt.text.tokenizer.formats.tiktoken import ENCODINGS
from tinygpt.text.tokenizer.pieces import CL100K_PATTERN, LLAMA3_PATTERN

pytestmark = pytest.mark.peer

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
GPT2 = DATA / "tokenizer" / "gpt2"

CORPUS = [
    "The quick brown fox can't jump over the lazy dog; I'LL say it 12345 times.\n\n  def f(x):\n\treturn x\r\n",
    "Déjà vu, naïve café — 今日は世界, привет мир, 안녕 🙂🙂 and the other brown foxes they've seen.   \n \n",
] * 5
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>", "<|fim_prefix|>", "<think>", "[X]"]


@cache
def texts() -> tuple[str, ...]:
    """Random text of every assigned character, dense in what patterns care for; and texts that broke others."""
    random_number = random.Random(5)
    assigned = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co") and unicodedata.category(chr(code))[0] != "M"
    ]
    marks = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code))[0] == "M"]
    tricky = [*" \t\n\r\v\f'/sStTdDmMrReEvVlLſK09.!_-", "\x1c", "\x1f", "\x85", "\xa0", "\u180e", "\u2003", "\u2028",
              "\u200b", "\u3000", "'s", "'LL", "'ſ", " the", "Å", "ǅ", "ʰ", "²", "Ⅷ", "ß", *SPECIALS]  # fmt: skip
    made = []
    for _ in range(1500):
        length = random_number.randrange(1, 25)
        pools = random_number.choices([tricky, assigned, marks, CORPUS[0], CORPUS[1]], [8, 3, 1, 4, 4], k=length)
        made.append("".join(map(random_number.choice, pools)))
    made += CORPUS + ["", " ", "a" * 300, " " * 90 + "\n" * 50 + " x", "ab" * 400, "0" * 100]
    blns = DATA / "torture" / "blns.json"
    return (*made, *(json.loads(blns.read_text(encoding="utf-8")) if blns.exists() else ()))


def gpt2_file(name: str) -> Path:
    if not (GPT2 / name).exists():
        pytest.skip(f"no shared/data/tokenizer/gpt2/{name} beside the repository")
    return GPT2 / name


def agree(ours: Tokenizer, encode, decode, allowed="all") -> None:
    """The same ids for every text, and the same text for these ids."""
    for text in texts():
        ids = encode(text)
        assert ours.encode(text, allowed) == ids, repr(text)
        assert ours.decode(ids) == decode(ids), repr(text)


def agree_with_tiktoken(ours: Tokenizer, ranks: Path, name: str) -> None:
    tiktoken = pytest.importorskip("tiktoken", reason="the peer is tiktoken: pip install -e '.[peers]'")
    public = pytest.importorskip("tiktoken_ext.openai_public")
    pattern = {
        "r50k_base": lambda: public.r50k_pat_str,
        "p50k_base": lambda: public.r50k_pat_str,
        "cl100k_base": lambda: _definition(public, "cl100k_base")["pat_str"],
        "o200k_base": lambda: _definition(public, "o200k_base")["pat_str"],
    }[name]()
    lines = (line.split() for line in ranks.read_bytes().splitlines())
    mergeable = {base64.b64decode(token): int(rank) for token, rank in lines}
    special = {"<|endoftext|>": 50256} if name[1:] == "50k_base" else _definition(public, name)["special_tokens"]
    assert ours.special_tokens == special
    theirs = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=mergeable, special_tokens=special)
    agree(ours, lambda text: theirs.encode(text, allowed_special="all"), theirs.decode)
    agree(ours, theirs.encode_ordinary, theirs.decode, allowed=())
    assert ours.vocab_size == theirs.n_vocab


def _definition(public, name):
    """What tiktoken says of an encoding, its file of ranks apart, which would come from the network."""
    load, public.load_tiktoken_bpe = public.load_tiktoken_bpe, lambda *_, **__: {}
    try:
        return getattr(public, name)()
    finally:
        public.load_tiktoken_bpe = load


class TestTiktoken:
    def test_r50k(self):
        path = gpt2_file("r50k_base.tiktoken")
        agree_with_tiktoken(Tokenizer.from_tiktoken(path), path, "r50k_base")

    def test_gpt2s_files_and_what_we_write_of_them(self, tmp_path):
        ours = Tokenizer.from_gpt2(gpt2_file("encoder.json"), gpt2_file("vocab.bpe"))
        ours.to_tiktoken(tmp_path / "ranks")
        agree_with_tiktoken(ours, tmp_path / "ranks", "r50k_base")
        with open(DATA / "tokenizer" / "vectors" / "r50k_base_encodings.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                assert ours.encode(row["input"]) == json.loads(row["output"])

    @pytest.mark.parametrize("name", ENCODINGS)
    def test_small_vocabularies_with_each_encodings_pattern_and_special_tokens(self, name, tmp_path):
        Tokenizer.train(CORPUS, 700, (), pattern=ENCODINGS[name][0]).to_tiktoken(tmp_path / "ranks")
        agree_with_tiktoken(Tokenizer.from_tiktoken(tmp_path / "ranks", name), tmp_path / "ranks", name)


def agree_with_tokenizers(path: Path, tmp_path: Path) -> Tokenizer:
    """Equal ids with the file read; the file we write of it read by the library; and read again by us."""
    tokenizers = pytest.importorskip("tokenizers", reason="the peer is tokenizers: pip install -e '.[peers]'")
    ours = Tokenizer.from_huggingface(path)
    ours.to_huggingface(tmp_path / "written.json")
    assert Tokenizer.from_huggingface(tmp_path / "written.json") == ours
    ours.save(tmp_path / "saved.json")
    assert Tokenizer.load(tmp_path / "saved.json") == ours
    for file in (path, tmp_path / "written.json"):
        theirs = tokenizers.Tokenizer.from_file(str(file))
        agree(
            ours,
            lambda text, theirs=theirs: theirs.encode(text, add_special_tokens=False).ids,
            lambda ids, theirs=theirs: theirs.decode(ids, skip_special_tokens=False),
        )
        for text in ("", "a text", "<s> the mask"):
            ids, single = ours.encode(text, "all"), theirs.encode(text)
            assert (ours.surround(ids), ours.token_types(ids)) == (single.ids, single.type_ids)
            pair = theirs.encode(text, "another <mask> one")
            assert ours.encode_pair(text, "another <mask> one", "all") == (pair.ids, pair.type_ids)
        assert set(theirs.get_vocab().values()) == {*ours.ordinary_tokens().values(), *ours.special_tokens.values()}
        assert {name: theirs.token_to_id(name) for name in ours.special_tokens} == ours.special_tokens
    return ours


def train(pre_tokenizer, special=(), vocab_size=600, **model):
    """A tiny byte-level BPE, trained by the library itself."""
    tokenizers = pytest.importorskip("tokenizers", reason="the peer is tokenizers: pip install -e '.[peers]'")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS,
        tokenizers.trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
        ),
    )
    return tokenizer


def sequence(pattern):
    pre = pytest.importorskip("tokenizers").pre_tokenizers
    split = pre.Split(pytest.importorskip("tokenizers").Regex(pattern), "isolated")
    return pre.Sequence([split, pre.ByteLevel(add_prefix_space=False, use_regex=False)])


class TestHuggingFace:
    @pytest.mark.parametrize("prefix_space", [False, True])
    @pytest.mark.parametrize("use_regex", [False, True])
    def test_as_gpt2_and_bart(self, prefix_space, use_regex, tmp_path):
        tokenizers = pytest.importorskip("tokenizers")
        byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=use_regex)
        theirs = train(byte_level, ["<|endoftext|>"])
        theirs.post_processor = tokenizers.processors.ByteLevel(trim_offsets=False)
        theirs.save(str(tmp_path / "theirs.json"))
        ours = agree_with_tokenizers(tmp_path / "theirs.json", tmp_path)
        assert ours.end_of_text == 0

    def test_as_roberta(self, tmp_path):
        """Ids by frequency, tokens that nothing makes, a mask that swallows the space before it, <s> text </s>."""
        tokenizers = pytest.importorskip("tokenizers")
        file = json.loads(train(tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())
        words = list(file["model"]["vocab"])
        random.Random(3).shuffle(words)
        names = ["<s>", "<pad>", "</s>", "<unk>", *words, "madeupword0000", "<mask>"]
        file["model"]["vocab"] = {name: number for number, name in enumerate(names)}
        file["model"]["unk_token"] = "<unk>"
        file["added_tokens"] = [
            {"id": names.index(name), "content": name, "single_word": False, "lstrip": name == "<mask>",
             "rstrip": False, "normalized": name != "<mask>", "special": True}
            for name in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
        ]  # fmt: skip
        file["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                                  "trim_offsets": True, "add_prefix_space": False}  # fmt: skip
        (tmp_path / "theirs.json").write_text(json.dumps(file), encoding="utf-8")
        ours = agree_with_tokenizers(tmp_path / "theirs.json", tmp_path)
        assert ours.surround([]) == [0, 2] and ours.decode([names.index("madeupword0000")]) == "madeupword0000"

    def test_as_llama3(self, tmp_path):
        """Every way to make a token listed as a merge, tokens that no merge makes, whole pieces first, <s> text."""
        theirs = train(sequence(LLAMA3_PATTERN), vocab_size=700)
        file = json.loads(theirs.to_str())
        vocabulary = file["model"]["vocab"]
        for word in ("Ġbrown", "Ġother", "xyz", "Ġdogfox", "ĠtheyX"):
            vocabulary.setdefault(word, len(vocabulary))
        vocabulary |= {"zqj": len(vocabulary)}
        vocabulary |= {"qj": len(vocabulary), "Ġqjx": len(vocabulary) + 1}
        splits = [
            ([token[:cut], token[cut:]], number)
            for token, number in vocabulary.items()
            for cut in range(1, len(token))
            if token[:cut] in vocabulary and token[cut:] in vocabulary
        ]
        file["model"] |= {"ignore_merges": True, "merges": [pair for pair, _ in sorted(splits, key=lambda s: s[1])]}
        first = len(vocabulary)
        file["added_tokens"] = [
            {"id": first + place, "content": name, "single_word": False, "lstrip": False, "rstrip": name == "[X]",
             "normalized": name == "<think>", "special": name != "<think>"}
            for place, name in enumerate(["<s>", "<|endoftext|>", "<think>", "[X]"])
        ]  # fmt: skip
        single, second = (
            [{"SpecialToken": {"id": "<s>", "type_id": n}}, {"Sequence": {"id": letter, "type_id": n}}]
            for n, letter in enumerate("AB")
        )
        template = {
            "type": "TemplateProcessing",
            "single": single,
            "pair": single + second,
            "special_tokens": {"<s>": {"id": "<s>", "ids": [first], "tokens": ["<s>"]}},
        }
        byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
        file["post_processor"] = {"type": "Sequence", "processors": [byte_level, template]}
        (tmp_path / "theirs.json").write_text(json.dumps(file), encoding="utf-8")
        ours = agree_with_tokenizers(tmp_path / "theirs.json", tmp_path)
        assert ours.conventions.any_order and ours.surround([5]) == [first, 5]

    @pytest.mark.parametrize("pattern", [r"\d+", r"[a-z]+|\s", CL100K_PATTERN])
    def test_what_a_split_does_not_match_is_a_piece(self, pattern, tmp_path):
        train(sequence(pattern)).save(str(tmp_path / "theirs.json"))
        agree_with_tokenizers(tmp_path / "theirs.json", tmp_path)

    @pytest.mark.parametrize("seed", range(3))
    def test_merges_in_random_order(self, seed, tmp_path):
        tokenizers = pytest.importorskip("tokenizers")
        file = json.loads(train(tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())
        random.Random(seed).shuffle(file["model"]["merges"])
        (tmp_path / "theirs.json").write_text(json.dumps(file), encoding="utf-8")
        agree_with_tokenizers(tmp_path / "theirs.json", tmp_path)

    @pytest.mark.parametrize("pattern", [None, CL100K_PATTERN, r"\p{L}+"])
    def test_what_we_train_the_library_reads(self, pattern, tmp_path):
        chosen = {} if pattern is None else {"pattern": pattern}
        ours = Tokenizer.train(CORPUS, 600, ["<|endoftext|>", "[X]"], **chosen)
        ours.to_huggingface(tmp_path / "ours.json")
        assert agree_with_tokenizers(tmp_path / "ours.json", tmp_path) == ours
