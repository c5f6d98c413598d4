"""Training: each task is a loss function; the loop is a generator that works with any of them."""

from .adam import AdamW
from .evaluate import evaluate, masked_accuracy, mlm_predictions, next_sentence_accuracy
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
    "masked_accuracy",
    "masked_lm_loss",
    "mlm_predictions",
    "next_sentence_accuracy",
    "next_sentence_loss",
    "seq2seq_loss",
    "train",
    "warmup_cosine",
]
