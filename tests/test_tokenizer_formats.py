"""The files of GPT-2, tiktoken and tokenizers: what was written is read back equal, and damage refused by entry."""

import base64
import copy
import json
from pathlib import Path

import pytest

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import StreamDecoder, Tokenizer, load_tokenizer
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.formats.tiktoken import CL100K_PATTERN, ENCODINGS, O200K_PATTERN
from tinygpt.text.tokenizer.formats.visible import GPT2_BYTE_ORDER, from_visible, to_visible
from tinygpt.text.tokenizer.merging import merge_piece, merge_ranked
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


def roberta() -> dict:
    """A tokenizer.json as RoBERTa's: ids of their own, a token that nothing makes, <s> text </s>, a greedy mask."""
    vocabulary = {"<s>": 0, "</s>": 1, "<mask>": 300, "made up".replace(" ", "Ġ"): 301, "Ġt": 2, "he": 290, "Ġthe": 3}
    vocabulary |= {to_visible(bytes([byte])): 4 + byte for byte in reversed(range(256))}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": name, "single_word": False, "lstrip": name == "<mask>", "rstrip": False,
             "normalized": False, "special": True}
            for name, number in (("<s>", 0), ("</s>", 1), ("<mask>", 300))
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0]},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": ["Ġ t", "h e", "Ġt he"]},
    }  # fmt: skip


