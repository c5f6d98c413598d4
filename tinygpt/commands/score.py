"""`tinygpt score`: how likely a model finds a text, token by token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..errors import BadInput
from ..generate import Score, score_text
from ..text.tokenizer import BaseTokenizer
from ..text.tokenizer.files import bytes_to_field
from .opening import open_model
from .tokenizer_inspect import visibly


def score_command(
    run: str, text: str, stride: int | None, as_json: bool, device: str = "cpu", dtype: str = "float32"
) -> None:
    """Prints each token with its log-probability, and the totals. Raises BadInput for a directory without a model."""
    model, tokenizer = open_model(run, "gpt", device, dtype)
    size = model.config.block_size
    if stride is not None and not 1 <= stride <= size:
        raise BadInput(f"--stride must be from 1 to the context of {size}, not {stride}")
    found = score_text(model, tokenizer, text, stride)
    if as_json:
        print(json.dumps(_as_json(tokenizer, found)))
        return
    print("log p in nats, given all before it in the context; ␣ is a space, ␊ a line feed, ⟨C3⟩ a byte")
    print(f"    given  {visibly(tokenizer.token_bytes(found.given[0]))}")
    print_tokens(tokenizer, found.tokens, found.logprobs)
    total = found.evaluation
    print(f"{found.total:9.3f}  all {total.tokens:,} tokens, {total.n_bytes:,} bytes")
    print(f"loss {total.loss:.4f} nats a token, perplexity {total.perplexity:,.2f}, ", end="")
    print(f"{total.bits_per_byte:.4f} bits per byte")


def print_tokens(tokenizer: BaseTokenizer, tokens: Sequence[int], logprobs: Iterable[float]) -> None:
    """Prints a line for each token: its log-probability and its text, with every character visible."""
    for token, logprob in zip(tokens, logprobs, strict=True):
        print(f"{logprob:9.3f}  {visibly(tokenizer.token_bytes(token))}")


def _as_json(tokenizer: BaseTokenizer, found: Score) -> dict[str, object]:
    """Tokens as in files of vocabularies: one character up to U+00FF for each byte."""
    total = found.evaluation
    return {
        "loss": total.loss,
        "perplexity": total.perplexity,
        "bits_per_byte": total.bits_per_byte,
        "tokens": total.tokens,
        "bytes": total.n_bytes,
        "logprob": found.total,
        "scored": [
            {"id": token, "token": bytes_to_field(tokenizer.token_bytes(token)), "logprob": float(logprob)}
            for token, logprob in zip(found.tokens, found.logprobs, strict=True)
        ],
    }
