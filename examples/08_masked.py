"""A small encoder learns English by predicting masked tokens from the text on both sides of them.

Sources: tinygpt/text/masked_lm.py (what is masked), tinygpt/model/bert.py (the encoder), masked_lm_loss in
tinygpt/train/losses.py, and tinygpt/text/masked_baselines.py (what can be guessed without a model).

About a minute on two cores. Texts of your own: --data PATH …; longer training: --steps.
"""

import argparse

from autograd import Key
from tinygpt.commands.scripts import at_least_one, in_a_sentence
from tinygpt.generate import fill
from tinygpt.model import Bert, BertConfig
from tinygpt.text.batches import IGNORE
from tinygpt.text.corpus import embedded_english, read_files, split
from tinygpt.text.masked_baselines import likeliest_after, likeliest_before, most_frequent
from tinygpt.text.masked_lm import Masking, consecutive_masked_windows, random_masked_windows
from tinygpt.text.tokenizer import END_OF_TEXT, MASK, Tokenizer
from tinygpt.train import AdamW, masked_accuracy, masked_lm_loss, mlm_predictions, train, warmup_cosine

VOCAB_SIZE, BLOCK_SIZE, BATCH_SIZE = 320, 32, 32
STEPS, LOOK_EVERY = 1000, 100
LEARNING_RATE, MIN_LR, WARMUP = 6e-3, 6e-4, 100
HELD_OUT = 30_000  # tokens of the held-out text that are looked at
SEED = 8

# BERT's learned positions take long to learn: for more than a minute the model knows only how often each token occurs.
# With rotary positions it learns sooner to use a token's neighbours. Everything else is BERT's form.
FORM = {"n_layer": 2, "n_head": 2, "n_embd": 64, "positions": "rotary"}

TEXTS = [
    "Return a string contain[MASK] the name of the file.",
    "If the argument [MASK] not given, the default is used.",
    "Raises ValueError if [MASK] value is not [MASK] integer.",
]


def shown(tokenizer, batch):
    """The first row as the model is given it: ⟨? → x⟩ is a masked token, ⟨y → x⟩ one that was replaced or left."""
    signs = []
    for given, wanted in zip(batch.inputs[0].tolist(), batch.targets[0].tolist()):
        sign = "?" if given == tokenizer.special_tokens[MASK] else tokenizer.decode([given])
        signs.append(sign if wanted == IGNORE else f"⟨{sign} → {tokenizer.decode([wanted])}⟩")
    return "".join(signs)


def main(steps=STEPS, data=None):
    corpus = read_files(data) if data else embedded_english()
    learn_from, held_out = split(corpus)
    tokenizer = Tokenizer.train(learn_from.texts, VOCAB_SIZE, special_tokens=(END_OF_TEXT, MASK))
    tokens, validation = (tokenizer.encode_documents(part.texts) for part in (learn_from, held_out))
    masking = Masking.of(tokenizer)
    print(f"{corpus.name}: {len(tokens):,} tokens to learn from, {len(validation):,} held out\n")

    def batches(index):
        return random_masked_windows(tokens, masking, BATCH_SIZE, BLOCK_SIZE, SEED, index)

    print("Of 100 tokens 15 are asked for; 12 of these are hidden, the others replaced or left as they are:")
    print(f"  {shown(tokenizer, batches(0))!r}")

    model = Bert(BertConfig(tokenizer.vocab_size, BLOCK_SIZE, **FORM), Key(SEED))
    optimizer = AdamW(model.parameters(), beta2=0.98)
    rate = warmup_cosine(LEARNING_RATE, MIN_LR, WARMUP, steps)
    print(f"\nan encoder of {model.n_params:,} parameters; {steps} steps of {BATCH_SIZE * BLOCK_SIZE} tokens\n")

    print("step   loss   tokens asked for   learning rate")
    for step in train(model, masked_lm_loss, batches, optimizer, steps, rate, seed=SEED):
        if step.index % LOOK_EVERY == 0 or step.index == steps - 1:
            print(f"{step.index:4} {step.loss:6.3f} {step.tokens:18} {step.learning_rate:15.4f}", flush=True)

    guesses = {
        "the most frequent token": most_frequent(tokens),
        "likeliest after the token before": likeliest_after(tokens, tokenizer.vocab_size),
        "likeliest before the token after": likeliest_before(tokens, tokenizer.vocab_size),
        "this encoder": mlm_predictions(model),
    }
    asked = list(consecutive_masked_windows(validation[:HELD_OUT], masking, BATCH_SIZE, BLOCK_SIZE))
    accuracies = {name: masked_accuracy(guess, asked) for name, guess in guesses.items()}
    print("\nheld-out text                      guessed rightly")
    for name, accuracy in accuracies.items():
        print(f"{name:34} {accuracy:15.3f}")

    print("\nIt fills:")
    for text in TEXTS:
        print(f"  {text}")
        for candidates in fill(model, tokenizer, text, 4):
            print("     ", "   ".join(f"{each.text!r} {each.probability:.2f}" for each in candidates))
    return accuracies


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", metavar="PATH", help="files or directories (default: Python's English)")
    parser.add_argument("--steps", type=at_least_one, default=STEPS, help="training steps (default: %(default)s)")
    options = parser.parse_args()
    with in_a_sentence(parser):
        main(options.steps, options.data)
