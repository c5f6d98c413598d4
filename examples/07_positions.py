"""Five ways to tell a model where a token stands, and how each does beyond the length that it was trained with.

Source: tinygpt/model/positions.py. The first half shows the formulas as numbers. Then five small GPTs, which differ
only in their positions, learn English from windows of 32 tokens and read windows of 128.

About a minute on two cores.
"""

import math

import numpy as np

from autograd import Key, Tensor
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.positions import ALiBi, RotaryPositions, SinusoidalPositions, T5Bias
from tinygpt.text.batches import IGNORE, Batch, random_windows, strided_windows
from tinygpt.text.corpus import embedded_english, split
from tinygpt.text.tokenizer import Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, evaluate, train, warmup_cosine

KINDS = ("learned", "sinusoidal", "rotary", "alibi", "t5")
VOCAB_SIZE, SHORT, LONG, BATCH_SIZE, STEPS = 288, 32, 128, 8, 300
HELD_OUT = 8_192  # tokens
SEED = 7
SHADES = " .:-=+*#%@"


def waves(channels=16, positions=48):
    """Sinusoidal: channel 2i rises and falls every 2π · 10000^(2i/C) positions."""
    added = SinusoidalPositions().add(Tensor(np.zeros((1, positions, channels)))).data[0]
    print("sinusoidal: what is added to a token's vector. Down: its even channels; across: positions")
    for channel in range(0, channels, 2):
        length = 2 * math.pi * 10000 ** (channel / channels)
        shades = "".join(SHADES[min(9, int((value + 1) * 5))] for value in added[:, channel])
        print(f"  {channel:2} {shades}  a wave of {length:,.0f} positions")


def distances():
    """Rotary: one query and one key, at every pair of places."""
    D, T = 8, 6
    q, k = (np.broadcast_to(Key(SEED).fold(name).normal((D,), dtype="float64"), (1, 1, T, D)) for name in "qk")
    turned_q, turned_k = (RotaryPositions().turn(Tensor(x)).data[0, 0] for x in (q, k))
    scores = turned_q @ turned_k.T
    print("\nrotary: the same query and the same key, turned by where they stand, and multiplied")
    print("      " + "".join(f" key {j:2}" for j in range(T)))
    for i in range(T):
        print(f"  q {i:2}" + "".join(f" {score:6.2f}" for score in scores[i]))
    spread = max(np.ptp(np.diagonal(scores, d)) for d in range(1 - T, T))
    assert spread < 1e-12
    print("along each diagonal, where the distance is one and the same, the product is too")


def slopes(heads=4):
    """ALiBi: each head forgets at a rate of its own."""
    bias = ALiBi(heads).bias(1, 9, Tensor(np.zeros(1))).data[0, :, 0]
    print("\nalibi: what the last of nine queries finds added to its scores, by distance 8 … 0")
    for head, row in enumerate(bias):
        print(f"  head {head + 1}, slope {row[-1] - row[-2]:.4f}" + "".join(f" {number:7.3f}" for number in row))


def buckets():
    """T5: near distances are told apart, far ones share a row of the table."""
    distance = np.arange(200)
    rows = T5Bias(1, Key(SEED)).buckets(-distance, np)
    print("\nt5: which distances share one of the 32 learned numbers (of a head)")
    shared = [(row, distance[rows == row]) for row in np.unique(rows)]
    alone = sum(len(members) == 1 for _, members in shared)
    print(f"  0 … {alone - 1}: one number each")
    wide = [f"{members[0]}–{members[-1]}" for _, members in shared[alone:-1]]
    print(f"  {', '.join(wide[:8])} …: one number together; from {shared[-1][1][0]} on all share the last")


def beyond(tokens):
    """Windows of LONG tokens, of which only the targets after the first SHORT count."""
    for inputs, targets in strided_windows(tokens, BATCH_SIZE, LONG):
        targets[:, :SHORT] = IGNORE
        yield Batch(inputs, targets)


def trained(positions, tokens, steps):
    config = GPTConfig(VOCAB_SIZE, SHORT, n_layer=2, n_head=4, n_embd=64, positions=positions, tied=False)
    model = GPT(config, Key(SEED))
    optimizer = AdamW(model.parameters(), beta2=0.99)

    def batches(index):
        return random_windows(tokens, BATCH_SIZE, SHORT, SEED, index)

    for _ in train(model, causal_lm_loss, batches, optimizer, steps, warmup_cosine(6e-3, 6e-4, 30, steps)):
        pass
    return model


def main(steps=STEPS):
    waves()
    distances()
    slopes()
    buckets()
    learn_from, held_out = split(embedded_english())
    tokenizer = Tokenizer.train(learn_from.texts, VOCAB_SIZE)
    tokens, validation = (tokenizer.encode_documents(part.texts) for part in (learn_from, held_out))
    validation = validation[:HELD_OUT]
    print(f"\n{steps} steps on windows of {SHORT} tokens; then held-out text, in nats a token")
    print(f"positions    places 1–{SHORT} of {SHORT}   places {SHORT + 1}–{LONG} of {LONG}")
    for positions in KINDS:
        model = trained(positions, tokens, steps)
        within = evaluate(model, causal_lm_loss, strided_windows(validation, BATCH_SIZE, SHORT)).loss
        after = f"—, its table ends at {SHORT}"
        if positions != "learned":
            after = f"{evaluate(model, causal_lm_loss, beyond(validation)).loss:.3f}"
        print(f"{positions:12} {within:12.3f}        {after}", flush=True)


if __name__ == "__main__":
    main()
