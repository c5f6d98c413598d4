"""The tasks of `tinygpt train`."""

from .language import LanguageTask
from .task import Task

TASKS: dict[str, type[Task]] = {"lm": LanguageTask}

__all__ = ["TASKS", "Task"]
