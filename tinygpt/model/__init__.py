"""Language models as modules whose forward reads as the paper's figure."""

from .bert import Bert, BertConfig
from .bigram import BigramLM, CountedBigram
from .gpt import GPT, GPTConfig
from .module import Module, Parameter
from .seq2seq import Seq2Seq, Seq2SeqConfig

__all__ = [
    "GPT",
    "Bert",
    "BertConfig",
    "BigramLM",
    "CountedBigram",
    "GPTConfig",
    "Module",
    "Parameter",
    "Seq2Seq",
    "Seq2SeqConfig",
]
