"""BART and T5 of the library `transformers`, from the same weights, in float64 (in which T5's softmax is not)."""

import numpy as np
import pytest
from test_seq2seq import made, ours

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("kind", made.FORMS)
def test_logits_and_all_gradients(kind):
    pytest.importorskip("transformers", reason="the peer is transformers: pip install 'tinygpt[peers]'")
    theirs = made.peer_arrays(kind)
    logits, gradients = ours(kind, {name: array for name, array in theirs.items() if name.startswith("weights.")})
    tolerance = {"bart": 1e-10, "t5": 1e-5}[kind]
    np.testing.assert_allclose(logits, theirs["logits"], rtol=tolerance, atol=tolerance)
    assert len(gradients) == sum(name.startswith("gradients.") for name in theirs)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, theirs[f"gradients.{name}"], rtol=tolerance, atol=tolerance, err_msg=name)
