"""How a model writes: what each rule does to one real distribution and to the text, and how likely the text then is.

Sources: tinygpt/generate/sampling.py (rules that use the logits, and the draw), history.py (rules that use the text so
far), decoding.py (the loop), beam.py (search), streaming.py (where a text stops) and score.py (the
likelihood of a text).

A small GPT is trained first, about a quarter of a minute on two cores.
"""

import numpy as np

from autograd import Key, no_grad, softmax
from tinygpt.generate import (
    banned_words,
    beam_search,
    chain,
    continuations,
    generate,
    generate_with_logprobs,
    min_length,
    min_p,
    no_repeat_ngram,
    power_penalty,
    repetition_penalty,
    sample,
    score_text,
    stream_text,
    temperature,
    top_k,
    top_p,
)
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import random_windows
from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, train, warmup_cosine

VOCAB_SIZE, BLOCK_SIZE, BATCH_SIZE, STEPS = 320, 64, 8, 600
PROMPT = "Return a string as a st"
DRAWS = 10_000
SEED = 6
BARS = 40  # characters for a probability of 1


def rules(tokenizer, ids):
    return {
        "as the model has it": chain(),
        "temperature 0.5": temperature(0.5),
        "temperature 2": temperature(2.0),
        "top-k 5": top_k(5),
        "top-p 0.7": top_p(0.7),
        "min-p 0.1": min_p(0.1),
        "repetition penalty 2": repetition_penalty(2.0),
        "no two tokens in a row twice": no_repeat_ngram(2),
        "without the word string": banned_words(["string"], tokenizer),
        "at least 20 more tokens": min_length(len(ids) + 20, tokenizer.end_of_text),
        "penalty 1.2, temperature 0.8, top-p 0.9": chain(repetition_penalty(1.2), temperature(0.8), top_p(0.9)),
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


def show(tokenizer, name, logits, n=6):
    p = softmax(logits).data
    print(f"\n{name}: {np.count_nonzero(p)} tokens left")
    for token in np.argsort(-p, kind="stable")[:n]:
        if p[token] > 0:
            text = tokenizer.token_bytes(int(token)).decode("utf-8", "replace")
            print(f"  {text!r:12} {p[token]:.3f}  {'#' * round(BARS * float(p[token]))}".rstrip())


def main(steps=STEPS):
    texts = embedded_english().texts
    tokenizer = Tokenizer.train(texts, VOCAB_SIZE, special_tokens=[END_OF_TEXT])
    model = trained(tokenizer, texts, steps)
    ids = tokenizer.encode(PROMPT)
    with no_grad():
        logits = model(np.array([ids])).data[0, -1]  # (V,): what the model thinks of every token that could come next

    print(f"\nWhat may follow {PROMPT!r}, the likeliest six:")
    for name, rule in rules(tokenizer, ids).items():
        show(tokenizer, name, rule(logits, ids))

    five = top_k(5)(logits, ids)
    draws = np.array([sample(five, Key(SEED).fold("draw", n)) for n in range(DRAWS)])
    token = int(logits.argmax())
    print(f"\n{DRAWS:,} draws under top-k 5: {tokenizer.decode([token])!r} came ", end="")
    print(f"{np.mean(draws == token):.3f} of the time, expected {softmax(five).data[token]:.3f}")

    print("\nWhat it writes, and log p of that under the model itself. Greedy:")
    print(f"  {PROMPT + tokenizer.decode(generate(model, ids, 40))!r}")
    for name, rule in rules(tokenizer, ids).items():
        written = list(generate_with_logprobs(model, ids, 40, rule, Key(SEED)))
        print(f"{name}:  {sum(each.logprob for each in written):.1f}")
        print(f"  {PROMPT + tokenizer.decode(each.token for each in written)!r}")

    print("\nThe best three that a beam of 8 finds, and the mean of log p of their tokens:")
    (found,) = beam_search(continuations(model, [ids], 40), [tokenizer.end_of_text], 8, power_penalty(1.0))
    for each in found[:3]:
        print(f"{each.score:.2f}  {PROMPT + tokenizer.decode(each.tokens)!r}")

    pieces = stream_text(generate(model, ids, 40), tokenizer, stop=[" a", "\n"])
    print(f"\nGreedy again, up to the next ' a' or line: {PROMPT + ''.join(pieces)!r}")
    first, again, other = (list(generate(model, ids, 40, temperature(1.0), Key(seed))) for seed in (1, 1, 2))
    print(f"The same key writes the same text: {first == again}; another key, another text: {first != other}")

    print("\nlog p of a text, token by token:")
    for text in ("Return a string.", "string a Return."):
        found = score_text(model, tokenizer, text)
        each = (f"{tokenizer.decode([token])!r} {logprob:.1f}" for token, logprob in zip(found.tokens, found.logprobs))
        print(f"  {found.total:.1f} = {'  '.join(each)}; perplexity {found.evaluation.perplexity:.0f}")


if __name__ == "__main__":
    main()