def read_json(file: dict, tmp_path: Path) -> Tokenizer:
    (tmp_path / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    return Tokenizer.from_huggingface(tmp_path / "tokenizer.json")


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
        with pytest.raises(BadInput, match=r"encoder\.json is damaged: (no valid JSON|.*no JSON object|.*'a'.*twice)"):
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
        with pytest.raises(BadInput, match=r"vocab\.bpe is damaged: no UTF-8"):
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


class TestHuggingFace:
    def test_ids_are_the_files_and_the_mask_takes_the_space_before_it(self, tmp_path):
        tokenizer = read_json(roberta(), tmp_path)
        assert tokenizer.encode("the the") == [4 + ord("t"), 290, 3]
        assert tokenizer.encode("a  <mask> a", "all") == [4 + ord("a"), 300, 4 + 32, 4 + ord("a")]
        assert tokenizer.encode("<s>") == [4 + ord(each) for each in "<s>"]
        assert tokenizer.surround(tokenizer.encode("a")) == [0, 4 + ord("a"), 1]
        assert tokenizer.decode([301, 300, 3]) == "made up<mask> the"

    @pytest.mark.parametrize("text", ["a", " a", "", "a <s>b"])
    def test_a_space_before_the_text(self, text, tmp_path):
        file = roberta()
        file["pre_tokenizer"]["add_prefix_space"] = True
        tokenizer = read_json(file, tmp_path)
        assert tokenizer.decode(tokenizer.encode(text, "all")) == text.replace("a", " a").replace("  ", " ").replace(
            "b", " b"
        )

        assert (tokenizer.encode(text) == []) == (text == "")

    def test_added_tokens_that_are_not_special_are_always_found(self, tmp_path):
        file = roberta()
        file["added_tokens"].append({"id": 302, "content": "<think>", "special": False, "normalized": True})
        tokenizer = read_json(file, tmp_path)
        assert tokenizer.encode("<think><s>")[0] == 302 and 0 not in tokenizer.encode("<think><s>")
        assert tokenizer.encode("<think><s>", "all") == [302, 0]
        assert tokenizer.encode_documents(["<think>"]).tolist() == [302]

    def test_of_several_post_processors_one_may_add_tokens(self, tmp_path):
        """A second one would be given the first one's tokens as if they were a text of their own."""
        file = roberta()
        processors = [{"type": "ByteLevel"}, file["post_processor"]]
        file["post_processor"] = {"type": "Sequence", "processors": processors}
        assert read_json(file, tmp_path).surround([5]) == [0, 5, 1]
        processors.append(processors[1])
        with pytest.raises(BadInput, match="post_processor.processors has 2 that add tokens"):
            read_json(file, tmp_path)

    def test_a_piece_that_is_a_token_is_that_token(self, tmp_path):
        file = roberta()
        file["model"]["vocab"]["Ġzoo"] = 302
        assert len(read_json(file, tmp_path).encode(" zoo")) == 4
        file["model"]["ignore_merges"] = True
        assert read_json(file, tmp_path).encode(" zoo") == [302]

    def test_merges_in_any_order(self, tmp_path):
        """`Ġt he` is possible only when the merges after it went; of h + e and t + h, that listed first goes first."""
        file = roberta()
        file["model"]["vocab"]["th"] = 302
        file["model"]["merges"] = [["Ġt", "he"], ["t", "h"], ["h", "e"], ["Ġ", "t"], ["Ġ", "th"], ["Ġth", "e"]]
        file["model"]["vocab"]["Ġth"] = 303
        tokenizer = read_json(file, tmp_path)
        assert tokenizer.encode(" the he") == [3, 4 + 32, 290]
        tokenizer.to_huggingface(tmp_path / "again.json")
        assert Tokenizer.from_huggingface(tmp_path / "again.json") == tokenizer

    def test_a_piece_between_two_matches_is_whole(self, tmp_path):
        file = roberta()
        split = {"type": "Split", "pattern": {"Regex": r"\d"}, "behavior": "Isolated", "invert": False}
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
        file["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, byte_level]}
        assert read_json(file, tmp_path).encode("1 the2 t") == [4 + 49, 3, 4 + 50, 2]
        split["pattern"] = {"String": "."}
        tokenizer = read_json(file, tmp_path)
        assert tokenizer.encode(". the") == [4 + 46, 3]
        tokenizer.to_huggingface(tmp_path / "again.json")
        assert Tokenizer.from_huggingface(tmp_path / "again.json") == tokenizer

    @pytest.mark.parametrize(
        "tokenizer",
        [
            TRAINED,
            Tokenizer.train([TEXT], 300, ["<s>", "é ü"], pattern=CL100K_PATTERN),
            Tokenizer.train([TEXT], 300, (), pattern=r"\w+"),
            Tokenizer(special_tokens={"<s>": 900, "</s>": 300}),
            Tokenizer(conventions=Conventions(before=(256,), after=(256, 5), always=("<|endoftext|>",))),
            Tokenizer(conventions=Conventions(strips={"<|endoftext|>": "both"}, prefix_space=True)),
        ],
    )
    def test_what_was_written_is_read(self, tokenizer, tmp_path):
        tokenizer.to_huggingface(tmp_path / "tokenizer.json")
        assert Tokenizer.from_huggingface(tmp_path / "tokenizer.json") == tokenizer
        tokenizer.save(tmp_path / "saved.json")
        assert load_tokenizer(tmp_path / "saved.json") == tokenizer

    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            ("normalizer", {"type": "NFC"}, "normalizer is .*NFC.* not supported"),
            ("truncation", {"max_length": 5}, "truncation is .*max_length"),
            ("padding", {}, "padding is"),
            ("decoder", None, "decoder is missing"),
            ("decoder.type", "WordPiece", "decoder.type is 'WordPiece'"),
            ("model", [], "model is missing or no object"),
            ("model.type", "Unigram", "model.type is 'Unigram'"),
            ("model.dropout", 0.1, "model.dropout is '0.1'"),
            ("model.byte_fallback", True, "model.byte_fallback is 'True'"),
            ("model.end_of_word_suffix", "</w>", "model.end_of_word_suffix is '</w>'"),
            ("model.continuing_subword_prefix", "##", "model.continuing_subword_prefix is '##'"),
            ("model.ignore_merges", 1, "model.ignore_merges must be true or false"),
            ("model.vocab", [], "model.vocab is missing"),
            ("model.vocab.a", 3, "'Ġthe' and 'a' both have the id 3"),
            ("model.vocab.a", "x", "'a' has the id 'x'"),
            ("model.vocab.a", 1 << 40, "'a' has the id"),
            ("model.vocab.two words", 400, "model.vocab: 'two words' has ' '"),
            ("model.merges", None, "model.merges is missing"),
            ("model.merges.1", "h e l", r"model\.merges\[1\] must be two tokens"),
            ("model.merges.1", ["h", 5], r"model\.merges\[1\] must be two tokens"),
            ("model.merges.1", "Ġ t", r"model\.merges\[1\] repeats model\.merges\[0\]"),
            ("model.merges.1", "h i", r"model\.merges\[1\]: 'hi' is not in model\.vocab"),
            ("model.merges.1", "hi t", r"model\.merges\[1\]: 'hi' is not in model\.vocab"),
            ("added_tokens", None, "added_tokens is missing"),
            ("added_tokens.1", 5, r"added_tokens\[1\] is missing or no object"),
            ("added_tokens.1.id", 7, r"added_tokens\[1\]: '</s>' has the id 7, and 1 in model\.vocab"),
            ("added_tokens.1.content", "", r"added_tokens\[1\] must have a content and an id"),
            ("added_tokens.1.content", "<s>", r"added_tokens\[1\]: '<s>' has the id 1, and 0"),
            ("added_tokens.1.content", "new", "special_tokens: 'new' has the id 1, which is b'</s>' already"),
            ("added_tokens.1.single_word", True, r"added_tokens\[1\]\.single_word is 'True'"),
            ("added_tokens.1.lstrip", "yes", r"added_tokens\[1\]\.lstrip must be true or false"),
            ("pre_tokenizer", None, "pre_tokenizer is missing"),
            ("pre_tokenizer.type", "Whitespace", "pre_tokenizer.type is 'Whitespace'"),
            ("pre_tokenizer.use_regex", "no", "pre_tokenizer.use_regex must be"),
            ("pre_tokenizer", {"type": "Sequence", "pretokenizers": [{"type": "Digits"}]}, r"is \['Digits'\]"),
            ("post_processor.type", "BertProcessing", "post_processor.type is 'BertProcessing'"),
            ("post_processor.sep", ["</s>", 7], "gives '</s>' the id 7"),
            ("post_processor.cls", "<s>", "post_processor.cls must be a token and its id"),
            ("post_processor", {"type": "TemplateProcessing", "single": []}, "post_processor.single must be a list"),
        ],
    )
    def test_what_is_damaged_or_not_supported_is_named(self, place, value, message, tmp_path):
        file = copy.deepcopy(roberta())
        target = file
        *path, last = place.split(".")
        for step in path:
            target = target[int(step) if isinstance(target, list) else step]
        target[int(last) if isinstance(target, list) else last] = value
        with pytest.raises(BadInput, match=rf"tokenizer\.json is damaged: .*({message})"):
            read_json(file, tmp_path)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            ({"behavior": "Removed"}, r"\[0\]\.behavior is 'Removed'"),
            ({"invert": True}, r"\[0\]\.invert is 'True'"),
            ({"pattern": {"Regex": "(a"}}, "not a regular expression"),
            ({"pattern": {"Other": "a"}}, "must be a Regex or a String"),
        ],
    )
    def test_splits_that_are_not_supported(self, damage, message, tmp_path):
        file = roberta()
        message = rf"tokenizer\.json is damaged: .*{message}"
        split = {"type": "Split", "pattern": {"Regex": r"\d"}, "behavior": "Isolated", "invert": False} | damage
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
        file["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, byte_level]}
        with pytest.raises(BadInput, match=message):
            read_json(file, tmp_path)

    @pytest.mark.parametrize(
        ("tokenizer", "message"),
        [
            (Tokenizer(pattern=r"\w+", conventions=Conventions(prefix_space=True)), "a space before a text"),
            (Tokenizer(special_tokens=["\ud800"]), "lone surrogate"),
            (Tokenizer(special_tokens=["a"]), "special token 'a'"),
        ],
    )
    def test_what_it_cannot_say_is_not_written(self, tokenizer, message, tmp_path):
        with pytest.raises(BadInput, match=message):
            tokenizer.to_huggingface(tmp_path / "tokenizer.json")
        assert list(tmp_path.iterdir()) == []


class TestConventions:
    @pytest.mark.parametrize("word", [b"the other theory", b"aaaa", b"", b"x", TEXT.encode()])
    def test_ranks_in_the_order_of_ids_change_nothing(self, word):
        ranked = {pair: (place, new) for place, (pair, new) in enumerate(TRAINED._merged.items())}
        assert merge_ranked(list(word), ranked) == merge_piece(list(word), TRAINED._merged)

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
        ],
    )
    def test_damaged_definitions_are_refused_by_entry(self, entry, message):
        with pytest.raises(BadInput, match=message):
            Tokenizer.from_definition(TRAINED.definition() | {"conventions": entry})
