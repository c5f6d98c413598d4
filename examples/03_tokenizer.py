"""A tokenizer learns one merge at a time.

Beside it lie tinygpt/text/tokenizer/plain.py (the algorithm in thirty lines) and tinygpt/text/tokenizer/bpe.py (the
same merges at speed, special tokens, decoding).
"""

import re

from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.text.tokenizer.plain import count_pairs, encode_plain, merge, train_plain

SENTENCE = "the hen and the ten hens went on to the end of the garden"
N_MERGES = 7  # then no pair occurs twice, and there is nothing left to learn
VOCAB_SIZES = (256, 512, 1024, 2048)
SAMPLE = "The interpreter's newest übermodule doesn't import unreadable files."


def shown(tokens):
    """Tokens with a visible cut between two; a byte that is no character by itself shows as �."""
    return "·".join(token.decode("utf-8", "replace") for token in tokens)


def merge_by_merge(sentence, n_merges):
    """Count every pair of neighbours, make the commonest one token, begin again. Among equals the greater pair wins."""
    pieces = re.findall(" ?[a-z]+", sentence)  # no merge reaches across words; a word owns the space before it
    words = [[bytes([byte]) for byte in piece.encode()] for piece in pieces]
    merges = []
    print(f"  {sum(map(len, words)):2} tokens  {shown(token for word in words for token in word)}")
    for _ in range(n_merges):
        counts = count_pairs(words)
        left, right = max(counts, key=lambda pair: (counts[pair], pair))
        words = [merge(word, (left, right)) for word in words]
        merges.append((left, right))
        tokens = [token for word in words for token in word]
        pair = f"{left.decode()!r} + {right.decode()!r}"
        print(f"  {len(tokens):2} tokens  {shown(tokens)}   {pair}, {counts[left, right]} times")
    return merges


def main(vocab_sizes=VOCAB_SIZES):
    print("Byte-pair encoding of one sentence:")
    merges = merge_by_merge(SENTENCE, n_merges=N_MERGES)
    assert merges == train_plain([SENTENCE], n_merges=N_MERGES)
    fast = Tokenizer.train([SENTENCE], vocab_size=256 + N_MERGES, special_tokens=())
    assert fast.merges == merges
    print("the fast trainer finds the same merges")
    print(f"words that the sentence does not have: {shown(encode_plain(' other oven', merges))}")

    corpus = embedded_english()
    print(f"\n{corpus.name}, {corpus.n_bytes / 1e6:.1f} MB, and vocabularies of several sizes:")
    start = corpus.texts[0][:20_000]
    for size in vocab_sizes:
        tokenizer = Tokenizer.train(corpus.texts, size, special_tokens=()) if size > 256 else Tokenizer((), ())
        ids = tokenizer.encode(SAMPLE)
        assert tokenizer.decode(ids) == SAMPLE
        bytes_per_token = len(start.encode()) / len(tokenizer.encode(start))
        print(f"\n  {size} tokens, {bytes_per_token:.2f} bytes a token; first merges", end=" ")
        print(", ".join(repr((left + right).decode()) for left, right in tokenizer.merges[:8]) or "none")
        print(f"  {len(ids):2}  {shown(map(tokenizer.token_bytes, ids))}")

    print("\nBPE-dropout cuts a word in many ways, so that a model learns from its parts:")
    for seed in range(4):
        ids = tokenizer.encode_dropout(" something", p=0.3, seed=seed)
        print(f"  {len(ids):2}  {shown(map(tokenizer.token_bytes, ids))}")
        assert tokenizer.decode(ids) == " something"

    longest = sorted((left + right for left, right in tokenizer.merges), key=len, reverse=True)[:8]
    print(f"\nits longest tokens: {', '.join(repr(token.decode()) for token in longest)}")

    tokenizer = Tokenizer(tokenizer.merges, special_tokens=[END_OF_TEXT])
    text = f"One document.{END_OF_TEXT}Another."
    print(f"\nA special token counts only where the caller allows it: {text!r}")
    for allowed in ((), (END_OF_TEXT,)):
        ids = tokenizer.encode(text, allowed_special=allowed)
        print(f"  allowed {len(allowed)}: {shown(map(tokenizer.token_bytes, ids))}  {ids}")
        assert tokenizer.decode(ids) == text
    assert tokenizer.end_of_text in ids

    stray = bytes([0xFF, 0x00, 0xC3])
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(stray)) == stray
    print(f"\nNo byte is unknown: {stray!r} is no text, and survives as {tokenizer.encode_bytes(stray)}")


if __name__ == "__main__":
    main()
