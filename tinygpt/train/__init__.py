"""Training: a task is its loss function, the loop is a generator that knows none of them."""

from .adam import AdamW
from .evaluate import evaluate
from .loop import Step, train
from .losses import causal_lm_loss, seq2seq_loss
from .schedules import constant, warmup_cosine

__all__ = ["AdamW", "Step", "causal_lm_loss", "constant", "evaluate", "seq2seq_loss", "train", "warmup_cosine"]
