"""The kinds of models, by the names that checkpoints have for them."""

from __future__ import annotations

from autograd import Key

from .config import TransformerConfig
from .gpt import GPT, GPTConfig
from .module import Module

CONFIGS: dict[str, type[TransformerConfig]] = {"gpt": GPTConfig}
_MODELS: dict[str, type[Module]] = {"gpt": GPT}


def kind_of(config: TransformerConfig) -> str:
    """The name of a configuration's kind."""
    return next(kind for kind, its_type in CONFIGS.items() if type(config) is its_type)


def build(config: TransformerConfig, key: Key) -> Module:
    """A fresh model of the kind that the configuration is of."""
    return _MODELS[kind_of(config)](config, key)
