"""The forms that parts of a transformer may have, by the names that configurations and the command line use."""

FORMS = {
    "positions": ("learned", "sinusoidal", "rotary", "alibi", "t5", "none"),
    "norm": ("layer", "rms"),
    "activation": ("gelu", "gelu_exact", "relu", "swiglu"),
}
