"""Makes gpt2.npz and llama.npz: logits and gradients of transformers' models, for tests/test_golden_gpt.py.

    python tests/golden/make_gpt2.py        (needs transformers: pip install -e '.[peers]')

The weights are drawn by our own model and stored beside the results, so that this test needs neither PyTorch nor
transformers; tests/test_peer_gpt2.py, which needs both, checks that the stored results are still current.
`theirs` is the table from our names to theirs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from autograd import Key  # noqa: E402
from tinygpt.model.gpt import GPT, GPTConfig  # noqa: E402

SIZES = {"vocab_size": 17, "block_size": 10, "n_layer": 2, "n_head": 2, "n_embd": 8}
CONFIGS = {
    "gpt2": GPTConfig(**SIZES),
    "llama": GPTConfig(
        **SIZES, bias=False, positions="rotary", norm="rms", norm_eps=1e-6, activation="swiglu", n_kv_head=1,
        n_inner=12, tied=False,
    ),
}  # fmt: skip
BATCH, TIME = 2, 9


def our_weights(name: str) -> dict[str, np.ndarray]:
    """Away from the start, where whole gradients are nearly 0."""
    model = GPT(CONFIGS[name], Key(3))
    return {each: p.data + Key(4).fold(each).normal(p.shape, 0.2) for each, p in model.named_parameters().items()}


def ids_and_cotangent() -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(5).integers(SIZES["vocab_size"], size=(BATCH, TIME))
    return ids, Key(6).normal((BATCH, TIME, SIZES["vocab_size"]))


def peer(name: str) -> Any:
    """transformers' model of that form, in float32 and without dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    c = CONFIGS[name]
    if name == "gpt2":
        shape = GPT2Config(
            vocab_size=c.vocab_size,
            n_positions=c.block_size,
            n_embd=c.n_embd,
            n_layer=c.n_layer,
            n_head=c.n_head,
            bos_token_id=None,
            eos_token_id=None,
        )
        return GPT2LMHeadModel(shape).eval()
    shape = LlamaConfig(
        vocab_size=c.vocab_size, max_position_embeddings=c.block_size, hidden_size=c.n_embd, intermediate_size=c.inner,
        num_hidden_layers=c.n_layer, num_attention_heads=c.n_head, num_key_value_heads=c.key_heads,
        rms_norm_eps=c.norm_eps, tie_word_embeddings=False, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(shape).eval()


def theirs(name: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights, or gradients, under the peer's names. Its Linear is (out, in), its Conv1D (in, out) as ours is."""
    if name == "gpt2":
        return {f"transformer.{each}": array for each, array in weights.items()}
    c = CONFIGS[name]
    D, H, G = c.channels_of_head, c.n_head, c.key_heads
    found = {
        "model.embed_tokens.weight": weights["wte.weight"],
        "model.norm.weight": weights["ln_f.weight"],
        "lm_head.weight": weights["lm_head.weight"].T,
    }
    for i in range(c.n_layer):
        ours, layer = f"h.{i}.", f"model.layers.{i}."
        q, k, v = np.split(weights[ours + "attn.c_attn.weight"], [H * D, (H + G) * D], axis=1)
        gate, up = np.split(weights[ours + "mlp.c_fc.weight"], 2, axis=1)
        found |= {
            layer + "input_layernorm.weight": weights[ours + "ln_1.weight"],
            layer + "post_attention_layernorm.weight": weights[ours + "ln_2.weight"],
            layer + "self_attn.q_proj.weight": q.T,
            layer + "self_attn.k_proj.weight": k.T,
            layer + "self_attn.v_proj.weight": v.T,
            layer + "self_attn.o_proj.weight": weights[ours + "attn.c_proj.weight"].T,
            layer + "mlp.gate_proj.weight": gate.T,
            layer + "mlp.up_proj.weight": up.T,
            layer + "mlp.down_proj.weight": weights[ours + "mlp.c_proj.weight"].T,
        }
    return found


def peer_results(name: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The peer's logits and, under its own names, the gradient of Σ cotangent · logits."""
    import torch

    model = peer(name)
    state = {each: torch.tensor(np.ascontiguousarray(array)) for each, array in theirs(name, weights).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)  # GPT-2's is the token table
    model.tie_weights()
    ids, cotangent = ids_and_cotangent()
    logits = model(torch.tensor(ids)).logits
    (logits * torch.tensor(cotangent)).sum().backward()
    gradients = {f"gradient.{each}": p.grad.numpy() for each, p in model.named_parameters()}
    return {"logits": logits.detach().numpy(), **gradients}


def main() -> None:
    for name in CONFIGS:
        weights = our_weights(name)
        stored = {f"weights.{each}": array for each, array in weights.items()}
        np.savez_compressed(HERE / f"{name}.npz", **stored, **peer_results(name, weights))


if __name__ == "__main__":
    main()
