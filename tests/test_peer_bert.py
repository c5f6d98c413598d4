"""Our encoder and transformers' BertForPreTraining: from the same weights the same outputs and gradients."""

import numpy as np
import pytest
from test_bert import GOLDEN, made

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def peer():
    for name in ("torch", "transformers"):
        pytest.importorskip(name, reason=f"the peer is {name}: pip install -e '.[peers]'")


CONFIGS = [
    made.CONFIG,
    {"vocab_size": 31, "block_size": 9, "n_layer": 1, "n_head": 3, "n_embd": 12, "n_inner": 48},
    {"vocab_size": 17, "block_size": 6, "n_layer": 3, "n_head": 1, "n_embd": 6, "n_inner": 10},
]


@pytest.mark.parametrize("dtype", made.TOLERANCE)
@pytest.mark.parametrize("seed", range(len(CONFIGS)))
def test_outputs_and_all_gradients_agree(seed, dtype):
    config = CONFIGS[seed]
    question, weights = made.random_question(seed, config)
    theirs = made.their_results(question, config, dtype, {name: a.astype(dtype) for name, a in weights.items()})
    ours = made.our_results(question, dtype, config)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=made.TOLERANCE[dtype], err_msg=name)


def test_the_stored_arrays_are_what_the_peer_gives_today():
    stored = dict(np.load(GOLDEN / "bert.npz"))
    question, weights = made.random_question(0, made.CONFIG)
    for name, array in {**question, **made.their_results(question, made.CONFIG, "float64", weights)}.items():
        np.testing.assert_allclose(stored[name], array, rtol=0, atol=1e-10, err_msg=name)
