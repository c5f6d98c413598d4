"""Greedy and beam search as `transformers` has them: token for token, and the scores."""

from itertools import combinations, product

import numpy as np
import pytest

import tinygpt
from tinygpt.generate import beam_search, continuations, greedy_search, power_penalty

torch = pytest.importorskip("torch", reason="the peer is transformers: pip install -e '.[peers]'")
transformers = pytest.importorskip("transformers", reason="pip install -e '.[peers]'")

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

V, T, P, WIDTH = 13, 32, 4, 4
ENDS = [7, 11]
PROMPTS = np.random.default_rng(6).integers(V, size=(6, P))
CASES = list(product([[], ENDS[:1], ENDS], [-0.5, 0.0, 0.6, 1.0, 2.0]))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same random GPT-2 there and here, whose weights are so large that it prefers some tokens, and texts end."""
    path = tmp_path_factory.mktemp("gpt2")
    sizes = {"vocab_size": V, "n_positions": T, "n_embd": 32, "n_layer": 2, "n_head": 4, "tie_word_embeddings": False}
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in theirs.parameters():
            fresh = 0.0 if parameter.ndim == 2 else parameter  # matrices are theirs to draw, with whatever seed
            parameter.copy_(fresh + 0.15 * torch.randn(parameter.shape, generator=generator))
    theirs.save_pretrained(path)
    return theirs, tinygpt.load(path).model


def their_search(model, prompts, ends, **options):
    """(sequences, their scores) of prompts that are searched together, cut after the first end."""
    out = model.generate(
        torch.tensor(prompts), attention_mask=torch.ones(prompts.shape), do_sample=False, max_new_tokens=T - P,
        eos_token_id=ends or None, pad_token_id=0, return_dict_in_generate=True, output_scores=True, **options,
    )  # fmt: skip
    rows = [row[P:].tolist() for row in out.sequences]
    places = [min((row.index(end) for end in ends if end in row), default=len(row)) for row in rows]
    return [row[:place] for row, place in zip(rows, places)], getattr(out, "sequences_scores", None)


@pytest.mark.parametrize("ends", [[], ENDS[:1], ENDS], ids=str)
def test_greedy_is_theirs(models, ends):
    theirs, ours = models
    assert greedy_search(continuations(ours, PROMPTS, T - P), ends) == their_search(theirs, PROMPTS, ends)[0]


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize(("ends", "alpha"), CASES, ids=str)
def test_the_beam_is_theirs(models, ends, alpha, early_stopping):
    """All of the n best, and what they score."""
    theirs, ours = models
    options = {"num_beams": WIDTH, "num_return_sequences": WIDTH, "length_penalty": alpha}
    expected, scores = their_search(theirs, PROMPTS, ends, early_stopping=early_stopping, **options)
    found = beam_search(continuations(ours, PROMPTS, T - P), ends, WIDTH, power_penalty(alpha), early_stopping)
    assert [each.tokens for hypotheses in found for each in hypotheses] == expected
    np.testing.assert_allclose([each.score for hypotheses in found for each in hypotheses], scores, rtol=1e-4)


def test_the_cases_differ(models):
    """That the equalities above say something: penalties, ends and how a search stops each change what is found."""
    _, ours = models

    def found(ends=ENDS, alpha=1.0, early_stopping=True):
        search = beam_search(continuations(ours, PROMPTS, T - P), ends, WIDTH, power_penalty(alpha), early_stopping)
        return [[each.tokens for each in hypotheses] for hypotheses in search]

    cases = [
        found(),
        found(ends=[]),
        found(ends=ENDS[:1]),
        found(alpha=0.0),
        found(alpha=2.0, early_stopping=False),
        found(alpha=2.0, early_stopping="never"),
    ]
    same = [pair for pair in combinations(range(len(cases)), 2) if cases[pair[0]] == cases[pair[1]]]
    assert not same
    assert all(len({len(tokens) for tokens in hypotheses}) > 1 for hypotheses in cases[0][:2])
