"""The weights of GPT-2: Hugging Face's files become our model, name by name.

    python examples/12_gpt2.py                  a small GPT, trained here for some seconds and written in that format
    python examples/12_gpt2.py models/gpt2      the real one, after: tinygpt fetch gpt2

Beside it lies tinygpt/interop/gpt2.py, the table of names and settings. The second half shows what the cache of keys
and values saves when such a model writes (tinygpt/model/cache.py, tinygpt/generate/reading.py).
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

import tinygpt
from autograd import Key, no_grad, softmax
from tinygpt.commands.scripts import in_a_sentence
from tinygpt.generate import chain, generate, lay_out, next_logits, sample, score_text, temperature, top_k
from tinygpt.interop import gpt2, save_gpt2
from tinygpt.model import GPT, GPTConfig
from tinygpt.safetensors import load as read_tensors
from tinygpt.text.batches import random_windows
from tinygpt.text.corpus import embedded_english
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, train, warmup_cosine

SENTENCE = "This function returns a list of the names of the files in the directory."
VOCAB_SIZE, BLOCK_SIZE, BATCH_SIZE, STEPS = 400, 64, 16, 300
NEW = 32  # tokens
SEED = 12


def write_small_gpt(directory, steps):
    """Trains a small GPT, writes it as Hugging Face's libraries do, and returns it."""
    texts = embedded_english().texts
    tokenizer = Tokenizer.train(texts, VOCAB_SIZE, special_tokens=[END_OF_TEXT])
    tokens = tokenizer.encode_documents(texts)
    model = GPT(GPTConfig(tokenizer.vocab_size, BLOCK_SIZE, n_layer=2, n_head=4, n_embd=96), Key(SEED))

    def batches(index):
        return random_windows(tokens, BATCH_SIZE, BLOCK_SIZE, SEED, index)

    optimizer = AdamW(model.parameters(), beta2=0.99)
    for step in train(model, causal_lm_loss, batches, optimizer, steps, warmup_cosine(4e-3, 4e-4, 20, steps)):
        loss = step.loss
    print(f"a GPT of {model.n_params:,} parameters, trained for {steps} steps to a loss of {loss:.2f}\n")
    save_gpt2(model, tokenizer, directory)
    return model


def show_files(directory):
    print(f"{directory}:")
    for path in sorted(directory.iterdir()):
        print(f"  {path.name:24} {path.stat().st_size:>13,} bytes")
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    print("config.json says", ", ".join(f"{theirs} {settings[theirs]}" for theirs in gpt2.SIZES.values()))


def show_weights(directory, model):
    """The table of names: first the embeddings, then one block, then what follows the blocks."""
    stored, _ = read_tensors(directory / "model.safetensors")
    print("\nin model.safetensors                       shape           here")
    for name, theirs, shape, transposed in gpt2.weights(model.config):
        if name.startswith("h.") and not name.startswith("h.0."):
            continue
        found = theirs if theirs in stored else gpt2.PREFIX + theirs
        note = ", transposed" if transposed else ""
        print(f"  {found:40} {shape!s:15} {name}{note}")
    print(f"h.0 stands for {model.config.n_layer} blocks: {model.n_params:,} parameters in all")


def show_next_tokens(model, tokenizer, text):
    p = softmax(next_logits(model, tokenizer.encode(text))).data
    likeliest = np.argsort(-p, kind="stable")[:5]
    shown = (f"{tokenizer.token_bytes(int(i)).decode('utf-8', 'replace')!r} {p[i]:.3f}" for i in likeliest)
    print(f"\nafter {text!r}: {', '.join(shown)}")


def show_perplexity(model, tokenizer):
    """A model of English is less surprised by a sentence than by its words in another order."""
    backwards = " ".join(reversed(SENTENCE.split()))
    for name, text in (("as it is", SENTENCE), ("its words backwards", backwards)):
        perplexity = score_text(model, tokenizer, text).evaluation.perplexity
        print(f"perplexity of the sentence, {name:20} {perplexity:10.1f}")


def show_cache(model, tokenizer, text):
    """The same text twice: with keys and values kept, and with everything computed again for each token."""
    ids, rule, key = tokenizer.encode(text), chain(temperature(0.8), top_k(40)), Key(SEED)
    start = time.perf_counter()
    kept = list(generate(model, ids, NEW, rule, key))
    between = time.perf_counter()
    again = list(ids)
    for n in range(NEW):
        logits = rule(next_logits(model, again), again)
        again.append(sample(logits, key.fold("token", n)))
    end = time.perf_counter()
    print(f"\n{text + tokenizer.decode(kept)!r}")
    print(f"{NEW} tokens with the cache {between - start:.2f} s, without it {end - between:.2f} s; ", end="")
    print(f"the same tokens: {kept == again[len(ids) :]}")


def main(directory=None, steps=STEPS):
    with tempfile.TemporaryDirectory() as folder:
        trained = None
        if directory is None:
            directory = Path(folder) / "gpt2"
            trained = write_small_gpt(directory, steps)
        opened = tinygpt.load(directory)
        model, tokenizer = opened.model, opened.tokenizer
        show_files(directory)
        show_weights(directory, model)
        if trained is not None:
            ids = np.array([tokenizer.encode(SENTENCE)])
            with no_grad():
                apart = np.abs(trained(ids).data - model(ids).data).max()
            print(f"logits of the model that was written and of the one that was read: {apart} apart")
        lay_out(model)  # it only writes from here on
        beginning = SENTENCE[: SENTENCE.index("list")]
        show_next_tokens(model, tokenizer, beginning.rstrip())
        show_perplexity(model, tokenizer)
        show_cache(model, tokenizer, beginning.rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="GPT-2's weights, read from Hugging Face's files")
    parser.add_argument("directory", type=Path, nargs="?", help="of a GPT-2 (default: a small one, made here)")
    with in_a_sentence(parser):
        main(parser.parse_args().directory)
