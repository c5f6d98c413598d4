"""WordPiece: the longest piece wins, words are BERT's words, and ids are those of the outside world."""

import doctest
import json
import random
import re
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygpt
from tinygpt import WordPiece
from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import StreamDecoder, Tokenizer, bert_characters, bert_words, load_tokenizer, wordpiece
from tinygpt.text.tokenizer.bert_words import basic_words
from tinygpt.text.tokenizer.wordpiece import longest_pieces

pytestmark = pytest.mark.core

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [each for letter in "abcde" for each in (letter, f"##{letter}")]
TOKENS = [*SPECIALS, *LETTERS, "ab", "##ab", "abc", "##cd", "bcde", "[", "]", ".", "!", "'", "天", "cls", "é", "É"]
SMALL = WordPiece(TOKENS)
CASED = WordPiece([*TOKENS, "A", "##B"], lowercase=False)
EVERY_CHARACTER = st.text(st.characters(exclude_categories=()), max_size=40)
LIKELY_TEXT = st.text("abcdeABé.!'[]天 \n\t\x0b\x1c\x00\u0301\u200d\u2028\xa0Σ☃≠", max_size=60)


def tokens(tokenizer: WordPiece, text: str, **options) -> list[str]:
    return [tokenizer.tokens[each] for each in tokenizer.encode(text, **options)]


def real(lowercase: bool = True) -> WordPiece:
    return WordPiece.load(real_path(), lowercase)


def real_path() -> str:
    path = DATA / "tokenizer" / "bert" / "vocab.txt"
    if not path.exists():
        pytest.skip("no shared/data/tokenizer/bert/vocab.txt beside the repository")
    return str(path)


def test_examples_in_the_docstrings():
    results = [doctest.testmod(module) for module in (wordpiece, bert_words)]
    assert sum(each.attempted for each in results) >= 6 and not any(each.failed for each in results)


class TestPieces:
    BEGINNINGS = {piece: number for number, piece in enumerate(["a", "b", "ab", "abc", "ca"])}
    CONTINUATIONS = {piece: number for number, piece in enumerate(["a", "b", "bc", "abc", "cab"], start=10)}

    @settings(max_examples=200, deadline=None)
    @given(st.text("abc", min_size=1, max_size=12))
    def test_each_is_the_longest_that_fits(self, word):
        spelled = {number: piece for each in (self.BEGINNINGS, self.CONTINUATIONS) for piece, number in each.items()}
        ids = longest_pieces(word, self.BEGINNINGS, self.CONTINUATIONS)
        rest, known = word, self.BEGINNINGS
        for number in ids or []:
            fitting = [piece for piece in known if rest.startswith(piece)]
            assert spelled[number] == max(fitting, key=len) and known[spelled[number]] == number
            rest, known = rest.removeprefix(spelled[number]), self.CONTINUATIONS
        assert ids is None or rest == ""

    def test_greed_never_goes_back(self):
        assert longest_pieces("abcd", {"ab": 0, "abc": 1}, {"cd": 2}) is None
        assert longest_pieces("abcd", {"ab": 0}, {"cd": 2}) == [0, 2]

    def test_one_unknown_letter_makes_the_word_unknown_and_no_other(self):
        assert tokens(SMALL, "abz ab.zab!") == ["[UNK]", "ab", ".", "[UNK]", "!"]

    def test_a_word_is_read_up_to_100_characters(self):
        assert tokens(SMALL, "a" * 100) == ["a", *["##a"] * 99]
        assert tokens(SMALL, "a" * 101 + " b") == ["[UNK]", "b"]
        assert len(SMALL.encode("é" * 100)) == 100, "accents dropped do not count"


