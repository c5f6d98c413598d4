"""The tasks of `tinygpt train`."""

from .language import LanguageTask
from .masked import MaskedTask
from .task import Task

TASKS: dict[str, type[Task]] = {"lm": LanguageTask, "mlm": MaskedTask}

__all__ = ["TASKS", "Task"]
