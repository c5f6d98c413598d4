"""Speculative decoding: a small model guesses ahead, and a large one checks; the text is distributed as its own.

Source: tinygpt/generate/speculative.py; accept_or_redraw is the whole idea. It saves readings (forward passes) of the
large model, the target. Models as small as these spend most of their time in Python, the draft no less than the target,
so time is saved only with large ones.

Two GPTs are trained first, on the same tokens, about half a minute on two cores.
"""

import time

import numpy as np

from autograd import Key, no_grad, softmax
from tinygpt.generate import generate, speculative_generate, temperature
from tinygpt.generate.speculative import accept_or_redraw
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import random_windows
from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, train, warmup_cosine

VOCAB_SIZE, BLOCK_SIZE, BATCH_SIZE, STEPS = 320, 64, 8, 400
TARGET, DRAFT = {"n_layer": 3, "n_embd": 96}, {"n_layer": 1, "n_embd": 32}
PROMPT = "Return a string as a st"
DRAWS, NEW, TEXTS = 5_000, 48, 3
SEED = 11


def trained(name, tokens, vocab_size, size, steps):
    model = GPT(GPTConfig(vocab_size, BLOCK_SIZE, n_head=4, **size), Key(SEED))
    parameters = sum(each.data.size for each in model.parameters())

    def batches(index):
        return random_windows(tokens, BATCH_SIZE, BLOCK_SIZE, SEED, index)

    optimizer = AdamW(model.parameters(), beta2=0.99)
    for step in train(model, causal_lm_loss, batches, optimizer, steps, warmup_cosine(4e-3, 4e-4, 30, steps)):
        if step.index == steps - 1:
            print(f"{name}: {parameters:,} parameters, loss {step.loss:.3f} on its last batch", flush=True)
    return model


def next_token(model, ids):
    with no_grad():
        return softmax(model(np.array([ids])).data[0, -1].astype(np.float64)).data


def show_one_token(target, draft, tokenizer, ids):
    p, q = next_token(target, ids), next_token(draft, ids)
    guesses = np.random.default_rng(SEED).choice(len(q), DRAWS, p=q / q.sum())
    drawn = [accept_or_redraw(p, q, int(guess), Key(SEED).fold("draw", n)) for n, guess in enumerate(guesses)]
    share, guessed = np.bincount(drawn, minlength=len(p)) / DRAWS, np.bincount(guesses, minlength=len(p)) / DRAWS
    print(f"\nWhat follows {PROMPT!r}, {DRAWS:,} times guessed by the draft and checked by the target:")
    print("              target p   draft q   min(p, q)   guessed   after the check")
    for token in np.argsort(-p, kind="stable")[:6]:
        text = tokenizer.token_bytes(int(token)).decode("utf-8", "replace")
        print(f"  {text!r:12} {p[token]:8.3f}  {q[token]:8.3f}  {min(p[token], q[token]):10.3f}", end="")
        print(f"  {guessed[token]:8.3f}  {share[token]:16.3f}")
    accepted, expected = np.mean(drawn == guesses), np.minimum(p, q).sum()
    print(f"\naccepted: {accepted:.3f} of the guesses, expected Σ min(p, q) = {expected:.3f}")


def write(target, draft, ids, ahead, warmth):
    """Accepted share, new tokens for each reading of the target, and seconds, over several texts."""
    writings = [
        speculative_generate(target, draft, ids, NEW, temperature(warmth), Key(SEED).fold(n), ahead=ahead)
        for n in range(TEXTS)
    ]
    start = time.perf_counter()
    tokens = sum(len(list(each)) for each in writings)
    seconds = time.perf_counter() - start
    accepted, proposed, readings = (
        sum(getattr(each, name) for each in writings) for name in ("accepted", "proposed", "readings")
    )
    return accepted / proposed, tokens / readings, seconds


def main(steps=STEPS):
    texts = embedded_english().texts
    tokenizer = Tokenizer.train(texts, VOCAB_SIZE, special_tokens=[END_OF_TEXT])
    tokens = tokenizer.encode_documents(texts)
    target, draft = (
        trained(name, tokens, tokenizer.vocab_size, size, steps)
        for name, size in (("target", TARGET), ("draft", DRAFT))
    )
    ids = tokenizer.encode(PROMPT)
    show_one_token(target, draft, tokenizer, ids)

    writing = speculative_generate(target, draft, ids, NEW)
    greedy = [each.token for each in writing]
    print(f"\nGreedy: {PROMPT + tokenizer.decode(greedy)!r}")
    print(f"the very tokens of the target alone: {greedy == list(generate(target, ids, NEW))}; ", end="")
    print(f"{NEW} tokens in {writing.readings} readings of the target")

    print(f"\n{TEXTS} texts of {NEW} tokens, drawn: share of guesses accepted, tokens a reading, seconds")
    print("(what is guessed behind a refused guess is lost, too: far ahead the share falls)")
    for warmth in (0.5, 1.0):
        for ahead in (1, 2, 4, 8):
            share, each, seconds = write(target, draft, ids, ahead, warmth)
            print(f"  temperature {warmth}, {ahead} ahead: {share:6.2f} {each:6.2f} {seconds:7.2f} s")
    start = time.perf_counter()
    for n in range(TEXTS):
        list(generate(target, ids, NEW, temperature(1.0), Key(n)))
    print(f"  temperature 1.0, the target alone:     1.00 {time.perf_counter() - start:7.2f} s")


if __name__ == "__main__":
    main()
