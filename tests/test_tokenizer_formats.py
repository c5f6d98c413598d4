"""The files of GPT-2 and tiktoken: what was written is read back equal, and damage is refused by entry."""

import base64
import json
from pathlib import Path

import pytest

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import StreamDecoder, Tokenizer, load_tokenizer
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.encoding import number_merges
from tinygpt.text.tokenizer.formats.tiktoken import ENCODINGS
from tinygpt.text.tokenizer.formats.visible import GPT2_BYTE_ORDER, from_visible, to_visible
from tinygpt.text.tokenizer.merging import merge_by_heap, merge_piece
from tinygpt.text.tokenizer.pieces import CL100K_PATTERN, O200K_PATTERN
from tinygpt.text.tokenizer.pretokens import compile_pattern

pytestmark = pytest.mark.core

GPT2 = Path(__file__).resolve().parents[2] / "shared" / "data" / "tokenizer" / "gpt2"
TEXT = "The quick brown fox can't jump over the other dogs — déjà vu, 12345 times: 今日は 🙂.\n\n" * 3
TRAINED = Tokenizer.train([TEXT], 330)
AFTER_ALL = TRAINED.vocab_size


@pytest.fixture
def gpt2(tmp_path):
    """The paths of a small vocabulary in GPT-2's two files."""
    paths = tmp_path / "encoder.json", tmp_path / "vocab.bpe"
    TRAINED.to_gpt2(*paths)
    return paths


@pytest.fixture
def ranks(tmp_path):
    TRAINED.to_tiktoken(tmp_path / "small.tiktoken")
    return tmp_path / "small.tiktoken"


class TestVisibleBytes:
    def test_each_byte_has_a_printable_character_of_its_own(self):
        shown = to_visible(bytes(range(256)))
        assert len(set(shown)) == 256 and shown.isprintable() and " " not in shown
        assert from_visible(shown, "") == bytes(range(256))
        assert to_visible(b" the\n") == "ĠtheĊ" and GPT2_BYTE_ORDER[:2] == b"!\x22"


