"""The kinds of models, by their names in checkpoints."""

from __future__ import annotations

from autograd import Key

from .bert import Bert, BertConfig
from .config import TransformerConfig
from .gpt import GPT, GPTConfig
from .module import Module
from .seq2seq import Seq2Seq, Seq2SeqConfig

CONFIGS: dict[str, type[TransformerConfig]] = {"gpt": GPTConfig, "bert": BertConfig, "seq2seq": Seq2SeqConfig}
_MODELS: dict[str, type[Module]] = {"gpt": GPT, "bert": Bert, "seq2seq": Seq2Seq}


def kind_of(config: TransformerConfig) -> str:
    """The name of a configuration's kind."""
    return next(kind for kind, its_type in CONFIGS.items() if type(config) is its_type)


def build(config: TransformerConfig, key: Key) -> Module:
    """A fresh model of the configuration's kind."""
    return _MODELS[kind_of(config)](config, key)
