"""Text is cut into the pieces that tiktoken and tokenizers cut it into, whatever the characters."""

import functools
import random
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import BadInput
from tinygpt.text.tokenizer.formats.splits import check, gaps_as_characters, gaps_as_pieces
from tinygpt.text.tokenizer.formats.tiktoken import CL100K_PATTERN, ENCODINGS, O200K_PATTERN
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN, compile_pattern

pytestmark = pytest.mark.peer

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TRICKY = [*"'''''sStTdDmMrReEvVlLſKK09/\r\n\r\n \t\v\f_-.", "\x1c", "\x1f",
          "\x85", "\xa0", "\u180e", "\u2003", "\u2028", "\u2029",
          "\u200b", "\u200d", "\u3000", "\ufeff", "ǅ", "ʰ", "²", "Ⅷ", "ß", "ﬆ", "aB", "Aa", "e\u0301", "12345",
          "'LL", "\r\n\r\n"]  # fmt: skip
@functools.cache
def characters_by_category() -> list[list[str]]:
    """Each library has its own version of Unicode, so what is not assigned in Python's is left out, and U+0295, which
    changed from Ll to Lo."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        found.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    del found["Cs"], found["Cn"]
    found[unicodedata.category("\u0295")].remove("\u0295")
    return list(found.values())


def random_texts(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    categories = characters_by_category()
    pools = [lambda: draw.choice(TRICKY), lambda: draw.choice(draw.choice(categories))]
    return ["".join(draw.choices(pools, [3, 2])[0]() for _ in range(draw.randrange(1, 20))) for _ in range(count)]


def tiktokens_pieces(pattern: str, texts: list[str]) -> list[list[str]]:
    """Each stretch of each text is a token, so that every piece is one, and the tokens are the pieces."""
    tiktoken = pytest.importorskip("tiktoken", reason="the peer is tiktoken: pip install -e '.[peers]'")
    tokens = {bytes([byte]) for byte in range(256)}
    for text in texts:
        tokens |= {text[i:j].encode() for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    ranks = {token: rank for rank, token in enumerate(sorted(tokens, key=lambda token: (len(token), token)))}
    encoding = tiktoken.Encoding("pieces", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return [
        [encoding.decode_single_token_bytes(each).decode() for each in encoding.encode_ordinary(text)] for text in texts
    ]


def owners_pattern(name: str) -> str:
    """The pattern in tiktoken itself; the ranks, which would come from the network, are not asked for."""
    public = pytest.importorskip("tiktoken_ext.openai_public")
    load, public.load_tiktoken_bpe = public.load_tiktoken_bpe, lambda *_, **__: {}
    try:
        return public.r50k_pat_str if name[1:] == "50k_base" else getattr(public, name)()["pat_str"]
    finally:
        public.load_tiktoken_bpe = load


@pytest.mark.parametrize("name", ENCODINGS)
def test_tiktokens_pieces(name):
    find, pattern = compile_pattern(ENCODINGS[name][0]).findall, owners_pattern(name)
    for seed in range(8):
        texts = random_texts(seed, 60)
        for text, theirs in zip(texts, tiktokens_pieces(pattern, texts)):
            assert find(text) == theirs, ascii(text)


def split_pieces(pattern: str, text: str) -> list[str]:
    """What the Split of `tokenizers` makes of the text."""
    tokenizers = pytest.importorskip("tokenizers", reason="the peer is tokenizers: pip install -e '.[peers]'")
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    return [piece for piece, _ in split.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    "pattern",
    [GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN, QWEN2_PATTERN, r"\p{N}", r"[^\s\p{P}]+", r"(?i:ve|'[sdt])+",
     r"a++|ab",
     r"\p{Han}{2,3}|\P{L}", r"(?<=a)b|(?<!\s)\.", r"[\r\n&-]+|\x41\u0042", r"(?>a|ab)c?", r"\.|\\|\[| {2}"],
)  # fmt: skip
def test_a_splits_pieces(pattern):
    check(pattern, "")
    find = compile_pattern(gaps_as_pieces(pattern)).findall
    for text in random_texts(9, 300):
        assert find(text) == split_pieces(pattern, text), ascii(text)
    assert gaps_as_characters(gaps_as_pieces(pattern)) == pattern


STEPS = st.sampled_from(
    ["a", "B", " ", "'", ".", "|", "\\s", "\\S", "\\d", "\\w", "\\h", "\\b", "\\n", "\\R", "\\.", "\\p{L}", "\\p{Word}",
     "\\P{N}", "[a", "]", "[^\\s", "&&", "[:alpha:]", "(?:", "(?i:", "(?!", "(?=", "(?>", "(?m:", "(", ")", "*", "+",
     "{2}", "?", "{1,2}", "{,2}", "^", "$", "\\A", "\\z", "-", "ss", "st", "x", "é", "\\x41"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=9).map("".join), st.integers(0, 99))
def test_what_is_let_through_is_read_alike(pattern, seed):
    """Of any pattern: refused here, or by its owner, or the pieces are the same."""
    try:
        check(pattern, "")
        find = compile_pattern(gaps_as_pieces(pattern)).findall
    except BadInput:
        return
    for text in ["aB.a b'as ssSTx\n&-a^b é$12 A", *random_texts(seed, 3)]:
        try:
            theirs = split_pieces(pattern, text)
        except Exception as error:
            assert "Oniguruma" in str(error)
            return
        assert find(text) == theirs, ascii((pattern, text))
