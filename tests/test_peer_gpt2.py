"""The golden logits and gradients are still what transformers' GPT-2 and Llama give."""

import numpy as np
import pytest
from test_golden_gpt import GOLDEN, made

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("name", made.CONFIGS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_stored_results_are_what_transformers_gives_today(name):
    pytest.importorskip("torch", reason="the peer runs on PyTorch: pip install -e '.[peers]'")
    pytest.importorskip("transformers", reason="the peer is transformers: pip install -e '.[peers]'")
    stored = dict(np.load(GOLDEN / f"{name}.npz"))
    weights = {each.removeprefix("weights."): a for each, a in stored.items() if each.startswith("weights.")}
    for each, array in made.peer_results(name, weights).items():
        np.testing.assert_allclose(
            stored[each], array, rtol=1e-5, atol=1e-5 * max(1, np.abs(array).max()), err_msg=each
        )
