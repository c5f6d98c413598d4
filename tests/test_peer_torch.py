"""The golden arrays are still what PyTorch gives."""

import numpy as np
import pytest
from test_golden import GOLDEN, made

pytestmark = pytest.mark.peer


def test_the_stored_losses_are_what_pytorch_gives_today():
    pytest.importorskip("torch", reason="the peer is PyTorch: pip install -e '.[peers]'")
    stored = dict(np.load(GOLDEN / "losses.npz"))
    weights = {name.removeprefix("weights."): a for name, a in stored.items() if name.startswith("weights.")}
    losses = made.torch_losses(weights, stored["inputs"], stored["targets"], "float64")
    np.testing.assert_allclose(losses, stored["losses.float64"], rtol=0, atol=1e-10)
