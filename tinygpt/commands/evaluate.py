"""`tinygpt eval`: how well a model knows a text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from tqdm import tqdm

from ..errors import BadInput
from ..text.batches import Batch, strided_windows
from ..train import causal_lm_loss, evaluate
from .given_text import read_corpus
from .opening import open_model

BATCH_TOKENS = 2048  # of a batch: enough for the matrix library to run at full speed


def eval_command(
    run: str,
    data: list[str],
    encoding: str,
    stride: int | None,
    as_json: bool,
    device: str = "cpu",
    dtype: str = "float32",
) -> None:
    """Scores every token of the files once, in windows side by side (or overlapping, with a smaller stride).

    The last line printed is JSON: loss, perplexity, bits_per_byte, tokens.
    """
    model, tokenizer = open_model(run, "gpt", device, dtype)
    size = model.config.block_size
    if stride is not None and not 1 <= stride <= size:
        raise BadInput(f"--stride must be from 1 to the context of {size}, not {stride}")
    corpus = read_corpus(data, encoding)
    tokens = tokenizer.encode_documents(corpus.texts)
    if len(corpus.documents) == 1 and tokenizer.end_of_text is not None:
        tokens = tokens[:-1]  # what is scored is the file's own text
    if len(tokens) < 2:
        raise BadInput(f"{corpus.name} has {len(tokens)} tokens: a prediction needs at least 2")
    rows = max(1, BATCH_TOKENS // size)
    windows = math.ceil((len(tokens) - 1) / (stride or size))

    def batches() -> Iterator[Batch]:
        with tqdm(total=math.ceil(windows / rows), unit="batch", disable=None if not as_json else True) as progress:
            for batch in strided_windows(tokens, rows, size, stride):
                yield batch
                progress.update()

    result = evaluate(model, causal_lm_loss, batches(), corpus.n_bytes)
    if not as_json:
        print(f"{corpus.name}: {corpus.n_bytes:,} bytes, {result.tokens:,} tokens scored")
        print(f"loss {result.loss:.4f} nats a token, perplexity {result.perplexity:,.2f}, ", end="")
        print(f"{result.bits_per_byte:.4f} bits per byte")
    print(
        json.dumps(
            {
                "loss": result.loss,
                "perplexity": result.perplexity,
                "bits_per_byte": result.bits_per_byte,
                "tokens": result.tokens,
            }
        )
    )
