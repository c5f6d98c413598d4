"""Forms of a transformer's parts and of its numbers, by the names that configurations and the command line use."""

FORMS = {
    "positions": ("learned", "sinusoidal", "rotary", "alibi", "t5", "none"),
    "norm": ("layer", "rms"),
    "activation": ("gelu", "gelu_exact", "relu", "swiglu"),
}
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")  # what each is: autograd/precision.py
