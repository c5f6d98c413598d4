"""Denoising first, then summaries: what a model learns from text alone helps where examples are few.

Sources: tinygpt/text/denoising.py (text is corrupted, and restored) and tinygpt/train/metrics.py (ROUGE). The model
learns to turn the body of a docstring of Python's standard library into its first line; with --data, abstracts of
papers into a one-sentence summary (SciTLDR's .jsonl, fields source and target).

The target of BART's denoising is the whole text, so at every token there is something to find in the source, as in a
summary. T5's target is the missing spans alone, far fewer tokens per step.

A minute or two on two cores. That is too little text and time for usable summaries; the point is what denoising gains
over the same model trained on the examples alone. More steps on these examples would not help that model: after 1,150
steps it knows them by heart, and unseen summaries cost it 4.8 nats a token, against 5.0 after 150 steps and 3.2 with
denoising first. --steps gives more of both.
"""

import argparse

import numpy as np

from autograd import Key
from tinygpt.commands.scripts import at_least_one, in_a_sentence
from tinygpt.errors import MissingExtra
from tinygpt.generate import beam_search, translations
from tinygpt.model import Seq2Seq, Seq2SeqConfig
from tinygpt.text.batches import pad
from tinygpt.text.corpus.made_pairs import docstring_pairs
from tinygpt.text.denoising import infilling, sentinels, span_corruption
from tinygpt.text.pair_baselines import lead_sentence
from tinygpt.text.pair_batches import PairBatches, encode_pairs
from tinygpt.text.pairs import by_source, read_pairs, split_pairs
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.train import AdamW, evaluate, seq2seq_loss, train, warmup_cosine
from tinygpt.train.metrics import rouge

STEPS, DENOISING = 150, 7  # steps of learning to summarize, and how many times as many of denoising before them
# longest: tokens read of a source; written: at most, of a summary; window: of a text that is corrupted
DOCSTRINGS = {"vocab_size": 1000, "longest": 96, "written": 32, "window": 64}
ABSTRACTS = {"vocab_size": 4000, "longest": 224, "written": 48, "window": 96}
SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 64, "positions": "t5", "init_std": 0.1}
DENOISING_RATE, RATE = 6e-3, 3e-3
BATCH_SIZE, N_SENTINELS = 16, 8
TESTED, AT_ONCE, SHOWN = 60, 20, 3
SEED = 10


def fresh_model(form, tokenizer):
    return Seq2Seq(Seq2SeqConfig(tokenizer.vocab_size, form["longest"], **SIZES), Key(SEED))


def learn(name, model, batches, steps, rate):
    """Trains the model, and prints the mean loss of the last steps."""
    optimizer = AdamW(model.parameters(), beta2=0.98)
    schedule = warmup_cosine(rate, rate / 10, steps // 10 + 1, steps)
    losses = [step.loss for step in train(model, seq2seq_loss, batches, optimizer, steps, schedule, seed=SEED)]
    print(f"{steps} steps of {name}: loss {np.mean(losses[-20:]):.3f} on what is learned", flush=True)


def show_denoising(tokenizer, tokens, of_sentinels):
    end = tokenizer.end_of_text
    for name, make, marks in (("T5", span_corruption, of_sentinels), ("BART", infilling, of_sentinels[0])):
        batch = make(tokens, 1, 40, marks, end, end, SEED, 1)
        print(f"\n{name}: {tokenizer.decode(batch.source[0])!r}\n   → {tokenizer.decode(batch.targets[0])!r}")


def summaries(form, model, tokenizer, sources):
    end, texts = tokenizer.end_of_text, []
    for start in range(0, len(sources), AT_ONCE):
        ids = [each[: form["longest"]] for each in tokenizer.encode_batch(sources[start : start + AT_ONCE])]
        found = beam_search(translations(model, *pad(ids), end, form["written"]), [end], width=3)
        texts += [tokenizer.decode(best.tokens) for best, *_ in found]
    return texts


def report(name, texts, references, loss=None):
    line = f"{name:28} {'' if loss is None else f'{loss:.3f}':>14}"
    try:
        line += "".join(f"{value:10.1f}" for value in rouge(texts, references).values())
    except MissingExtra as missing:
        line += f"   ({missing})"
    print(line, flush=True)


def main(data=None, steps=STEPS, tested=TESTED):
    form = DOCSTRINGS if data is None else ABSTRACTS
    pairs = docstring_pairs() if data is None else [pair for path in data for pair in read_pairs(path)]
    learn_from, held_out = split_pairs(pairs, 0.1)
    texts = list(dict.fromkeys(text for pair in learn_from for text in pair))
    tokenizer = Tokenizer.train(texts, form["vocab_size"], (END_OF_TEXT, *sentinels(N_SENTINELS)))
    of_sentinels = [tokenizer.special_tokens[name] for name in sentinels(N_SENTINELS)]
    tokens, end = tokenizer.encode_documents(texts), tokenizer.end_of_text
    print(f"{len(learn_from):,} pairs to learn from, together {len(tokens):,} tokens")
    show_denoising(tokenizer, tokens, of_sentinels)

    longest = form["longest"]
    parts = (encode_pairs(part, tokenizer) for part in (learn_from, held_out))
    cut = ([(source[:longest], target[: longest - 1]) for source, target in part] for part in parts)
    batches, unseen = (PairBatches(part, end, end, SEED, BATCH_SIZE) for part in cut)

    def corrupted(index):
        return infilling(tokens, BATCH_SIZE, form["window"], of_sentinels[0], end, end, SEED, index)

    models = {name: fresh_model(form, tokenizer) for name in ("summaries alone", "denoising, then summaries")}
    print(f"\n{models['summaries alone'].n_params:,} parameters")
    learn("denoising (BART's)", models["denoising, then summaries"], corrupted, DENOISING * steps, DENOISING_RATE)
    for name, model in models.items():
        learn(name, model, batches, steps, RATE)

    references = dict(list(by_source(held_out).items())[:tested])
    sources, expected = list(references), list(references.values())
    print("\nunseen texts                 nats a token   ROUGE-1   ROUGE-2   ROUGE-L")
    report("their lead sentence", list(map(lead_sentence, sources)), expected)
    losses = {}
    for name, model in models.items():
        losses[name] = evaluate(model, seq2seq_loss, unseen.in_order()).loss
        written = summaries(form, model, tokenizer, sources)
        report(name, written, expected, losses[name])
    for source, text, one in list(zip(sources, written, expected))[:SHOWN]:
        print(f"\n  {source[:200]}{'…' * (len(source) > 200)}\n  → {text}\n  (a person: {one[0]})")
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", help=".jsonl, .tsv, .txt or .zip of pairs (default: docstrings)")
    steps_help = f"steps of summaries, after {DENOISING} times as many of denoising (default: {STEPS})"
    parser.add_argument("--steps", type=at_least_one, default=STEPS, help=steps_help)
    arguments = parser.parse_args()
    with in_a_sentence(parser):
        main(arguments.data, arguments.steps)
