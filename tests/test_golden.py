"""Ten training steps of a small GPT against PyTorch's, stored in golden/losses.npz by golden/make_losses.py."""

import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import Key, use
from autograd.kernels import DEPTHS
from tinygpt.model.gpt import GPT, GPTConfig
from tinygpt.text.batches import Batch
from tinygpt.train import AdamW, causal_lm_loss, train

pytestmark = pytest.mark.core

GOLDEN = Path(__file__).parent / "golden"
sys.path.append(str(GOLDEN))
import make_losses as made  # noqa: E402

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def our_losses(stored: dict[str, np.ndarray], dtype: str) -> list[float]:
    model = GPT(GPTConfig(**made.CONFIG), Key(0))
    for name, p in model.named_parameters().items():
        p.data = stored[f"weights.{name}"].astype(dtype)
    optimizer = AdamW(model.parameters(), made.BETA1, made.BETA2, made.EPS, made.WEIGHT_DECAY, made.CLIP)
    batches = [Batch(*pair) for pair in zip(stored["inputs"], stored["targets"], strict=True)]
    steps = train(model, causal_lm_loss, batches.__getitem__, optimizer, made.STEPS, made.LEARNING_RATE)
    return [step.loss for step in steps]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_losses_are_those_of_pytorch(dtype, depth):
    stored = dict(np.load(GOLDEN / "losses.npz"))
    with use(depth):
        losses = our_losses(stored, dtype)
    np.testing.assert_allclose(losses, stored[f"losses.{dtype}"], rtol=0, atol=TOLERANCE[dtype])
