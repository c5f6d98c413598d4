"""Makes seq2seq.npz: logits and gradients of transformers' BART and T5, for tests/test_seq2seq.py.

    python tests/golden/make_seq2seq.py        (needs transformers: pip install -e '.[peers]')

Weights are drawn by the peer and moved away from their symmetric start, then written under our names. What the peers
compute is the gradient of a weighted sum of all logits, so that every logit matters in its own way.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]

VOCAB, C, H, INNER, LAYERS, POSITIONS = 11, 6, 2, 5, 2, 6
FORMS = {
    "bart": {
        "block_size": POSITIONS, "n_embd": C, "pre_norm": False, "activation": "gelu_exact", "embedding_norm": True,
    },
    "t5": {
        "n_embd": C, "head_size": 4, "norm": "rms", "norm_eps": 1e-6, "bias": False, "activation": "relu",
        "positions": "t5",
    },
}  # fmt: skip
for form in FORMS.values():
    form |= {"vocab_size": VOCAB, "n_layer": LAYERS, "n_encoder_layer": 1, "n_head": H, "n_inner": INNER}
SOURCE = np.array([[4, 2, 7, 7, 3], [5, 9, 1, 0, 0], [8, 0, 0, 0, 0]])
SOURCE_MASK = np.array([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])
INPUTS = np.array([[1, 3, 3, 10], [1, 6, 2, 8], [1, 9, 4, 5]])  # no 0, whose row gets no gradient from BART's table
WEIGHTS = np.random.default_rng(3).standard_normal((*INPUTS.shape, VOCAB))


def peer_model(kind: str) -> Any:
    """A small model of the peer in float64 with random weights."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration, T5Config, T5ForConditionalGeneration

    torch.manual_seed(11)
    if kind == "bart":
        config = BartConfig(
            vocab_size=VOCAB, d_model=C, encoder_layers=1, decoder_layers=LAYERS, encoder_attention_heads=H,
            decoder_attention_heads=H, encoder_ffn_dim=INNER, decoder_ffn_dim=INNER, max_position_embeddings=POSITIONS,
            dropout=0.0, activation_function="gelu", pad_token_id=0, bos_token_id=1, eos_token_id=2,
            decoder_start_token_id=1, forced_eos_token_id=None, attn_implementation="eager",
        )  # fmt: skip
        model = BartForConditionalGeneration(config)
    else:
        config = T5Config(
            vocab_size=VOCAB, d_model=C, d_kv=4, d_ff=INNER, num_layers=1, num_decoder_layers=LAYERS, num_heads=H,
            dropout_rate=0.0, pad_token_id=0, eos_token_id=2, decoder_start_token_id=1, feed_forward_proj="relu",
            tie_word_embeddings=True,
        )  # fmt: skip
        model = T5ForConditionalGeneration(config)
    model = model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return model


def layer_names(kind: str, ours: str, theirs: str, layer: int, decoder: bool) -> dict[str, list[str]]:
    """Our module of one block → the peer's modules, whose outputs stand side by side in ours."""
    at = f"{ours}.h.{layer}"
    if kind == "bart":
        block = f"{theirs}.layers.{layer}"
        self_attention, cross = f"{block}.self_attn", f"{block}.encoder_attn"
        names = {f"{at}.ln_1": [f"{self_attention}_layer_norm"], f"{at}.ln_2": [f"{block}.final_layer_norm"],
                 f"{at}.mlp.c_fc": [f"{block}.fc1"], f"{at}.mlp.c_proj": [f"{block}.fc2"]}  # fmt: skip
        cross_norm, (q, k, v, out) = f"{cross}_layer_norm", ("q_proj", "k_proj", "v_proj", "out_proj")
    else:
        block = f"{theirs}.block.{layer}.layer"
        last = f"{block}.{1 + decoder}"
        self_attention, cross = f"{block}.0.SelfAttention", f"{block}.1.EncDecAttention"
        names = {
            f"{at}.ln_1": [f"{block}.0.layer_norm"],
            f"{at}.ln_2": [f"{last}.layer_norm"],
            f"{at}.mlp.c_fc": [f"{last}.DenseReluDense.wi"],
            f"{at}.mlp.c_proj": [f"{last}.DenseReluDense.wo"],
        }
        cross_norm, (q, k, v, out) = f"{block}.1.layer_norm", "qkvo"
    names[f"{at}.attn.c_attn"] = [f"{self_attention}.{part}" for part in (q, k, v)]
    names[f"{at}.attn.c_proj"] = [f"{self_attention}.{out}"]
    if decoder:
        names[f"{at}.ln_cross"] = [cross_norm]
        names[f"{at}.cross.c_q"] = [f"{cross}.{q}"]
        names[f"{at}.cross.c_kv"] = [f"{cross}.{part}" for part in (k, v)]
        names[f"{at}.cross.c_proj"] = [f"{cross}.{out}"]
    return names