class TestWords:
    @pytest.mark.parametrize(
        ("text", "lowered", "kept"),
        [
            ("Déjà VU", ["deja", "vu"], ["Déjà", "VU"]),
            ("a,b $5+5", ["a", ",", "b", "$", "5", "+", "5"], ["a", ",", "b", "$", "5", "+", "5"]),
            ("a—b«c»、d", ["a", "—", "b", "«", "c", "»", "、", "d"], ["a", "—", "b", "«", "c", "»", "、", "d"]),
            ("x世界y かな 한", ["x", "世", "界", "y", "かな", "한"], ["x", "世", "界", "y", "かな", "한"]),
            ("a\x00b\x0bc\x1cd\u200de\ufffdf\ue000", ["abcdef"], ["abcdef"]),
            ("a\tb\nc\rd\xa0e\u3000f\u2028g", list("abcdefg"), list("abcdefg")),
            ("ΣΑΣ İ", ["σασ", "i"], ["ΣΑΣ", "İ"]),
            ("≠", ["="], ["≠"]),
            ("\ud800a\udfff", ["a"], ["a"]),
            ("\u0301", [], ["\u0301"]),
            ("", [], []),
        ],
    )
    def test_are_berts(self, text, lowered, kept):
        assert basic_words(text, lowercase=True) == [unicodedata.normalize("NFD", each) for each in lowered]
        assert basic_words(text, lowercase=False) == kept

    @settings(max_examples=200, deadline=None)
    @given(st.one_of(EVERY_CHARACTER, LIKELY_TEXT), st.booleans())
    def test_words_of_the_words_are_the_words(self, text, lowercase):
        words = basic_words(text, lowercase)
        assert basic_words(" ".join(words), lowercase) == words

    def test_classes_are_within_todays_unicode(self):
        """Categories grow and hardly ever lose: a class of Unicode 8 that holds anything else has a slip in it."""
        every = "".join(map(chr, range(sys.maxunicode + 1)))
        ascii_signs = {chr(code) for code in range(33, 127) if not chr(code).isalnum()}
        for ranges, categories, beside in [
            (bert_characters.MARKS, {"Mn"}, {"\u1734", "\U0001171e"}),
            (bert_characters.PUNCTUATION, {"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"},
             ascii_signs | {"\u166d", "\U000111c9"}),
            (bert_characters.CONTROL, {"Cc", "Cf", "Co", "Cs"}, {"\ufffd"}),
        ]:  # fmt: skip
            found = set(re.findall(f"[{bert_characters.character_class(ranges)}]", every))
            strangers = {each for each in found - beside if unicodedata.category(each) not in categories}
            assert len(found) > 700 and not strangers, sorted(map(hex, map(ord, strangers)))


class TestEncoding:
    @settings(max_examples=200, deadline=None)
    @given(st.one_of(LIKELY_TEXT, EVERY_CHARACTER))
    def test_chunks_that_are_remembered_change_nothing(self, text):
        """The text cut into words as a whole is what its chunks give one by one."""
        for tokenizer in (SMALL, CASED):
            by_word = [each for word in basic_words(text, tokenizer.lowercase) for each in tokenizer._word_ids(word)]
            assert tokenizer.encode(text) == by_word == tokenizer.encode(text)

    def test_the_memory_of_chunks_is_bounded(self, monkeypatch):
        monkeypatch.setattr(wordpiece, "CACHED_CHUNKS", 3)
        tokenizer = WordPiece(TOKENS)
        text = " ".join(["a", "b", "c", "d", "e", "ab", "abc", "z" * 99])
        assert tokenizer.encode(text) == SMALL.encode(text) and 1 <= len(tokenizer._chunk_ids) <= 3

    def test_case_belongs_to_the_vocabulary(self):
        assert tokens(SMALL, "AB É") == ["ab", "e"] and tokens(CASED, "AB É é") == ["A", "##B", "É", "é"]

    def test_special_tokens_are_text_unless_allowed(self):
        assert tokens(SMALL, "[CLS]a") == ["[", "cls", "]", "a"]
        assert tokens(SMALL, "a[MASK]b[CLS]", allowed_special=["[MASK]"]) == ["a", "[MASK]", "b", "[", "cls", "]"]
        assert tokens(SMALL, "[CLS][mask]", allowed_special="all")[:2] == ["[CLS]", "["]
        with pytest.raises(BadInput, match=r"'\[NO\]' is not a special token"):
            SMALL.encode("a", ["[NO]"])

    def test_around_a_text_and_a_pair(self):
        assert tokens(SMALL, "ab", add_special_tokens=True) == ["[CLS]", "ab", "[SEP]"]
        assert tokens(SMALL, "", add_special_tokens=True) == ["[CLS]", "[SEP]"]
        ids, types = SMALL.encode_pair("ab [SEP]", "b c", allowed_special="all")
        assert [SMALL.tokens[each] for each in ids] == ["[CLS]", "ab", "[SEP]", "[SEP]", "b", "c", "[SEP]"]
        assert types == [0, 0, 0, 0, 1, 1, 1]

    def test_what_the_vocabulary_lacks_is_not_put_around(self):
        with pytest.raises(BadInput, match=r"no \[CLS\]"):
            WordPiece(["[UNK]", "a"]).encode("a", add_special_tokens=True)

    def test_batches_arrays_and_documents(self):
        texts = ["ab. c", "", "天!"]
        assert SMALL.encode_batch(texts) == [SMALL.encode(text) for text in texts]
        assert SMALL.encode_array(texts[0]).tolist() == SMALL.encode(texts[0])
        assert SMALL.encode_documents(texts).tolist() == [each for text in texts for each in SMALL.encode(text)]


