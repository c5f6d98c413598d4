"""The options of `tinygpt train`, with nanoGPT's names, and what makes sense among them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..errors import BadInput
from ..forms import FORMS, PRECISIONS
from .flags import Idle, flag, refuse_idle

TASKS = ("lm", "mlm", "denoise", "seq2seq")
LARGEST_SEED = (1 << 63) - 1
LARGEST_COUNT = 10**18 - 1


def option(default: Any, help: str, choices: tuple[str, ...] | None = None, fixed: bool = False) -> Any:
    """fixed: the option shapes model or data, so that a run that is resumed cannot change it."""
    return field(default=default, metadata={"help": help, "choices": choices, "fixed": fixed})


@dataclass(frozen=True)
class TrainOptions:
    """Defaults do the main job: about two minutes on two cores."""

    task: str = option(
        "lm", "each next token (a GPT), hidden ones (an encoder), spoiled text or pairs (an encoder–decoder)", TASKS,
        fixed=True,
    )  # fmt: skip
    data: tuple[str, ...] = option((), "files or directories of text (default: the English in Python)")
    encoding: str = option("utf-8", "how --data is encoded")
    out: str = option("runs/english", "the run's directory")
    tokenizer: str = option("bpe", "byte-pair encoding, or one token a character", ("bpe", "char"), fixed=True)
    vocab_size: int = option(512, "tokens of the byte-pair encoding", fixed=True)
    bpe_dropout: float = option(
        0.0,
        "probability with which merges are left out of the training text, once, before the first step (BPE-dropout; "
        "0.1 in its paper); held-out text and prompts are encoded without it",
        fixed=True,
    )
    n_layer: int = option(3, "blocks", fixed=True)
    n_head: int = option(4, "attention heads of a block", fixed=True)
    n_embd: int = option(128, "channels", fixed=True)
    block_size: int = option(64, "context: how many tokens the model sees", fixed=True)
    bias: bool = option(False, "biases in linear layers and normalizations", fixed=True)
    positions: str = option("learned", "how a token's place is told", FORMS["positions"], fixed=True)
    norm: str = option("layer", "normalization", FORMS["norm"], fixed=True)
    pre_norm: bool = option(True, "normalize what enters a layer, rather than what leaves it", fixed=True)
    activation: str = option("gelu", "of the perceptron", FORMS["activation"], fixed=True)
    n_kv_head: int | None = option(None, "heads of keys and values (default: as many as attention heads)", fixed=True)
    dropout: float = option(0.0, "probability with which activations are dropped")
    whole_words: bool = option(False, "hide whole words, with --task mlm", fixed=True)
    next_sentence: bool = option(
        False, "with --task mlm, of pairs of lines, whether the second follows the first", fixed=True
    )
    denoising: str = option("spans", "with --task denoise, T5's or BART's", ("spans", "infilling"), fixed=True)
    label_smoothing: float = option(0.0, "with --task seq2seq, what is taken from the right token and given to all")
    init_from: str | None = option(
        None, "a run, or a GPT-2 of Hugging Face, whose weights, form and tokenizer to begin from", fixed=True
    )
    recompute: bool = option(False, "compute activations again in the backward: less memory, a third more time")
    batch_size: int = option(16, "sequences of a micro-batch")
    gradient_accumulation_steps: int = option(1, "micro-batches of a step")
    max_iters: int = option(2000, "steps")
    learning_rate: float = option(4e-3, "the highest, after the warm-up")
    min_lr: float | None = option(None, "the lowest, at the end of the cosine (default: a tenth of the highest)")
    warmup_iters: int = option(100, "steps over which the rate rises")
    weight_decay: float = option(0.1, "of matrices")
    beta1: float = option(0.9, "Adam's mean of gradients: how much of it stays each step")
    beta2: float = option(0.99, "Adam's mean of squared gradients: how much of it stays each step")
    grad_clip: float = option(1.0, "largest gradient norm; 0 does not clip")
    eval_interval: int = option(250, "steps between evaluations, samples and saves")
    eval_iters: int = option(20, "batches of an evaluation on the way")
    seed: int = option(1337, "of everything random", fixed=True)
    device: str = option("cpu", "cpu, cuda, or cuda:1")
    dtype: str = option(
        "float32", "what a GPU computes with; weights, moments and checkpoints are float32 whatever it is", PRECISIONS
    )

    def __post_init__(self) -> None:
        positive = (
            "vocab_size", "n_layer", "n_head", "n_embd", "block_size", "batch_size",
            "gradient_accumulation_steps", "max_iters", "eval_interval", "eval_iters",
        )  # fmt: skip
        for name in positive:
            self._require(name, lambda x: 1 <= x <= LARGEST_COUNT, "at least 1 (and of at most 18 digits)")
        self._require("warmup_iters", lambda x: 0 <= x <= LARGEST_COUNT, "at least 0 (and of at most 18 digits)")
        for name in ("weight_decay", "grad_clip"):
            self._require(name, lambda x: x >= 0, "at least 0")
        self._require("learning_rate", lambda x: x > 0, "above 0")
        if self.min_lr is not None:
            words = f"at least 0 and at most --learning-rate {self.learning_rate}"
            self._require("min_lr", lambda x: 0 <= x <= self.learning_rate, words)
        self._require("label_smoothing", lambda x: 0 <= x < 1, "at least 0 and below 1")
        self._require("dropout", lambda x: 0 <= x < 1, "at least 0 and below 1")
        self._require("bpe_dropout", lambda x: 0 <= x <= 1, "at least 0 and at most 1")
        if self.bpe_dropout and self.tokenizer != "bpe":
            raise BadInput(
                f"--bpe-dropout needs --tokenizer bpe: with {self.tokenizer} there are no merges to leave out"
            )
        if self.next_sentence and (self.task, self.tokenizer) != ("mlm", "bpe"):
            raise BadInput("--next-sentence needs --task mlm and --tokenizer bpe, which can mark where a sentence ends")
        if self.next_sentence and self.bpe_dropout:
            raise BadInput("--bpe-dropout is for rows of text and --next-sentence draws pairs from it: choose one")
        for name in ("beta1", "beta2"):
            self._require(name, lambda x: 0 <= x < 1, "at least 0 and below 1")
        self._require("seed", lambda x: 0 <= x <= LARGEST_SEED, f"from 0 to {LARGEST_SEED}")
        for option in fields(self):
            choices = option.metadata["choices"]
            if choices and getattr(self, option.name) not in choices:
                raise BadInput(f"{flag(option.name)} must be one of {', '.join(choices)}")
        if self.n_embd % self.n_head:
            raise BadInput(f"--n-embd {self.n_embd} cannot be divided among --n-head {self.n_head}: make it a multiple")

    def _require(self, name: str, holds: Any, words: str) -> None:
        value = getattr(self, name)
        if not (-math.inf < value < math.inf and holds(value)):
            raise BadInput(f"{flag(name)} must be {words}, not {value}")

    def resumed_with(self, given: dict[str, Any]) -> TrainOptions:
        """These options, of a run on disk, with those given now. Raises BadInput for one that cannot change."""
        before = asdict(self)
        for option in fields(self):
            name = option.name
            if option.metadata["fixed"] and name in given and not _as_before(name, given[name], before):
                raise BadInput(
                    f"{flag(name)} {given[name]} cannot change when a run is resumed: it was {getattr(self, name)}; "
                    "leave the option out, or begin a new run with another --out"
                )
        return replace(self, **given)._all_heard(given)

    @classmethod
    def asked(cls, given: dict[str, Any], form: dict[str, Any] | None = None) -> TrainOptions:
        """The options given. `form`: those of the model to begin from, which stand for what was left out.

        Raises BadInput for one that makes no sense, or changes nothing, and for those that say otherwise than `form`;
        but shorter contexts than its own any model can learn from, and longer ones where its positions go on.
        """
        form = {} if form is None else form
        other = [name for name in form if name in given and not _as_before(name, given[name], form)]
        if "block_size" in other and (form["positions"] != "learned" or given["block_size"] < form["block_size"]):
            other.remove("block_size")
        if other:
            differences = "; ".join(f"{flag(name)} is {given[name]} here and {form[name]} there" for name in other)
            where = f"--init-from {given['init_from']} holds a model of another form"
            raise BadInput(f"{where}: {differences} (leave out what the model decides)")
        return cls(**{**form, **given})._all_heard(given)

    def _all_heard(self, given: dict[str, Any]) -> TrainOptions:
        refuse_idle(given, self, IDLE)
        return self

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TrainOptions:
        """What `asdict` gave, read back from JSON."""
        known = {option.name for option in fields(cls)}
        return cls(**{k: tuple(v) if k == "data" else v for k, v in record.items() if k in known})

    def record(self) -> dict[str, Any]:
        return asdict(self)


def _as_before(name: str, value: Any, before: dict[str, Any]) -> bool:
    """Whether an option says what stood there; heads of keys that were not counted are as many as those of queries."""
    return value == before[name] or (name == "n_kv_head" and before[name] is None and value == before["n_head"])


FOR_ONE_TASK = {"whole_words": "mlm", "denoising": "denoise", "label_smoothing": "seq2seq"}
IDLE = (
    *(
        Idle((name,), lambda o, task=task: o.task != task, f"it is for --task {task}", "choose that task")
        for name, task in FOR_ONE_TASK.items()
    ),
    Idle(("bpe_dropout",), lambda o: o.task == "seq2seq", "pairs are encoded without it"),
    Idle(("encoding",), lambda o: not o.data, "there is no --data to read", "name files with --data"),
    Idle(
        ("vocab_size",), lambda o: o.tokenizer == "char" and o.init_from is None,
        "with --tokenizer char each character of the text is a token", "choose --tokenizer bpe",
    ),
)  # fmt: skip
"""What `tinygpt train` would not hear."""
