"""Models of other libraries: read, written and downloaded.

In reading order: gpt2 (the tables), weights, directories, pretrained, saving, fetching.
"""

from .fetching import fetch
from .pretrained import Pretrained, load
from .saving import save_gpt2

__all__ = ["Pretrained", "fetch", "load", "save_gpt2"]