class TestGPT2:
    def test_what_was_written_is_read(self, gpt2):
        assert Tokenizer.from_gpt2(*gpt2) == TRAINED

    def test_ids_are_the_files(self, gpt2):
        """Shifted by one place round the circle, so that <|endoftext|> comes first."""
        encoder = json.loads(gpt2[0].read_text())
        gpt2[0].write_text(json.dumps({token: (number + 1) % len(encoder) for token, number in encoder.items()}))
        moved = Tokenizer.from_gpt2(*gpt2)
        assert moved.end_of_text == 0
        assert moved.encode(TEXT) == [number + 1 for number in TRAINED.encode(TEXT)]
        assert moved.decode(moved.encode(TEXT)) == TEXT
        moved.to_gpt2(*gpt2)
        assert Tokenizer.from_gpt2(*gpt2) == moved

    def test_the_published_files(self, tmp_path):
        if not GPT2.exists():
            pytest.skip("no shared/data/tokenizer/gpt2 beside the repository")
        tokenizer = Tokenizer.from_gpt2(GPT2 / "encoder.json", GPT2 / "vocab.bpe")
        assert tokenizer.vocab_size == 50257 and tokenizer.end_of_text == 50256
        assert tokenizer.encode("Hello world!") == [15496, 995, 0]
        assert Tokenizer.from_tiktoken(GPT2 / "r50k_base.tiktoken") == tokenizer
        tokenizer.to_tiktoken(tmp_path / "ranks")
        assert (tmp_path / "ranks").read_bytes() == (GPT2 / "r50k_base.tiktoken").read_bytes()

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda e: e.pop("<|endoftext|>") and e.pop("!"), r"'!'|no token has the id 33"),
            (lambda e: e.update({"Ġq": e["!"]}), "both have the id 33"),
            (lambda e: e.update({"zzz": len(e)}), r"'zzz' \(id \d+\) is no byte, and no merge in .*vocab\.bpe"),
            (lambda e: e.update({"zzz": len(e) + 1}), "no token has the id"),
            (lambda e: e.update({"a b": len(e)}), "'a b' has ' ', which stands for no byte"),
            (lambda e: e.update({"!": "33"}), "'!' has the id '33'"),
            (lambda e: e.update({"!": -1}), "'!' has the id -1"),
            (lambda e: e.update({"!": True}), "'!' has the id True"),
        ],
    )
    def test_damaged_encoder(self, damage, message, gpt2):
        encoder = json.loads(gpt2[0].read_text())
        damage(encoder)
        gpt2[0].write_text(json.dumps(encoder))
        with pytest.raises(BadInput, match=rf"encoder\.json is damaged: .*({message})"):
            Tokenizer.from_gpt2(*gpt2)

    @pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1, "a": 2}', "[" * 9999])
    def test_an_encoder_that_is_no_object(self, content, gpt2):
        gpt2[0].write_text(content)
        with pytest.raises(BadInput, match=r"encoder\.json is .*(no valid JSON|no JSON object|'a'.*twice)"):
            Tokenizer.from_gpt2(*gpt2)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda lines: lines.pop(), r"encoder\.json is damaged: .*is no byte, and no merge"),
            (lambda lines: lines.append("x q"), r"vocab\.bpe is damaged: line \d+ makes 'xq', which has no id"),
            (lambda lines: lines.append("xq z"), r"vocab\.bpe is damaged: line \d+ merges 'xq', which no line"),
            (lambda lines: lines.append(lines[1]), r"vocab\.bpe is damaged: line \d+ makes .* a second time"),
            (lambda lines: lines.insert(2, "a b c"), r"vocab\.bpe is damaged: line 3 must be two tokens"),
            (lambda lines: lines.insert(2, "a \u3042"), r"vocab\.bpe is damaged: line 3: .*stands for no byte"),
        ],
    )
    def test_damaged_merges(self, damage, message, gpt2):
        lines = gpt2[1].read_text(encoding="utf-8").splitlines()
        damage(lines)
        gpt2[1].write_text("\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(BadInput, match=message):
            Tokenizer.from_gpt2(*gpt2)

    def test_files_that_are_missing_or_no_text(self, gpt2, tmp_path):
        with pytest.raises(BadInput, match=r"cannot read the tokenizer .*absent"):
            Tokenizer.from_gpt2(gpt2[0], tmp_path / "absent")
        gpt2[1].write_bytes(b"\xff\xfe")
        with pytest.raises(BadInput, match=r"vocab\.bpe is .*damaged: no UTF-8"):
            Tokenizer.from_gpt2(*gpt2)

    @pytest.mark.parametrize(
        ("tokenizer", "message"),
        [
            (Tokenizer(pattern=r"\w+"), "imply GPT-2's pattern"),
            (Tokenizer(special_tokens={"<s>": 300}), "ids that leave none out"),
            (Tokenizer(special_tokens=["a"]), "special token 'a'"),
            (Tokenizer(conventions=Conventions(prefix_space=True)), "cannot say prefix_space"),
        ],
    )
    def test_what_the_files_cannot_say_is_not_written(self, tokenizer, message, tmp_path):
        with pytest.raises(BadInput, match=message):
            tokenizer.to_gpt2(tmp_path / "a", tmp_path / "b")
        assert list(tmp_path.iterdir()) == []


class TestTiktoken:
    def test_what_was_written_is_read(self, ranks):
        assert Tokenizer.from_tiktoken(ranks, special_tokens=TRAINED.special_tokens) == TRAINED
        with pytest.raises(BadInput, match=r"'r50k'.*r50k_base, p50k_base, cl100k_base, o200k_base"):
            Tokenizer.from_tiktoken(ranks, "r50k")

    @pytest.mark.parametrize("name", ENCODINGS)
    def test_special_tokens_have_their_ids_and_leave_others_out(self, name, ranks, tmp_path):
        tokenizer = Tokenizer.from_tiktoken(ranks, name)
        special = ENCODINGS[name][1]
        assert tokenizer.special_tokens == special and tokenizer.vocab_size == max(special.values()) + 1
        assert tokenizer.encode("a<|endoftext|>", "all")[-1] == special["<|endoftext|>"] == tokenizer.end_of_text
        assert StreamDecoder(tokenizer).push(tokenizer.end_of_text) == "<|endoftext|>"
        for decode in (tokenizer.decode, tokenizer.token_bytes):
            with pytest.raises(BadInput, match=f"{AFTER_ALL} is not a token id.*not all of them"):
                decode([AFTER_ALL] if decode == tokenizer.decode else AFTER_ALL)
        tokenizer.save(tmp_path / "saved.json")
        assert load_tokenizer(tmp_path / "saved.json") == tokenizer != TRAINED

    def test_a_special_token_may_stand_among_the_ranks(self, ranks, tmp_path):
        """As p50k_base has it: 50256 is <|endoftext|>, and ordinary tokens come after."""
        lines = ranks.read_text().splitlines()
        moved = [line.split(" ")[0] + f" {place + (place >= 300)}" for place, line in enumerate(lines)]
        ranks.write_text("\n".join(moved) + "\n")
        tokenizer = Tokenizer.from_tiktoken(ranks, special_tokens={"<|endoftext|>": 300})
        assert tokenizer.encode(TEXT) == [each + (each >= 300) for each in TRAINED.encode(TEXT)]
        assert tokenizer.decode([300]) == "<|endoftext|>"
        tokenizer.save(tmp_path / "saved.json")
        assert Tokenizer.load(tmp_path / "saved.json") == tokenizer
        tokenizer.to_tiktoken(tmp_path / "again")
        assert (tmp_path / "again").read_text() == ranks.read_text()
        with pytest.raises(BadInput, match="no line has the rank 300"):
            Tokenizer.from_tiktoken(ranks)
        with pytest.raises(BadInput, match="has the rank 301, which is the id of '<s>'"):
            Tokenizer.from_tiktoken(ranks, special_tokens={"<s>": 301, "</s>": 300})

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda lines: lines.pop(290), "no line has the rank 290"),
            (lambda lines: lines.insert(3, lines[290]), "line 292 gives the token .* a second rank"),
            (lambda lines: lines.insert(3, "enpq 290"), "line 292 has the rank 290, as line 4 has"),
            (lambda lines: lines.insert(0, "!!! 5"), 'line 1 must be "base64 rank"'),
            (lambda lines: lines.insert(0, "enpq"), 'line 1 must be "base64 rank"'),
            (lambda lines: lines.insert(0, " 5"), "line 1: .* no token"),
            (lambda lines: lines.insert(0, "enpq -5"), "line 1: .* no rank"),
            (lambda lines: lines.append(f"enpq {len(lines)}"), r"b'zzj' .* is not two tokens of lower rank, but 3"),
            (lambda lines: lines.__setitem__(65, "enp6 65"), r"b'zzz' .* but 3"),
        ],
    )
    def test_damaged_lines(self, damage, message, ranks):
        lines = ranks.read_text().splitlines()
        damage(lines)
        ranks.write_text("\n".join(lines) + "\n")
        with pytest.raises(BadInput, match=rf"small\.tiktoken is damaged: .*{message}"):
            Tokenizer.from_tiktoken(ranks)

    def test_a_byte_without_a_rank(self, tmp_path):
        tokens = [bytes([byte]) for byte in range(255)]
        lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
        (tmp_path / "short").write_text("".join(lines))
        with pytest.raises(BadInput, match="short is damaged: no token is the byte 255"):
            Tokenizer.from_tiktoken(tmp_path / "short")

    def test_merges_that_ranks_do_not_imply_are_not_written(self, tmp_path):
        """abc would be made of ab and c, as ab comes first."""
        odd = Tokenizer([(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")])
        with pytest.raises(BadInput, match="ranks alone do not say"):
            odd.to_tiktoken(tmp_path / "odd")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("pattern", "text", "pieces"),
        [
            (CL100K_PATTERN, "I'LL say (hi) 12345", ["I", "'LL", " say", " (", "hi", ")", " ", "123", "45"]),
            (CL100K_PATTERN, "a\n\n b\n  ", ["a", "\n\n", " b", "\n  "]),
            (O200K_PATTERN, "camelCase I'll a/\n\nb", ["camel", "Case", " I'll", " a", "/\n\n", "b"]),
        ],
    )
    def test_patterns_cut_text_like_this(self, pattern, text, pieces):
        assert compile_pattern(pattern).findall(text) == pieces


class TestConventions:
    @pytest.mark.parametrize("word", [b"the other theory", b"aaaa", b"", b"x", TEXT.encode()])
    def test_ranks_in_the_order_of_ids_change_nothing(self, word):
        merged = number_merges([bytes([byte]) for byte in range(256)], TRAINED.merges)
        ranked = {pair: (place, new) for place, (pair, new) in enumerate(merged.items())}
        assert merge_by_heap(list(word), ranked.get) == merge_piece(list(word), merged)

    @pytest.mark.parametrize(
        ("special_tokens", "message"),
        [
            ({"<s>": 5}, "'<s>' has the id 5, which is"),
            ({"<s>": 300, "</s>": 300}, "'</s>' has the id 300, which is b'<s>' already"),
            ({"<s>": -1}, "the id of '<s>' must be 0 to"),
            ({"<s>": 1 << 40}, "the id of '<s>' must be 0 to"),
            ({"<s>": 1.0}, "the id of '<s>' must be 0 to"),
        ],
    )
    def test_special_tokens_with_ids_that_cannot_be(self, special_tokens, message):
        with pytest.raises(BadInput, match=message):
            Tokenizer(special_tokens=special_tokens)

    def test_ids_that_are_the_next_ones_are_not_written(self):
        assert Tokenizer(special_tokens={"b": 257, "a": 256}) == Tokenizer(special_tokens=["a", "b"])
        assert "conventions" not in TRAINED.definition()

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ([], "must be an object"),
            ({"numbers": [1]}, "1 ids for"),
            ({"numbers": [0] * (AFTER_ALL - 1)}, "the id 0 belongs to two tokens"),
            ({"numbers": ["x"]}, "wrong entry 'numbers'"),
            ({"unmerged": {"abc": 0}}, "the id 0 belongs to two tokens"),
            ({"unmerged": []}, "wrong entry 'unmerged'"),
            ({"strips": {"a": "up"}}, "wrong entry 'strips'"),
            ({"always": ["<x>"]}, "always names '<x>'"),
            ({"always": [5]}, "wrong entry 'always'"),
            ({"prefix_space": 1}, "wrong entry 'prefix_space'"),
            ({"colour": 1}, "wrong entry 'colour'"),
            ({"single": [["A", 0], ["A", 0]]}, "wrong entry 'single'"),
            ({"single": [["A", 0], [None, 0]]}, "wrong entry 'single'"),
            ({"pair": [["A", 0]]}, "wrong entry 'pair'"),
            ({"pair": [["A", 0], ["B", -1]]}, "wrong entry 'pair'"),
            ({"pair": [["A", 0], ["B", 1], [9999, 1]]}, "9999 is not a token id"),
        ],
    )
    def test_damaged_definitions_are_refused_by_entry(self, entry, message):
        with pytest.raises(BadInput, match=message):
            Tokenizer.from_definition(TRAINED.definition() | {"conventions": entry})
