"""Denoising first, then summaries: does what a model learns from text alone help where examples are few?

Beside it lie tinygpt/text/denoising.py (spans taken out, to be written again) and tinygpt/train/metrics.py (ROUGE).
What a docstring of Python's standard library says at length is to become its first line; with --data, papers' abstracts
become what their authors say in a sentence (SciTLDR's .jsonl, fields source and target).

A minute or two on two cores: too little text and time for summaries that could be used. What is to be seen is the way,
and numbers that can be compared; a first sentence is still the better summary. Larger --steps go on from there.
"""

import argparse

import numpy as np

from autograd import Key
from tinygpt.errors import MissingExtra
from tinygpt.generate import beam_search, translations
from tinygpt.model import Seq2Seq, Seq2SeqConfig
from tinygpt.text.corpus.made_pairs import docstring_pairs
from tinygpt.text.denoising import infilling, sentinels, span_corruption
from tinygpt.text.pair_batches import PairBatches, encode_pairs, pad
from tinygpt.text.pairs import by_source, read_pairs, split_pairs
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.train import AdamW, evaluate, seq2seq_loss, train, warmup_cosine
from tinygpt.train.metrics import lead_sentence, rouge

STEPS = 250  # of each of the two kinds of training
VOCAB_SIZE, LONGEST = 1000, 96  # tokens of a source that are read, and of a target
WINDOW, N_SENTINELS, BATCH_SIZE = 64, 8, 16
TESTED, AT_ONCE, SHOWN = 60, 20, 3
SEED = 10


def fresh_model(tokenizer):
    return Seq2Seq(
        Seq2SeqConfig(tokenizer.vocab_size, LONGEST, n_layer=2, n_head=4, n_embd=96, positions="t5", init_std=0.08),
        Key(SEED),
    )


def learn(model, batches, steps, rate):
    """Trains the model; the mean loss of its last steps."""
    optimizer = AdamW(model.parameters(), beta2=0.98)
    schedule = warmup_cosine(rate, rate / 10, steps // 10 + 1, steps)
    losses = [step.loss for step in train(model, seq2seq_loss, batches, optimizer, steps, schedule, seed=SEED)]
    return np.mean(losses[-20:])


def show_denoising(tokenizer, tokens, of_sentinels):
    end = tokenizer.end_of_text
    for name, make, marks in (("T5", span_corruption, of_sentinels), ("BART", infilling, of_sentinels[0])):
        batch = make(tokens, 1, 40, marks, end, end, SEED, 1)
        print(f"\n{name}: {tokenizer.decode(batch.source[0])!r}\n   → {tokenizer.decode(batch.targets[0])!r}")


def summaries(model, tokenizer, sources):
    end, texts = tokenizer.end_of_text, []
    for start in range(0, len(sources), AT_ONCE):
        ids = [each[:LONGEST] for each in tokenizer.encode_batch(sources[start : start + AT_ONCE])]
        found = beam_search(translations(model, *pad(ids), end, max_new_tokens=32), [end], width=3)
        texts += [tokenizer.decode(best.tokens) for best, *_ in found]
    return texts


def report(name, texts, references, loss=None):
    line = f"{name:28} {'' if loss is None else f'{loss:.3f}':>14}"
    try:
        line += "".join(f"{value:10.1f}" for value in rouge(texts, references).values())
    except MissingExtra as missing:
        line += f"   ({missing})"
    print(line)


def main(data=None, steps=STEPS, tested=TESTED):
    learn_from, held_out = split_pairs(docstring_pairs() if data is None else read_pairs(data), 0.1)
    texts = [text for pair in learn_from for text in pair]
    tokenizer = Tokenizer.train(texts, VOCAB_SIZE, (END_OF_TEXT, *sentinels(N_SENTINELS)))
    of_sentinels = [tokenizer.special_tokens[name] for name in sentinels(N_SENTINELS)]
    tokens, end = tokenizer.encode_documents(dict.fromkeys(texts)), tokenizer.end_of_text
    print(f"{len(learn_from):,} pairs, {len(tokens):,} tokens to learn from")
    show_denoising(tokenizer, tokens, of_sentinels)

    cut = [
        [(x[:LONGEST], y[: LONGEST - 1]) for x, y in encode_pairs(part, tokenizer)] for part in (learn_from, held_out)
    ]
    batches, unseen = (PairBatches(part, end, end, SEED, BATCH_SIZE) for part in cut)

    def spoiled(index):
        return span_corruption(tokens, BATCH_SIZE, WINDOW, of_sentinels, end, end, SEED, index)

    denoised, from_nothing = fresh_model(tokenizer), fresh_model(tokenizer)
    print(f"\n{denoised.n_params:,} parameters")
    print(f"{steps} steps of denoising: loss {learn(denoised, spoiled, steps, 3e-3):.3f}", flush=True)
    models = {"summaries alone": from_nothing, "denoising, then summaries": denoised}
    for name, model in models.items():
        print(f"{steps} steps of {name}: loss {learn(model, batches, steps, 2e-3):.3f} on what is learned", flush=True)

    references = dict(list(by_source(held_out).items())[:tested])
    sources, expected = list(references), list(references.values())
    print("\nunseen texts                 nats a token   ROUGE-1   ROUGE-2   ROUGE-L")
    report("their lead sentence", list(map(lead_sentence, sources)), expected)
    results = {}
    for name, model in models.items():
        results[name] = evaluate(model, seq2seq_loss, unseen.in_order()).loss
        written = summaries(model, tokenizer, sources)
        report(name, written, expected, results[name])
    for source, text, one in list(zip(sources, written, expected))[:SHOWN]:
        print(f"\n  {source[:200]}{'…' * (len(source) > 200)}\n  → {text}\n  (a person: {one[0]})")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a .jsonl, .tsv, .txt or .zip of texts and their summaries")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    main(arguments.data, arguments.steps)
