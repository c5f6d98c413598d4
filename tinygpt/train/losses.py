"""One loss function for each task: loss(model, batch, key) → (total, count), a sum in nats and its number of targets.

Sum and count are separate so that a caller that combines several batches divides once, by the number of all targets.
A batch is on the CPU, whatever device the model is on, so that counting and choosing targets never waits for a GPU.
B batch, T time, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd import Key, Tensor, cross_entropy

from ..text.batches import IGNORE, Batch
from ..text.masked_lm import MaskedBatch
from ..text.pair_batches import PairBatch

Loss = Callable[[Any, Any, Key | None], tuple[Tensor, int]]


def causal_lm_loss(model: Any, batch: Batch, key: Key | None = None) -> tuple[Tensor, int]:
    """The negative log-likelihood of each next token given those before it.

    Formula: L = −Σ_t log p(x_t | x_0 … x_{t−1})
    Paper: Bengio et al. 2003, "A neural probabilistic language model", section 2
    Example: examples/05_training.py
    Test: tests/test_training.py
    """
    logits = model(batch.inputs, key)
    total = cross_entropy(logits, batch.targets, ignore_index=IGNORE, reduction="sum")
    return total, int((batch.targets != IGNORE).sum())


def masked_lm_loss(model: Any, batch: MaskedBatch, key: Key | None = None) -> tuple[Tensor, int]:
    """The negative log-likelihood of each chosen token given the text in which the chosen tokens are hidden.

    The other tokens have no target. Their states skip the output head, which is as wide as the vocabulary.

    Formula: L = −Σ_{t chosen} log p(x_t | the text in which chosen tokens are hidden)
    Paper: Devlin et al. 2019, "BERT", section 3.1, task 1
    Example: examples/08_masked.py
    Test: tests/test_bert.py
    """
    return _chosen_tokens(model, _hidden(model, batch, key), batch)


def next_sentence_loss(model: Any, batch: MaskedBatch, key: Key | None = None) -> tuple[Tensor, int]:
    """The negative log-likelihood of whether the second text of each pair follows the first (0) or not (1).

    Devlin et al. 2019, "BERT", section 3.1, task 2.
    """
    return _chosen_pairs(model, _hidden(model, batch, key), batch)


def bert_loss(model: Any, batch: MaskedBatch, key: Key | None = None) -> tuple[Tensor, int]:
    """Both tasks at once: the mean over tokens plus the mean over pairs, times the number of tokens; and that number.

    Devlin et al. 2019, "BERT", appendix A.2.
    """
    hidden = _hidden(model, batch, key)
    tokens, n_tokens = _chosen_tokens(model, hidden, batch)
    pairs, n_pairs = _chosen_pairs(model, hidden, batch)
    return tokens + pairs * (n_tokens / n_pairs), n_tokens


def _hidden(model: Any, batch: MaskedBatch, key: Key | None) -> Tensor:
    return model(batch.inputs, batch.segments, batch.mask, key)


def _chosen_tokens(model: Any, hidden: Tensor, batch: MaskedBatch) -> tuple[Tensor, int]:
    chosen = (batch.targets != IGNORE).nonzero()
    targets = batch.targets[chosen]
    return cross_entropy(model.mlm_logits(hidden[chosen]), targets, reduction="sum"), len(targets)


def _chosen_pairs(model: Any, hidden: Tensor, batch: MaskedBatch) -> tuple[Tensor, int]:
    labels = batch.next_sentence_labels
    return cross_entropy(model.nsp_logits(hidden), labels, reduction="sum"), len(labels)


def seq2seq_loss(
    model: Any, batch: PairBatch, key: Key | None = None, label_smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """The negative log-likelihood of each target, given its source: translation, summarization, denoising.

    label_smoothing ε: the target is 1 − ε on the right token plus ε spread evenly over all tokens. This costs
    likelihood but improves translations (Vaswani et al. 2017, section 5.4).

    Formula: L = −Σ_t log p(y_t | y_0 … y_{t−1}, x)
    Paper: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", section 2
    Example: examples/09_translation.py
    Test: tests/test_seq2seq.py
    """
    logits = model(batch.source, batch.inputs, batch.source_mask, key)
    total = cross_entropy(logits, batch.targets, IGNORE, label_smoothing, reduction="sum")
    return total, int((batch.targets != IGNORE).sum())