class TestDecoding:
    @settings(max_examples=200, deadline=None)
    @given(LIKELY_TEXT)
    def test_what_is_decoded_encodes_to_the_same(self, text):
        for tokenizer in (SMALL, CASED):
            ids = tokenizer.encode(text)
            assert tokenizer.encode(tokenizer.decode(ids), allowed_special=["[UNK]"]) == ids

    def test_pieces_are_joined_and_some_signs_cling(self):
        ids = SMALL.encode("[CLS]Abcd  ab' z! 天.", "all")
        assert SMALL.decode(ids) == "[CLS] abcd ab ' [UNK]! 天."
        assert SMALL.decode(ids, skip_special_tokens=True) == "abcd ab '! 天."
        assert SMALL.decode([]) == "" and SMALL.decode(SMALL.encode_array("ab c")) == "ab c"

    def test_a_beginning_is_written_as_it_is(self):
        assert SMALL.decode([TOKENS.index("##cd"), TOKENS.index("##a")]) == "##cda"
        assert SMALL.decode([TOKENS.index("."), TOKENS.index(".")]) == ".."

    def test_a_stream_goes_on_from_a_text_before_it(self):
        stream = StreamDecoder(SMALL)
        ids = SMALL.encode("abcd ab天.")
        assert "".join(map(stream.push, ids)) + stream.finish() == " " + SMALL.decode(ids)

    @pytest.mark.parametrize("bad", [len(TOKENS), -1, None])
    def test_unknown_ids_are_named(self, bad):
        with pytest.raises(BadInput, match=f"{bad!r} is not a token id"):
            SMALL.decode([0, bad])


class TestFiles:
    @pytest.mark.parametrize("tokenizer", [SMALL, CASED], ids=["uncased", "cased"])
    def test_what_was_saved_is_what_is_loaded(self, tokenizer, tmp_path):
        path = tmp_path / "tokenizer.json"
        tokenizer.save(path)
        for loaded in (WordPiece.load(path), load_tokenizer(path), WordPiece.load(path, tokenizer.lowercase)):
            assert loaded == tokenizer and loaded.fingerprint == tokenizer.fingerprint
            assert loaded.special_tokens == tokenizer.special_tokens and type(loaded) is WordPiece
        with pytest.raises(BadInput, match=rf"tokenizer\.json was saved with lowercase={tokenizer.lowercase}"):
            WordPiece.load(path, not tokenizer.lowercase)

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_vocab_txt_numbers_its_lines(self, end, tmp_path):
        path = tmp_path / "vocab.txt"
        strange = ["{", *TOKENS, "\u2028", "\x85", "#"]
        for text in (end.join(strange), end.join(strange) + end):
            path.write_bytes(text.encode())
            assert WordPiece.load(path).tokens == strange and WordPiece.load(path).lowercase
            assert WordPiece.load(path, lowercase=False) == WordPiece(strange, lowercase=False)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "it is empty"),
            (b"\n\n", "it is empty"),
            (b"[UNK]\na\n\nb\n", "line 3 must be a string that is not empty"),
            (b"[UNK]\na\nb\na\n", "line 4 repeats 'a' of line 2"),
            (b"a\nb\n", r"no \[UNK\] among its 2 tokens"),
            (b"[UNK]\na\n\xff\n", "line 3 is not UTF-8"),
            (b'{"format": "tinygpt-', "no valid JSON"),
            (b'{"version": "1.0"}', "no entry 'format'"),
            (b'{"format": "tinygpt-tokenizer-1", "type": "wordpiece", "lowercase": 1}', "entry 'lowercase'"),
            (b'{"format": "tinygpt-tokenizer-1", "type": "wordpiece", "lowercase": true}', "entry 'tokens'"),
            (b'{"format": "tinygpt-tokenizer-1", "type": "wordpiece", "lowercase": true, "tokens": ["[UNK]", 3]}',
             r"tokens\[1\] must be a string"),
        ],
    )  # fmt: skip
    def test_bad_files_are_refused_by_name_and_line(self, content, message, tmp_path):
        path = tmp_path / "bad.txt"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=rf"bad\.txt.*{message}"):
            WordPiece.load(path)

    def test_other_types_and_missing_files_are_refused(self, tmp_path):
        Tokenizer().save(tmp_path / "bpe.json")
        with pytest.raises(BadInput, match=r"bpe\.json.*'bpe', not 'wordpiece'.*load_tokenizer"):
            WordPiece.load(tmp_path / "bpe.json")
        with pytest.raises(BadInput, match=r"cannot read the tokenizer .*absent\.txt"):
            WordPiece.load(tmp_path / "absent.txt")

    @pytest.mark.parametrize(("tokens", "message"), [([], "0 tokens"), (["[UNK]", "a", "a"], r"tokens\[2\] repeats")])
    def test_bad_vocabularies(self, tokens, message):
        with pytest.raises(BadInput, match=message):
            WordPiece(tokens)


