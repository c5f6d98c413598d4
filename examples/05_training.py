"""A small GPT learns English.

Sources: tinygpt/model/gpt.py and block.py (the model), tinygpt/train/losses.py, adam.py, clip.py, schedules.py and
loop.py. The command `tinygpt train` does the same with a larger model and keeps what it learned.

About half a minute on two cores.
"""

import math

from autograd import Key
from tinygpt.generate import chain, generate, temperature, top_k
from tinygpt.model import GPT, CountedBigram, GPTConfig
from tinygpt.model.size import flops_per_token, training_flops, training_memory
from tinygpt.text.batches import random_windows, strided_windows
from tinygpt.text.corpus import embedded_english, split
from tinygpt.text.tokenizer import Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, evaluate, train, warmup_cosine
from tinygpt.train.evaluate import Evaluation

VOCAB_SIZE, BLOCK_SIZE, BATCH_SIZE = 320, 64, 8
STEPS, LOOK_EVERY = 800, 100
LEARNING_RATE, MIN_LR, WARMUP = 6e-3, 6e-4, 30
DROPOUT = 0.0  # it helps where a text is read many times; this model reads less than the whole of it once
SEED = 5


def main(steps=STEPS):
    corpus = embedded_english()
    learn_from, held_out = split(corpus)
    tokenizer = Tokenizer.train(learn_from.texts, VOCAB_SIZE)
    tokens, validation = (tokenizer.encode_documents(part.texts) for part in (learn_from, held_out))
    print(f"{corpus.name}: {len(tokens):,} tokens to learn from, {len(validation):,} held out")

    model = GPT(GPTConfig(VOCAB_SIZE, BLOCK_SIZE, n_layer=2, n_head=2, n_embd=96, dropout=DROPOUT), Key(SEED))
    optimizer = AdamW(model.parameters(), beta2=0.99, grad_clip=1.0)
    rate = warmup_cosine(LEARNING_RATE, MIN_LR, WARMUP, steps)
    n_tokens = steps * BATCH_SIZE * BLOCK_SIZE
    print(f"a GPT of {model.n_params:,} parameters; {steps} steps of {BATCH_SIZE * BLOCK_SIZE} tokens")
    exactly, roughly = flops_per_token(model, BLOCK_SIZE) * n_tokens, training_flops(model.n_params, n_tokens)
    kept, anew = (training_memory(model, BATCH_SIZE, BLOCK_SIZE, recompute) for recompute in (False, True))
    print(f"arithmetic: {exactly:.2e} operations, {roughly:.2e} by the rule of 6 for each parameter and token")
    print(f"memory: {kept.total / 1e6:.1f} MB, {anew.total / 1e6:.1f} MB with model.recompute = True\n")

    def batches(index):
        return random_windows(tokens, BATCH_SIZE, BLOCK_SIZE, SEED, index)

    def held_out_loss():
        return evaluate(model, causal_lm_loss, strided_windows(validation, 32, BLOCK_SIZE), held_out.n_bytes)

    targets = len(validation) - 1
    bigram = CountedBigram(tokens, VOCAB_SIZE, prior=32.0)
    baselines = {
        "uniform guess": Evaluation(targets * math.log(VOCAB_SIZE), targets, held_out.n_bytes),
        "fresh model": held_out_loss(),
        "counted bigram": Evaluation(bigram.nats(validation), targets, held_out.n_bytes),
    }

    print("step   loss   gradient norm   learning rate   (each of one step, on its own batch)")
    for step in train(model, causal_lm_loss, batches, optimizer, steps, rate, seed=SEED):
        if step.index % LOOK_EVERY == 0 or step.index == steps - 1:
            print(f"{step.index:4} {step.loss:6.3f} {step.grad_norm:15.3f} {step.learning_rate:15.4f}", flush=True)

    print("\nheld-out text    nats a token   perplexity   bits per byte")
    results = baselines | {"this GPT": held_out_loss()}
    for name, result in results.items():
        print(f"{name:16} {result.loss:12.3f} {result.perplexity:12.1f} {result.bits_per_byte:15.3f}")

    print("\nIt writes:")
    rule = chain(temperature(0.8), top_k(50))
    print(tokenizer.decode(generate(model, [tokenizer.end_of_text], 150, rule, Key(SEED).fold("sample"))))
    return {name: result.bits_per_byte for name, result in results.items()}


if __name__ == "__main__":
    main()
