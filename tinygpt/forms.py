"""Variants of a transformer's parts, and number formats, by the names in configurations and on the command line."""

FORMS = {
    "positions": ("learned", "sinusoidal", "rotary", "alibi", "t5", "none"),
    "norm": ("layer", "rms"),
    "activation": ("gelu", "gelu_exact", "relu", "swiglu"),
}
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")  # what each is: autograd/precision.py
