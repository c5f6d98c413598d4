"""The tasks of `tinygpt train`."""

from ..options import TrainOptions
from .denoising import DenoisingTask
from .language import LanguageTask
from .masked import MaskedTask
from .next_sentence import NextSentenceTask
from .pairs import PairTask
from .task import Task

TASKS: dict[str, type[Task]] = {
    "lm": LanguageTask, "mlm": MaskedTask, "denoise": DenoisingTask, "seq2seq": PairTask,
}  # fmt: skip



def task_of(options: TrainOptions) -> type[Task]:
    """What a run with these options is trained for."""
    return NextSentenceTask if options.next_sentence else TASKS[options.task]


__all__ = ["TASKS", "Task", "task_of"]
