"""`tinygpt generate`: a trained model goes on with a text."""

from __future__ import annotations

from ..errors import BadInput
from ..generate import chain, temperature, top_k, top_p
from .opening import known_tokens, open_model
from .options import LARGEST_SEED
from .writing import write_sample


def generate_command(
    run: str,
    prompt: str,
    max_new_tokens: int,
    temperature_: float,
    top_k_: int | None,
    top_p_: float,
    seed: int,
    num_samples: int,
) -> None:
    """Prints num_samples continuations of the prompt. run: a run's directory, or Hugging Face's.

    Raises BadInput for a directory that is neither, and senseless numbers.
    """
    if max_new_tokens < 1 or num_samples < 1:
        raise BadInput("--max-new-tokens and --num-samples must be at least 1")
    if not 0 <= seed <= LARGEST_SEED:
        raise BadInput(f"--seed must be from 0 to {LARGEST_SEED}, not {seed}")
    rules = [temperature(temperature_)]
    rules += [top_k(top_k_)] if top_k_ is not None else []
    rules += [top_p(top_p_)] if top_p_ != 1 else []
    opened = open_model(run)
    rules = [*known_tokens(opened), *rules]
    for number in range(num_samples):
        if num_samples > 1:
            print(f"{chr(10) if number else ''}sample {number + 1}")
        write_sample(opened.model, opened.tokenizer, prompt, max_new_tokens, seed, chain(*rules), number)
