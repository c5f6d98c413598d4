"""Makes bert.npz: outputs and gradients of transformers' BertForPreTraining, for tests/test_bert.py.

    python tests/golden/make_bert.py        (needs PyTorch and transformers: pip install -e '.[peers]')

Weights, ids, segments and padding are random and stored beside the results, so that the test needs neither library.
What is differentiated is a random combination of all outputs at real tokens.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]

from autograd import Key, Tensor  # noqa: E402
from tinygpt.model import Bert, BertConfig  # noqa: E402

CONFIG = {"vocab_size": 11, "block_size": 7, "n_layer": 2, "n_head": 2, "n_embd": 6, "n_inner": 8}
LENGTHS, T = (6, 3, 5), 6
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
OUTPUTS = ("hidden", "mlm", "pooled", "nsp")

EMBEDDINGS = {
    "wte.weight": "bert.embeddings.word_embeddings.weight",
    "wpe.weight": "bert.embeddings.position_embeddings.weight",
    "wse.weight": "bert.embeddings.token_type_embeddings.weight",
    "mlm_head.bias": "cls.predictions.bias",
}
"""Our name and theirs, where both have one array in one layout. A LayerNorm's weight and bias agree, too."""

NORMS = {
    "ln_e": "bert.embeddings.LayerNorm",
    "h.{}.ln_1": "bert.encoder.layer.{}.attention.output.LayerNorm",
    "h.{}.ln_2": "bert.encoder.layer.{}.output.LayerNorm",
    "mlm_head.ln": "cls.predictions.transform.LayerNorm",
}
LINEARS = {
    "h.{}.attn.c_attn": [f"bert.encoder.layer.{{}}.attention.self.{part}" for part in ("query", "key", "value")],
    "h.{}.attn.c_proj": ["bert.encoder.layer.{}.attention.output.dense"],
    "h.{}.mlp.c_fc": ["bert.encoder.layer.{}.intermediate.dense"],
    "h.{}.mlp.c_proj": ["bert.encoder.layer.{}.output.dense"],
    "pooler": ["bert.pooler.dense"],
    "mlm_head.dense": ["cls.predictions.transform.dense"],
    "nsp_head": ["cls.seq_relationship"],
}
"""Ours hold (in, out), theirs (out, in); several of theirs stand side by side in one of ours."""


def from_theirs(theirs: dict[str, np.ndarray], n_layer: int) -> dict[str, np.ndarray]:
    """Their arrays, weights or gradients, under our names and in our layout."""
    ours = {name: theirs[other] for name, other in EMBEDDINGS.items()}
    for i in range(n_layer):
        for name, other in NORMS.items():
            ours |= {f"{name.format(i)}.{kind}": theirs[f"{other.format(i)}.{kind}"] for kind in ("weight", "bias")}
        for name, parts in LINEARS.items():
            columns = [theirs[f"{part.format(i)}.weight"].T for part in parts]
            ours[f"{name.format(i)}.weight"] = np.concatenate(columns, axis=1)
            ours[f"{name.format(i)}.bias"] = np.concatenate([theirs[f"{part.format(i)}.bias"] for part in parts])
    return ours


def their_model(config: dict[str, int], dtype: str):
    import torch
    from transformers import BertConfig as TheirConfig
    from transformers import BertForPreTraining

    c = TheirConfig(
        vocab_size=config["vocab_size"], max_position_embeddings=config["block_size"], hidden_size=config["n_embd"],
        num_hidden_layers=config["n_layer"], num_attention_heads=config["n_head"],
        intermediate_size=config["n_inner"], type_vocab_size=2, pad_token_id=None,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager",
    )  # fmt: skip
    return BertForPreTraining(c).to(getattr(torch, dtype)).eval()


def their_results(stored: dict[str, np.ndarray], config: dict[str, int], dtype: str, weights: dict[str, np.ndarray]):
    """Outputs, and gradients under our names."""
    import torch

    model = their_model(config, dtype)
    model.load_state_dict({name: torch.from_numpy(a) for name, a in weights.items()}, strict=False)
    ids, segments, mask = (torch.from_numpy(stored[name]) for name in ("ids", "segments", "mask"))
    states = model.bert(ids, attention_mask=mask.long(), token_type_ids=segments)
    mlm, nsp = model.cls(states.last_hidden_state, states.pooler_output)
    outputs = dict(zip(OUTPUTS, (states.last_hidden_state, mlm, states.pooler_output, nsp), strict=True))
    combined(outputs, {n: torch.from_numpy(stored[f"direction.{n}"]).to(mlm.dtype) for n in OUTPUTS}).backward()
    gradients = from_theirs({n: p.grad.numpy() for n, p in model.named_parameters()}, config["n_layer"])
    real = {n: x.detach().numpy() for n, x in outputs.items()}
    return at_real_tokens(real, stored["mask"]) | {f"gradient.{n}": g for n, g in gradients.items()}


def our_results(stored: dict[str, np.ndarray], dtype: str, config: dict[str, int] = CONFIG) -> dict[str, np.ndarray]:
    """The same from our model, with the stored weights."""
    model = Bert(BertConfig(**config), Key(0))
    for name, p in model.named_parameters().items():
        p.data = stored[f"weights.{name}"].astype(dtype)
    hidden = model(stored["ids"], stored["segments"], stored["mask"])
    values = (hidden, model.mlm_logits(hidden), model.pooled(hidden), model.nsp_logits(hidden))
    outputs = dict(zip(OUTPUTS, values, strict=True))
    combined(outputs, {n: Tensor(stored[f"direction.{n}"].astype(dtype)) for n in OUTPUTS}).backward()
    gradients = {f"gradient.{name}": p.grad for name, p in model.named_parameters().items()}
    return at_real_tokens({n: x.data for n, x in outputs.items()}, stored["mask"]) | gradients


def combined(outputs, directions):
    """One number, in which every output has a random weight and padding none."""
    return sum((outputs[name] * directions[name]).sum() for name in OUTPUTS)


def at_real_tokens(outputs: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[mask] if array.ndim == 3 else array for name, array in outputs.items()}


def random_question(seed: int, config: dict[str, int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(what both sides are given, the weights under their names): weights far from their symmetric start."""
    draw = np.random.default_rng(seed)
    shapes = {name: tuple(p.shape) for name, p in their_model(config, "float64").named_parameters()}
    theirs = {name: 0.4 * draw.standard_normal(shape) + ("LayerNorm.weight" in name) for name, shape in shapes.items()}
    mask = np.arange(T) < np.array(LENGTHS)[:, None]
    sizes = {
        "hidden": (T, config["n_embd"]),
        "mlm": (T, config["vocab_size"]),
        "pooled": (config["n_embd"],),
        "nsp": (2,),
    }
    question = {
        "ids": draw.integers(config["vocab_size"], size=mask.shape),
        "segments": draw.integers(2, size=mask.shape),
        "mask": mask,
        **{f"direction.{name}": 0.1 * draw.standard_normal((len(mask), *size)) for name, size in sizes.items()},
        **{f"weights.{name}": a for name, a in from_theirs(theirs, config["n_layer"]).items()},
    }
    for name in ("hidden", "mlm"):
        question[f"direction.{name}"][~mask] = 0
    return question, theirs


def main() -> None:
    question, theirs = random_question(0, CONFIG)
    results = their_results(question, CONFIG, "float64", theirs)
    np.savez_compressed(HERE / "bert.npz", **question, **results)
    print(", ".join(f"{name} {np.abs(results[name]).mean():.6f}" for name in OUTPUTS))


if __name__ == "__main__":
    main()
