"""tokenizer.json: what was written is read back equal, what is damaged or not supported is refused by entry."""

import copy
import json
from pathlib import Path

import pytest

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer import Tokenizer, load_tokenizer
from tinygpt.text.tokenizer.conventions import Conventions
from tinygpt.text.tokenizer.formats.visible import to_visible
from tinygpt.text.tokenizer.pieces import CL100K_PATTERN

pytestmark = pytest.mark.core

TEXT = "The quick brown fox can't jump over the other dogs — déjà vu, 12345 times: 今日は 🙂.\n\n" * 3
TRAINED = Tokenizer.train([TEXT], 330)


def roberta() -> dict:
    """A tokenizer.json as RoBERTa's: ids of their own, a token that nothing makes, <s> text </s>, a greedy mask."""
    vocabulary = {"<s>": 0, "</s>": 1, "<mask>": 300, "madeĠup": 301, "Ġt": 2, "he": 290, "Ġthe": 3}
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


TEXT_A, TEXT_B = ({"Sequence": {"id": letter, "type_id": 0}} for letter in "AB")
END = {"SpecialToken": {"id": "</s>", "type_id": 0}}


def template(special_tokens=None, single=(TEXT_A,), pair=(TEXT_A, TEXT_B)) -> dict:
    """A post-processor."""
    single, pair = (list(row) if isinstance(row, tuple) else row for row in (single, pair))
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special_tokens or {}}


def read_json(file: dict, tmp_path: Path) -> Tokenizer:
    (tmp_path / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    return Tokenizer.from_huggingface(tmp_path / "tokenizer.json")


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
        with pytest.raises(BadInput, match=r"post_processor\.processors has 2 that add tokens"):
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
            Tokenizer.train([TEXT], 300, (), pattern=r"\p{L}+"),
            Tokenizer(special_tokens={"<s>": 900, "</s>": 300}),
            Tokenizer(
                conventions=Conventions(
                    single=((256, 0), ("A", 0), (256, 0), (5, 0)),
                    pair=(("B", 1), (256, 2), ("A", 0)),
                    always=("<|endoftext|>",),
                )
            ),
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
            ("added_tokens.1", {"id": 302, "content": " x"}, "added_tokens: ' x' begins or ends with white space"),
            ("pre_tokenizer", None, "pre_tokenizer is missing"),
            ("pre_tokenizer.type", "Whitespace", "pre_tokenizer.type is 'Whitespace'"),
            ("pre_tokenizer.use_regex", "no", "pre_tokenizer.use_regex must be"),
            ("pre_tokenizer", {"type": "Sequence", "pretokenizers": [{"type": "Digits"}]}, r"is \['Digits'\]"),
            ("post_processor.type", "BertProcessing", "post_processor.type is 'BertProcessing'"),
            ("post_processor.sep", ["</s>", 7], "gives '</s>' the id 7"),
            ("post_processor.cls", "<s>", "post_processor.cls must be a token and its id"),
            ("post_processor", template(single=5), "post_processor.single must be a list, not 5"),
            ("post_processor", template(single=[]), "post_processor.single must have the text A once"),
            ("post_processor", template(single=[TEXT_A, TEXT_A]), "post_processor.single must have the text A once"),
            ("post_processor", template(pair=[TEXT_A]), "post_processor.pair must have the texts A and B once"),
            ("post_processor", template(pair=[TEXT_A, {}]), r"post_processor\.pair\[1\]\.SpecialToken is missing"),
            ("post_processor", template(pair=[{"Sequence": {"id": "A"}}]), r"pair\[0\]\.Sequence must have an id and"),
            ("post_processor", template(single=[END, TEXT_A]), r"post_processor\.special_tokens: '</s>' is missing"),
            ("post_processor", template({"</s>": {"ids": [1], "tokens": []}}, [END]), "'</s>' has no ids and tokens"),
            ("post_processor", template({"</s>": {"ids": [7], "tokens": ["</s>"]}}, [END]), "gives '</s>' the id 7"),
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
            ({"pattern": {"Regex": "(?:a"}}, "not a regular expression"),
            ({"pattern": {"Regex": "(?:a|a)*b"}}, "takes for ever"),
            ({"pattern": {"Regex": "(?:" * 1500 + "a" + ")" * 1500}}, "too large|not a regular expression"),
            ({"pattern": {"Regex": "(?:a{300}){300}"}}, "too large"),
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
            (Tokenizer(pattern=r"\p{L}+", conventions=Conventions(prefix_space=True)), "a space before a text"),
            (Tokenizer(special_tokens=["\ud800"]), "lone surrogate"),
            (Tokenizer(special_tokens=["a"]), "special token 'a'"),
        ],
    )
    def test_what_it_cannot_say_is_not_written(self, tokenizer, message, tmp_path):
        with pytest.raises(BadInput, match=message):
            tokenizer.to_huggingface(tmp_path / "tokenizer.json")
        assert list(tmp_path.iterdir()) == []
