"""Makes losses.npz: ten training steps of a small GPT in PyTorch, for tests/test_golden.py.

    python tests/golden/make_losses.py        (needs PyTorch: pip install -e '.[peers]')

Initial weights and batches come from our own model and are stored beside the losses, so that the test needs neither
PyTorch nor the same random numbers. The PyTorch side is the benchmark's peer (tests/benchmarks/peers/torch_gpt.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "benchmarks")]

from autograd import Key  # noqa: E402
from tinygpt.model.gpt import GPT, GPTConfig  # noqa: E402

CONFIG = {"vocab_size": 19, "block_size": 12, "n_layer": 2, "n_head": 3, "n_embd": 24, "bias": True}
STEPS, BATCH = 10, 4
LEARNING_RATE, BETA1, BETA2, EPS, WEIGHT_DECAY, CLIP = 1e-2, 0.9, 0.95, 1e-8, 0.1, 0.5


def torch_losses(weights: dict[str, np.ndarray], inputs: np.ndarray, targets: np.ndarray, dtype: str) -> list[float]:
    """The mean loss of each of ten AdamW steps, clipped, decaying matrices only."""
    import torch
    from configurations import Configuration
    from peers.torch_gpt import GPT as TorchGPT
    from peers.torch_gpt import load_ours

    model = TorchGPT(Configuration(**CONFIG, batch_size=BATCH, steps_per_round=1))
    load_ours(model, weights)
    model.to(getattr(torch, dtype))
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPS)
    losses = []
    for ids, next_ids in zip(inputs, targets, strict=True):
        loss = model(torch.from_numpy(ids), torch.from_numpy(next_ids))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    model = GPT(GPTConfig(**CONFIG), Key(7))
    generator = np.random.default_rng(7)
    for p in model.parameters():  # away from the symmetric start, so that every gradient matters
        p.data[...] += 0.1 * generator.standard_normal(p.shape)
    ids = generator.integers(CONFIG["vocab_size"], size=(STEPS, BATCH, CONFIG["block_size"] + 1))
    inputs, targets = ids[:, :, :-1].copy(), ids[:, :, 1:].copy()
    targets[:, 0, -3:] = -100  # a ragged row
    weights = {name: np.asarray(array) for name, array in model.state_dict().items()}
    arrays = {f"weights.{name}": array for name, array in weights.items()}
    arrays |= {f"losses.{dtype}": torch_losses(weights, inputs, targets, dtype) for dtype in ("float32", "float64")}
    np.savez_compressed(HERE / "losses.npz", inputs=inputs, targets=targets, **arrays)
    print("\n".join(f"{loss:.12f}" for loss in arrays["losses.float64"]))


if __name__ == "__main__":
    main()
