"""Other libraries' encoder–decoders from the same weights: what they say, and how they learn.

BART and T5 are those of the library `transformers`, in float64 (in which T5's softmax is not). How example 09's model
learns is compared with one in plain PyTorch, which tests/benchmarks/translation.py trains at length.
"""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from test_seq2seq import made, ours

from tinygpt.text.corpus.made_pairs import arithmetic_pairs
from tinygpt.text.pairs import by_source, split_pairs
from tinygpt.text.tokenizer import Tokenizer

pytestmark = pytest.mark.peer

sys.path.append(str(Path(__file__).parent / "benchmarks"))


@pytest.mark.parametrize("kind", made.FORMS)
def test_logits_and_all_gradients(kind):
    pytest.importorskip("transformers", reason="the peer is transformers: pip install -e '.[peers]'")
    theirs = made.peer_arrays(kind)
    logits, gradients = ours(kind, {name: array for name, array in theirs.items() if name.startswith("weights.")})
    tolerance = {"bart": 1e-10, "t5": 1e-5}[kind]
    np.testing.assert_allclose(logits, theirs["logits"], rtol=tolerance, atol=tolerance)
    assert len(gradients) == sum(name.startswith("gradients.") for name in theirs)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, theirs[f"gradients.{name}"], rtol=tolerance, atol=tolerance, err_msg=name)


def test_the_same_steps_as_pytorch():
    """Schedule, smoothing, clipping and AdamW included: losses of step after step, and the translations at the end."""
    pytest.importorskip("torch", reason="the peer is PyTorch: pip install -e '.[peers]'")
    from translation_side import EXAMPLE, SIDES

    example = runpy.run_path(str(EXAMPLE))
    form = example["ARITHMETIC"] | {"n_embd": 32, "max_pairs": 16, "smoothing": 0.1, "rate": 1e-2}
    learn_from, held_out = split_pairs(arithmetic_pairs(500, most_operations=1))
    tokenizers = [Tokenizer.train(texts, 280) for texts in zip(*learn_from)]
    example["pairs_of"] = lambda data, tested: (learn_from, by_source(held_out), tokenizers, form)
    sides = [SIDES[name](example, None, 30, 10) for name in ("tinygpt", "torch")]
    losses = [side.learn(30)["losses"] for side in sides]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0] - 1
    texts = [side.write(list(by_source(held_out))) for side in sides]
    assert texts[0] == texts[1] and len(set(texts[0])) > 1
