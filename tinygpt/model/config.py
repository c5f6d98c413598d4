"""The hyper-parameters that all transformers here share, under their usual names."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import BadInput
from ..forms import FORMS


@dataclass(frozen=True)
class TransformerConfig:
    """The sizes and the form of a stack of blocks. The defaults are GPT-2's form. Raises BadInput for invalid values.

    block_size: the context, in tokens. n_layer: blocks. n_head: query heads. n_kv_head: key and value heads, fewer
    than n_head for grouped-query attention and 1 for multi-query (None: n_head). n_embd: channels. head_size: channels
    of a head (None: n_embd / n_head). n_inner: width of the MLP's hidden layer (None: 4 n_embd). dropout: the
    probability with which activations are set to 0 in training. positions, norm, activation: one of their names in
    tinygpt/forms.py. norm_eps: added to the variance, or to the mean square of norm="rms". pre_norm: normalize what
    enters a sublayer, rather than the sum after it. bias: whether linear layers and normalizations have one. tied: the
    token table is also the output layer.
    """

    vocab_size: int
    block_size: int = 64
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    dropout: float = 0.0
    bias: bool = True
    positions: str = "learned"
    norm: str = "layer"
    norm_eps: float = 1e-5
    pre_norm: bool = True
    activation: str = "gelu"
    n_kv_head: int | None = None
    n_inner: int | None = None
    head_size: int | None = None
    tied: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            counts = field.type == "int" or (field.type == "int | None" and value is not None)
            if counts and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise BadInput(f"{name} must be a whole number of at least 1, not {value!r}")
            if field.type == "bool" and not isinstance(value, bool):
                raise BadInput(f"{name} must be true or false, not {value!r}")
            if name in FORMS and value not in FORMS[name]:
                raise BadInput(f"{name} must be one of {', '.join(FORMS[name])}, not {value!r}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise BadInput(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        if not isinstance(self.norm_eps, int | float) or not 0 < self.norm_eps < 1:
            raise BadInput(f"norm_eps must be above 0 and below 1, not {self.norm_eps!r}")
        if self.head_size is None and self.n_embd % self.n_head:
            raise BadInput(
                f"n_embd {self.n_embd} cannot be divided among n_head {self.n_head} heads: make it a multiple"
            )
        if self.n_head % self.key_heads:
            raise BadInput(f"n_head {self.n_head} is no multiple of n_kv_head {self.n_kv_head}, which serve them")
        if self.positions == "rotary" and self.channels_of_head % 2:
            remedy = "make head_size even" if self.head_size else "make n_embd an even multiple of n_head"
            raise BadInput(f"rotary positions turn pairs of channels, and a head has {self.channels_of_head}: {remedy}")

    @property
    def key_heads(self) -> int:
        return self.n_kv_head or self.n_head

    @property
    def channels_of_head(self) -> int:
        return self.head_size or self.n_embd // self.n_head

    @property
    def inner(self) -> int:
        return self.n_inner or 4 * self.n_embd
