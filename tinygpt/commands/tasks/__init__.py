"""The tasks of `tinygpt train`."""

from .denoising import DenoisingTask
from .language import LanguageTask
from .masked import MaskedTask
from .pairs import PairTask
from .task import Task

TASKS: dict[str, type[Task]] = {
    "lm": LanguageTask, "mlm": MaskedTask, "denoise": DenoisingTask, "seq2seq": PairTask,
}  # fmt: skip

__all__ = ["TASKS", "Task"]
