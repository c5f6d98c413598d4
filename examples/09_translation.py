"""An encoder–decoder translates: arithmetic in words to figures, or English to French.

Sources: tinygpt/model/seq2seq.py (the model), tinygpt/text/pair_batches.py (teacher forcing),
tinygpt/train/losses.py and tinygpt/generate/beam.py. The same steps in PyTorch: tests/benchmarks/translation.py.

About a minute on two cores. With pairs of your own (each line a source, a tab and a target), such as Tatoeba's:

    python examples/09_translation.py --data fra-eng.zip --minutes 20
"""

import argparse
import time
from functools import partial

from autograd import Key
from tinygpt.commands.scripts import above_zero, at_least_one, in_a_sentence
from tinygpt.errors import MissingExtra
from tinygpt.generate import beam_search, greedy_search, translations
from tinygpt.model import Seq2Seq, Seq2SeqConfig
from tinygpt.text.batches import pad
from tinygpt.text.corpus.made_pairs import arithmetic_pairs
from tinygpt.text.pair_baselines import WordForWord
from tinygpt.text.pair_batches import PairBatches, encode_pairs
from tinygpt.text.pairs import by_source, read_pairs, split_pairs
from tinygpt.text.tokenizer import Tokenizer
from tinygpt.train import AdamW, seq2seq_loss, train, warmup_cosine
from tinygpt.train.metrics import bleu, chrf, exact_match

STEPS, LOOK_EVERY = 1000, 200
MOST_WORDS, MOST_TOKENS = 8, 40  # of a sentence read from a file, of a translation
TESTED, SHOWN, AT_ONCE, BETA2, SEED = 300, 6, 50, 0.98, 9
ARITHMETIC = {"n_embd": 64, "n_layer": 2, "vocabularies": (340, 257), "max_pairs": 64, "rate": 2e-3, "smoothing": 0.0}
SENTENCES = {"n_embd": 192, "n_layer": 3, "vocabularies": (4000, 4000), "max_pairs": 64, "rate": 1e-3, "smoothing": 0.1}


def pairs_of(data, tested):
    """Returns the pairs to learn from, {source: its targets} for `tested` other sources, both tokenizers, the form."""
    form = ARITHMETIC if data is None else SENTENCES
    if data is None:
        pairs = arithmetic_pairs(20_000, SEED, most_operations=2)
    else:  # sentences of so few words that a small model can learn them, both sides
        pairs = [pair for pair in read_pairs(data) if max(len(text.split()) for text in pair) <= MOST_WORDS]
    learn_from, held_out = split_pairs(pairs, 0.05)
    unseen = dict(list(by_source(held_out).items())[:: max(1, len(held_out) // tested)])
    sides = zip(*learn_from)
    return learn_from, unseen, [Tokenizer.train(texts, size) for texts, size in zip(sides, form["vocabularies"])], form


def batches_of(form, learn_from, tokenizers):
    end = tokenizers[1].end_of_text
    return PairBatches(encode_pairs(learn_from, *tokenizers), end, end, SEED, form["max_pairs"])


def fresh_model(form, tokenizers):
    source_size, size = (tokenizer.vocab_size for tokenizer in tokenizers)
    sizes = {"n_layer": form["n_layer"], "n_embd": form["n_embd"], "init_std": form["n_embd"] ** -0.5}
    return Seq2Seq(Seq2SeqConfig(size, 64, source_vocab_size=source_size, **sizes), Key(SEED))


def rate_of(form, steps):
    return warmup_cosine(form["rate"], form["rate"] / 20, steps // 10 + 1, steps)


def within(minutes, rate, steps):
    """The same schedule, but faster where the minutes will be over before the steps are."""
    began = time.monotonic()
    return lambda step: rate(max(step, int(steps * (time.monotonic() - began) / (60 * minutes))))


def trained(form, learn_from, tokenizers, steps, minutes):
    """A model trained for so many steps, but no longer than so many minutes."""
    batches, model = batches_of(form, learn_from, tokenizers), fresh_model(form, tokenizers)
    print(f"{model.n_params:,} parameters; {len(batches)} batches of {form['max_pairs']} pairs of like lengths")
    optimizer = AdamW(model.parameters(), beta2=BETA2)
    loss = partial(seq2seq_loss, label_smoothing=form["smoothing"])
    rate, began = within(minutes, rate_of(form, steps), steps), time.monotonic()
    for step in train(model, loss, batches, optimizer, steps, rate, seed=SEED):
        if step.index % LOOK_EVERY == 0 or step.index == steps - 1:
            print(f"step {step.index:5}: loss {step.loss:.3f} on its batch, rate {step.learning_rate:.1e}", flush=True)
        if time.monotonic() - began > 60 * minutes:
            print(f"step {step.index:5}: {minutes:g} minutes are over, of {steps} steps; loss {step.loss:.3f}")
            break
    return model


def write(search, tokenizers, sources):
    """The translations of many sources, AT_ONCE at a time: search(ids, mask, end) gives the ids of each."""
    source_tokenizer, tokenizer = tokenizers
    end, texts = tokenizer.end_of_text, []
    for start in range(0, len(sources), AT_ONCE):
        ids = source_tokenizer.encode_batch(sources[start : start + AT_ONCE])
        texts += [tokenizer.decode(each).strip() for each in search(*pad(ids), end)]
    return texts


def likeliest(model, ids, mask, end):
    return greedy_search(translations(model, ids, mask, end, MOST_TOKENS), [end])


def best_of_four(model, ids, mask, end):
    return [best.tokens for best, *_ in beam_search(translations(model, ids, mask, end, MOST_TOKENS), [end], width=4)]


def report(name, hypotheses, references):
    line = f"{name:24} exact {exact_match(hypotheses, references):5.1f} %"
    try:
        line += f"   BLEU {bleu(hypotheses, references):5.1f}   chrF {chrf(hypotheses, references):5.1f}"
    except MissingExtra as missing:
        line += f"   ({missing})"
    print(line)


def main(data=None, steps=STEPS, minutes=20.0, tested=TESTED):
    learn_from, unseen, tokenizers, form = pairs_of(data, tested)
    print(f"{len(learn_from):,} pairs to learn from; {len(unseen)} sources that occur in none of them to test with")
    model = trained(form, learn_from, tokenizers, steps, minutes)
    sources, references = list(unseen), list(unseen.values())
    greedy = write(partial(likeliest, model), tokenizers, sources)
    print()
    report("word for word", list(map(WordForWord(learn_from), sources)), references)
    report("greedy", greedy, references)
    report("beam of 4", write(partial(best_of_four, model), tokenizers, sources), references)
    for source, text, expected in list(zip(sources, greedy, references))[:SHOWN]:
        print(f"\n  {source}\n  {text}" + ("" if text in expected else f"\n  (expected: {' or '.join(expected)})"))
    return exact_match(greedy, references)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a .tsv, .txt, .jsonl or .zip of pairs (default: arithmetic)")
    parser.add_argument("--steps", type=at_least_one, help=f"training steps (default: {STEPS}; 6000 with --data)")
    parser.add_argument("--minutes", type=above_zero, default=20.0, help="longest time to train (default: %(default)s)")
    arguments = parser.parse_args()
    with in_a_sentence(parser):
        main(arguments.data, arguments.steps or (STEPS if arguments.data is None else 6000), arguments.minutes)
