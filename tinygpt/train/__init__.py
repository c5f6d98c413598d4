"""Training: each task is a loss function; the loop is a generator that works with any of them."""

from .adam import AdamW
from .evaluate import evaluate, guesses_of, masked_accuracy, pairs_told_apart
from .loop import Step, train
from .losses import bert_loss, causal_lm_loss, masked_lm_loss, next_sentence_loss, seq2seq_loss
from .schedules import constant, warmup_cosine

__all__ = [
    "AdamW",
    "Step",
    "bert_loss",
    "causal_lm_loss",
    "constant",
    "evaluate",
    "guesses_of",
    "masked_accuracy",
    "masked_lm_loss",
    "next_sentence_loss",
    "pairs_told_apart",
    "seq2seq_loss",
    "train",
    "warmup_cosine",
]
