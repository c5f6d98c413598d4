"""How a model writes: what temperature, top-k and top-p do to one real distribution, and to the text.

Beside it lie tinygpt/generate/sampling.py (the rules, and the draw) and tinygpt/generate/decoding.py (the loop).

A small GPT is trained first, about a quarter of a minute on two cores.
"""

import numpy as np

from autograd import Key, no_grad, softmax
from tinygpt.generate import chain, generate, sample, temperature, top_k, top_p
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import random_windows
from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, train, warmup_cosine

VOCAB_SIZE, BLOCK_SIZE, BATCH_SIZE, STEPS = 320, 64, 8, 600
PROMPT = "Return a st"
DRAWS = 10_000
SEED = 6
BARS = 40  # characters for a probability of 1
RULES = {
    "as the model has it": chain(),
    "temperature 0.5": temperature(0.5),
    "temperature 2": temperature(2.0),
    "top-k 5": top_k(5),
    "top-p 0.7": top_p(0.7),
    "temperature 0.8, top-k 50, top-p 0.9": chain(temperature(0.8), top_k(50), top_p(0.9)),
}


def trained(tokenizer, texts, steps):
    tokens = tokenizer.encode_documents(texts)
    model = GPT(GPTConfig(tokenizer.vocab_size, BLOCK_SIZE, n_layer=2, n_head=2, n_embd=96), Key(SEED))
    optimizer = AdamW(model.parameters(), beta2=0.99)

    def batches(index):
        return random_windows(tokens, BATCH_SIZE, BLOCK_SIZE, SEED, index)

    for step in train(model, causal_lm_loss, batches, optimizer, steps, warmup_cosine(6e-3, 6e-4, 30, steps)):
        if step.index in (0, steps - 1):
            print(f"step {step.index}: loss {step.loss:.3f} on its batch", flush=True)
    return model


def next_logits(model, ids):
    """(V,): what the model thinks of every token that could come next."""
    with no_grad():
        return model(np.array([ids])).data[0, -1]


def show(tokenizer, name, logits, n=8):
    p = softmax(logits).data
    print(f"\n{name}: {np.count_nonzero(p)} tokens left")
    for token in np.argsort(-p, kind="stable")[:n]:
        if p[token] > 0:
            text = tokenizer.token_bytes(int(token)).decode("utf-8", "replace")
            print(f"  {text!r:12} {p[token]:.3f}  {'#' * round(BARS * float(p[token]))}".rstrip())


def main(steps=STEPS):
    texts = embedded_english().texts
    tokenizer = Tokenizer.train(texts, VOCAB_SIZE)
    model = trained(tokenizer, texts, steps)
    ids = tokenizer.encode(PROMPT)
    logits = next_logits(model, ids)

    print(f"\nWhat may follow {PROMPT!r}, the likeliest eight:")
    for name, rule in RULES.items():
        show(tokenizer, name, rule(logits))

    rule = RULES["top-k 5"]
    draws = np.array([sample(rule(logits), Key(SEED).fold("draw", n)) for n in range(DRAWS)])
    token = int(logits.argmax())
    print(f"\n{DRAWS:,} draws under top-k 5: {tokenizer.decode([token])!r} came ", end="")
    print(f"{np.mean(draws == token):.3f} of the time, expected {softmax(rule(logits)).data[token]:.3f}")

    print("\nWhat it writes. Greedy:")
    print(f"  {PROMPT + tokenizer.decode(generate(model, ids, 50))!r}")
    for name, rule in RULES.items():
        print(f"{name}:")
        print(f"  {PROMPT + tokenizer.decode(generate(model, ids, 50, rule, Key(SEED)))!r}")

    first, again, other = (list(generate(model, ids, 50, temperature(1.0), Key(seed))) for seed in (1, 1, 2))
    print(f"\nThe same key writes the same text: {first == again}; another key, another text: {first != other}")


if __name__ == "__main__":
    main()
