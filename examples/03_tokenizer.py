"""A tokenizer learns one merge at a time: plainly, counting all pairs again for each, or fast, correcting the counts.

Sources: tinygpt/text/tokenizer/plain.py (the algorithm in thirty lines), and in the same directory training.py and
linked.py (the same merges at speed) and bpe.py (special tokens, decoding).
"""

import re
from collections import Counter

from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.text.tokenizer.linked import Row
from tinygpt.text.tokenizer.plain import count_pairs, encode_plain, merge, train_plain
from tinygpt.text.tokenizer.pretokens import GPT2_PATTERN
from tinygpt.text.tokenizer.training import count_pieces

SENTENCE = "the hen and the ten hens went on to the end of the garden"
N_MERGES = 7  # then no pair occurs twice, and there is nothing left to learn
VOCAB_SIZES = (256, 512, 1024, 2048)
SAMPLE = "The interpreter's newest übermodule doesn't import unreadable files."


def shown(tokens):
    """Tokens with a visible cut between two; a byte that is no character by itself shows as �."""
    return "·".join(token.decode("utf-8", "replace") for token in tokens)


def named(pair):
    return " + ".join(repr(token.decode()) for token in pair)


def words_of(sentence):
    """The words as lists of single bytes: no merge crosses words, and a word includes the space before it."""
    return [[bytes([byte]) for byte in piece.encode()] for piece in re.findall(" ?[a-z]+", sentence)]


def merge_by_merge(sentence, n_merges):
    """Count all pairs of neighbours, merge the commonest into one token, repeat. Of equals the greater pair wins."""
    words = words_of(sentence)
    merges = []
    print(f"  {sum(map(len, words)):2} tokens  {shown(token for word in words for token in word)}")
    for _ in range(n_merges):
        counts = count_pairs(words)
        left, right = max(counts, key=lambda pair: (counts[pair], pair))
        words = [merge(word, (left, right)) for word in words]
        merges.append((left, right))
        tokens = [token for word in words for token in word]
        print(f"  {len(tokens):2} tokens  {shown(tokens)}   {named((left, right))}, {counts[left, right]} times")
    return merges


def correct_the_counts(sentence, merges):
    """The row holds each different word once. It knows all places of a pair, and corrects the counts only there."""
    words = words_of(sentence)
    different = Counter(b"".join(word) for word in words)
    row, tokens = Row(different.keys(), different.values()), [bytes([byte]) for byte in range(256)]

    def counts():
        return Counter({(tokens[a], tokens[b]): count for (a, b), count in row.counts.items() if count})

    for left, right in merges:
        before, pair = counts(), (tokens.index(left), tokens.index(right))
        print(f"  {named((left, right))}, found in {len(row.places[pair])} places")
        del before[left, right]
        tokens.append(left + right)
        row.merge(pair, new=len(tokens) - 1)
        after = counts()
        words = [merge(word, (left, right)) for word in words]
        assert after == count_pairs(words)  # what counting everything again gives
        for verb, change, was in (("lose", before - after, before), ("gain", after - before, before)):
            pairs = (f"{named(each)} {was[each]} → {after[each]}" for each in sorted(change))
            print(f"      {verb}  {', '.join(pairs) or 'none'}")


def visits(texts, merges):
    """How many pairs are looked at to learn the merges: counting all again; correcting the counts."""
    pieces = count_pieces(texts, (), GPT2_PATTERN)
    row, number = Row(pieces.keys(), pieces.values()), {bytes([byte]): byte for byte in range(256)}
    plain, fast = 0, sum(map(len, row.places.values()))  # the fast way, too, counts everything once
    for left, right in merges:
        pair = number[left], number[right]
        plain += sum(row.counts.values())
        fast += 3 * len(row.places[pair])  # the pair and its two neighbours
        number[left + right] = len(number)
        row.merge(pair, new=number[left + right])
    return plain, fast


def main(vocab_sizes=VOCAB_SIZES):
    print("Byte-pair encoding of one sentence:")
    merges = merge_by_merge(SENTENCE, n_merges=N_MERGES)
    assert merges == train_plain([SENTENCE], n_merges=N_MERGES)
    fast = Tokenizer.train([SENTENCE], vocab_size=256 + N_MERGES, special_tokens=())
    assert fast.merges == merges
    print("the fast trainer finds the same merges, as it corrects the counts of the neighbours of each:")
    correct_the_counts(SENTENCE, merges)
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

    cuts = (tokenizer.encode_dropout(" something", p=0.3, seed=seed) for seed in range(4))
    print("\nBPE-dropout cuts a word in many ways, so that a model learns from its parts:", end=" ")
    print(", ".join(shown(map(tokenizer.token_bytes, ids)) for ids in cuts))

    plain, fast = visits(corpus.texts, tokenizer.merges)
    print(f"\nFor these {len(tokenizer.merges)} merges counting all again looks at {plain:,} pairs,")
    print(f"correcting the counts at {fast:,}: {plain / fast:,.0f} times fewer")

    tokenizer = Tokenizer(tokenizer.merges, special_tokens=[END_OF_TEXT])
    text = f"One document.{END_OF_TEXT}Another."
    print(f"\nA special token counts only where the caller allows it: {text!r}")
    for allowed in ((), (END_OF_TEXT,)):
        ids = tokenizer.encode(text, allowed_special=allowed)
        print(f"  allowed {len(allowed)}: {shown(map(tokenizer.token_bytes, ids))}  {ids}")
        assert tokenizer.decode(ids) == text
    assert tokenizer.end_of_text in ids

    stray = bytes([0xFF, 0x00, 0xC3])
    print(f"\nNo byte is unknown: {stray!r} is no text, and survives as {tokenizer.encode_bytes(stray)}")


if __name__ == "__main__":
    main()
