"""GPT-2 as Hugging Face stores it: tables of their settings and weights, and of ours.

GPT-2's released code keeps the weights of linear layers as (in, out), as we do; only the output layer of a model
without tied embeddings is (out, in) there. Source: Radford et al. 2019, "Language models are unsupervised multitask
learners", the code and weights published with it, and the settings of `transformers.GPT2Config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import BadInput
from ..model.gpt import GPTConfig
from .weights import Weight

SHORT_NAMES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}
"""What the published models are called, and where the hub of Hugging Face has them."""

SIZES = {  # ours: theirs; each is needed
    "vocab_size": "vocab_size",
    "block_size": "n_positions",
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
}
OPTIONS = {  # ours: theirs, and the value where the file does not say
    "n_inner": ("n_inner", None),
    "norm_eps": ("layer_norm_epsilon", 1e-5),
    "tied": ("tie_word_embeddings", True),
}
ACTIVATIONS = {  # theirs: ours; the first of several is the one written
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu": "gelu_exact",
    "relu": "relu",
}
DROPOUTS = ("resid_pdrop", "embd_pdrop", "attn_pdrop")  # ours is one rate for all three
USUAL_DROPOUT = 0.1
FIXED: dict[str, tuple[Any, ...]] = {  # their settings, and the values for which their model is ours
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "reorder_and_upcast_attn": (False, True),  # the order of rounding in half precision: we compute in float32
    "pruned_heads": (None, {}),
    "quantization_config": (None,),
}

# theirs and ours have the same names, because ours follow GPT-2's
EMBEDDINGS = {"wte.weight": "V C", "wpe.weight": "T C"}
BLOCK = {
    "ln_1.weight": "C", "ln_1.bias": "C",
    "attn.c_attn.weight": "C 3C", "attn.c_attn.bias": "3C",
    "attn.c_proj.weight": "C C", "attn.c_proj.bias": "C",
    "ln_2.weight": "C", "ln_2.bias": "C",
    "mlp.c_fc.weight": "C I", "mlp.c_fc.bias": "I",
    "mlp.c_proj.weight": "I C", "mlp.c_proj.bias": "C",
}  # fmt: skip
LAST = {"ln_f.weight": "C", "ln_f.bias": "C"}
HEAD = "lm_head.weight"

PREFIX = "transformer."  # before every name but the head's, in files written from a model with a head
MASKS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # constants that older files hold, not weights


def weights(c: GPTConfig) -> Iterator[Weight]:
    """The table of weights: V vocabulary, T context, C channels, I channels inside the MLP."""
    sizes = {"V": c.vocab_size, "T": c.block_size, "C": c.n_embd, "3C": 3 * c.n_embd, "I": c.inner}

    def rows(table: dict[str, str], prefix: str = "") -> Iterator[Weight]:
        for name, axes in table.items():
            yield Weight(prefix + name, prefix + name, tuple(sizes[axis] for axis in axes.split()))

    yield from rows(EMBEDDINGS)
    for layer in range(c.n_layer):
        yield from rows(BLOCK, f"h.{layer}.")
    yield from rows(LAST)
    if not c.tied:
        yield Weight(HEAD, HEAD, (c.vocab_size, c.n_embd), transposed=True)


def read_config(settings: dict[str, Any], dropout: float | None = None) -> GPTConfig:
    """Our configuration from theirs. `dropout` takes the place of their three rates.

    Raises BadInput, naming the setting, for one that is missing or wrong, or that describes a different model.
    """
    for name, usual in FIXED.items():
        if name in settings and settings[name] not in usual:
            raise BadInput(f"{name} is {settings[name]!r}, which this GPT does not have: it needs {usual[0]!r}")
    for name in SIZES.values():
        if type(settings.get(name)) is not int or settings[name] < 1:
            raise BadInput(f"{name} must be a whole number of at least 1, not {settings.get(name)!r}")
    if settings.get("n_ctx", settings["n_positions"]) != settings["n_positions"]:
        raise BadInput(f"n_ctx {settings['n_ctx']!r} and n_positions {settings['n_positions']} differ: which is it?")
    theirs = settings.get("activation_function", "gelu_new")
    if not isinstance(theirs, str) or theirs not in ACTIVATIONS:
        raise BadInput(f"activation_function is {theirs!r}, and must be one of {', '.join(ACTIVATIONS)}")
    their_names = {name: their_name for name, (their_name, _) in OPTIONS.items()}
    if dropout is None:
        dropout, their_names["dropout"] = _one_rate(settings), DROPOUTS[0]
    try:
        return GPTConfig(
            **{name: settings[their_name] for name, their_name in SIZES.items()},
            **{name: settings.get(their_name, usual) for name, (their_name, usual) in OPTIONS.items()},
            activation=ACTIVATIONS[theirs],
            dropout=dropout,
        )
    except BadInput as error:
        ours, rest = str(error).split(" ", 1)  # it begins with the field it is about
        raise BadInput(f"{their_names.get(ours, ours)} {rest}") from None


def _one_rate(settings: dict[str, Any]) -> Any:
    rates = {name: settings.get(name, USUAL_DROPOUT) for name in DROPOUTS}
    first = rates[DROPOUTS[0]]
    if any(rate != first for rate in rates.values()):
        said = ", ".join(f"{name} {rate!r}" for name, rate in rates.items())
        raise BadInput(f"{said} differ, and this GPT has one rate for all: say which, as load(…, dropout=0.1)")
    return first


def write_config(c: GPTConfig) -> dict[str, Any]:
    """Their settings from our configuration. Raises BadInput, naming it, for a form that GPT-2 does not have."""
    usual = {"positions": "learned", "norm": "layer", "pre_norm": True, "head_size": None}
    for name, value in usual.items():
        if getattr(c, name) != value:
            raise BadInput(
                f"this model has {name} {getattr(c, name)!r}, and a GPT-2 {value!r}: it cannot be written so"
            )
    if c.key_heads != c.n_head:
        raise BadInput(f"a GPT-2 has as many heads of keys as of queries, and this model {c.key_heads} and {c.n_head}")
    if c.activation not in ACTIVATIONS.values():
        raise BadInput(f"a GPT-2 has no activation {c.activation!r}: it cannot be written so")
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        **{theirs: getattr(c, ours) for ours, theirs in SIZES.items()},
        **{theirs: getattr(c, ours) for ours, (theirs, _) in OPTIONS.items()},
        "activation_function": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == c.activation),
        **dict.fromkeys(DROPOUTS, c.dropout),
    }


def own_weights(stored: dict[str, np.ndarray], c: GPTConfig, where: str) -> dict[str, np.ndarray]:
    """The weights in a file, without the prefix, the masks, and the second copy of a tied table.

    Raises BadInput for one weight under two names, and for a tied table whose second copy differs.
    """
    plain: dict[str, np.ndarray] = {}
    for name, array in stored.items():
        short = name.removeprefix(PREFIX)
        if short in plain:
            raise BadInput(f"{where}: {short} is there twice, with {PREFIX!r} before it and without")
        if not MASKS.fullmatch(short):
            plain[short] = array
    if c.tied and HEAD in plain:
        head, table = plain.pop(HEAD), plain.get("wte.weight")
        if table is not None and not _equal(head, table):
            raise BadInput(
                f"{where}: {HEAD} and wte.weight differ, and config.json says that they are one "
                "(tie_word_embeddings): is it false?"
            )
    return plain


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Compares row by row, which needs no temporary array as large as the two."""
    return a.dtype == b.dtype and a.shape == b.shape and a.ndim > 0 and all(map(np.array_equal, a, b))


def stored_weights(state: dict[str, np.ndarray], c: GPTConfig) -> dict[str, np.ndarray]:
    """Our parameters as their file holds them. Biases that the model lacks are written as zeros, which add nothing."""
    stored = {}
    for ours, theirs, shape, transposed in weights(c):
        array = state.get(ours)
        if array is None:
            array = np.zeros(shape, np.float32)
        stored[theirs if theirs == HEAD else PREFIX + theirs] = array.T if transposed else array
    return stored