def test_the_library_gives_its_names_without_loading_them():
    assert tinygpt.Tokenizer is Tokenizer and set(tinygpt._HOME) < set(tinygpt.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Wordpiece'"):
        tinygpt.Wordpiece  # noqa: B018
    code = "import sys, tinygpt; early = 'numpy' in sys.modules; print(early, tinygpt.WordPiece.type_name)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                         cwd=Path(tinygpt.__file__).parents[1])  # fmt: skip
    assert run.stdout.split() == ["False", "wordpiece"]


GOLDEN = {
    "Hello, world!": [7592, 1010, 2088, 999],
    "The unaffable dog's naïve café cost $12.50.":
        [1996, 14477, 20961, 3468, 3899, 1005, 1055, 15743, 7668, 3465, 1002, 2260, 1012, 2753, 1012],
    "Déjà-vu à Paris : l'été dernier":
        [2139, 3900, 1011, 24728, 1037, 3000, 1024, 1048, 1005, 3802, 2063, 4315, 14862],
    "今天天气很好。": [100, 1811, 1811, 100, 100, 100, 1636],
    "Zoë \U0001f642 loves e\u0301clairs\u200d": [11199, 100, 7459, 14925, 19771, 2869],
    "antidisestablishmentarianism": [3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964],
    "ΟΔΥΣΣΕΥΣ": [1169, 29722, 29735, 29733, 29733, 29723, 29735, 29733],
}  # fmt: skip


def test_with_berts_vocabulary_it_is_berts_tokenizer():
    tokenizer = real()
    assert tokenizer.special_tokens == dict(zip(SPECIALS, [0, 100, 101, 102, 103])) and tokenizer.vocab_size == 30522
    assert {text: tokenizer.encode(text) for text in GOLDEN} == GOLDEN


def random_texts() -> list[str]:
    """Letters and signs from all of Unicode and, often, from where BERT's rules meet."""
    rng = random.Random(1)
    meeting = "aé\u0301\u0323Σİß.$≠\u037e天\u302a\u200d\u00ad\x00\x0b\x85\xa0\u2028\u3000\ufffd\U0001f469ￗ가かが\u3099"
    codes = [code for code in range(0x20, 0x11_0000) if not 0xD800 <= code < 0xE000]
    draws = [lambda: chr(rng.choice(codes)), lambda: chr(rng.randrange(0x20, 0x2FFF)), lambda: rng.choice(meeting),
             lambda: rng.choice("the of and in s ing ed ")]  # fmt: skip
    return ["".join(rng.choice(draws)() for _ in range(rng.randrange(60))) for _ in range(1500)]


def varied_texts() -> list[str]:
    texts = [*GOLDEN, *random_texts(), "a" * 99 + " " + "a" * 101, "e" + "\u0301" * 120]
    texts += [f"a{chr(code)}b {chr(code)} c{chr(code)}" for code in range(0x20, 0x3100)]
    naughty = DATA / "torture" / "blns.json"
    prose = DATA / "pretrain" / "the-verdict.txt"
    texts += json.loads(naughty.read_text(encoding="utf-8")) if naughty.exists() else []
    texts += [prose.read_text(encoding="utf-8")] if prose.exists() else []
    return [text for text in texts if not any("\ud800" <= each <= "\udfff" for each in text)]


@pytest.mark.peer
class TestPeer:
    @pytest.mark.parametrize("lowercase", [True, False])
    def test_ids_of_plain_text(self, lowercase):
        """No special token is known to this one, so that none is found in a text."""
        peers = pytest.importorskip("tokenizers", reason="the peer is tokenizers: pip install -e '.[peers]'")
        theirs = peers.Tokenizer(peers.models.WordPiece.from_file(real_path(), unk_token="[UNK]"))
        theirs.normalizer = peers.normalizers.BertNormalizer(lowercase=lowercase)
        theirs.pre_tokenizer = peers.pre_tokenizers.BertPreTokenizer()
        ours = real(lowercase)
        texts = varied_texts()
        for text, encoding in zip(texts, theirs.encode_batch(texts)):
            assert ours.encode(text) == encoding.ids, ascii(text)

    def test_special_tokens_pairs_and_decoding(self):
        peers = pytest.importorskip("tokenizers", reason="the peer is tokenizers: pip install -e '.[peers]'")
        theirs, ours = peers.BertWordPieceTokenizer(real_path()), real()
        texts = [text + " [MASK]b[CLS]" for text in random_texts()[:300]]
        for first, second in pairwise(texts):
            assert ours.encode(first, "all", add_special_tokens=True) == theirs.encode(first).ids
            pair = theirs.encode(first, second)
            ids, types = ours.encode_pair(first, second, "all")
            assert (ids, types) == (pair.ids, pair.type_ids), ascii((first, second))
            for skip in (True, False):
                assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, skip_special_tokens=skip)
        rng = random.Random(2)
        for _ in range(300):
            ids = [rng.randrange(ours.vocab_size) for _ in range(50)]
            assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