def module_names(kind: str) -> dict[str, list[str]]:
    """Our module → the peer's modules, for the whole model but its tables of positions."""
    root = "model." if kind == "bart" else ""
    names = {"wte": [f"{root}shared"]}
    for side, n_layer in (("encoder", 1), ("decoder", LAYERS)):
        for layer in range(n_layer):
            names |= layer_names(kind, side, f"{root}{side}", layer, side == "decoder")
        if kind == "bart":
            names[f"{side}.ln_embedding"] = [f"model.{side}.layernorm_embedding"]
        else:
            names[f"{side}.ln_f"] = [f"{side}.final_layer_norm"]
    return names


def ours_of(kind: str, theirs: dict[str, np.ndarray], of_gradients: bool = False) -> dict[str, np.ndarray]:
    """The peer's arrays under our names and in our form, (in, out).

    T5 divides no scores by √D: queries are made √D larger, and a gradient by them √D smaller. It divides what its
    tied output layer reads by √C, which the last normalization's weight takes up.
    """
    arrays = {}
    for ours, modules in module_names(kind).items():
        for what in ("weight", "bias"):
            if f"{modules[0]}.{what}" not in theirs:
                continue
            parts = [theirs[f"{module}.{what}"] for module in modules]
            if what == "weight" and parts[0].ndim == 2 and ours != "wte":
                parts = [part.T for part in parts]
            if kind == "t5" and ours.endswith(("attn.c_attn", "c_q")):
                parts[0] = parts[0] * math.sqrt(4) ** (-1 if of_gradients else 1)
            if kind == "t5" and ours == "decoder.ln_f":
                parts[0] = parts[0] * math.sqrt(C) ** (1 if of_gradients else -1)
            arrays[f"{ours}.{what}"] = np.concatenate(parts, axis=-1)
    for side in ("encoder", "decoder"):
        if kind == "bart":
            arrays[f"{side}.wpe.weight"] = theirs[f"model.{side}.embed_positions.weight"][2:]
        else:
            arrays[f"{side}.wpe.weight"] = theirs[
                f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
            ]
    return arrays


def peer_arrays(kind: str) -> dict[str, np.ndarray]:
    """Under our names: weights, logits, and the gradients of Σ WEIGHTS · logits."""
    import torch

    model = peer_model(kind)
    weights = ours_of(kind, {name: p.detach().numpy() for name, p in model.named_parameters()})
    logits = model(
        input_ids=torch.tensor(SOURCE), attention_mask=torch.tensor(SOURCE_MASK).long(),
        decoder_input_ids=torch.tensor(INPUTS), use_cache=False,
    ).logits  # fmt: skip
    (logits * torch.tensor(WEIGHTS)).sum().backward()
    gradients = ours_of(kind, {name: p.grad.numpy() for name, p in model.named_parameters()}, of_gradients=True)
    return {
        "logits": logits.detach().numpy(),
        **{f"weights.{name}": array for name, array in weights.items()},
        **{f"gradients.{name}": array for name, array in gradients.items()},
    }


def flat(arrays: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """The arrays of one kind in a row, in order of their names: a file of few entries is a small file."""
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays) if name.startswith(prefix)])


def main() -> None:
    stored = {}
    for kind in FORMS:
        arrays = peer_arrays(kind)
        stored |= {f"{kind}.{what}": flat(arrays, what) for what in ("logits", "weights", "gradients")}
    np.savez_compressed(HERE / "seq2seq.npz", **{name: array.astype("float32") for name, array in stored.items()})


if __name__ == "__main__":
    main()
