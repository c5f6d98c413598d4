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


def option(
    default: Any, help: str, choices: tuple[str, ...] | None = None, fixed: bool = False, metavar: str | None = None
) -> Any:
    """fixed: the option shapes model or data, so that a run that is resumed cannot change it.

    help: names the default where it is None or empty; any other is added to it. metavar: what stands for the value.
    """
    return field(default=default, metadata={"help": help, "choices": choices, "fixed": fixed, "metavar": metavar})


@dataclass(frozen=True)
class TrainOptions:
    """The options of a run. The defaults train a GPT in about two minutes on two cores."""

    task: str = option(
        "lm",
        "what is learned: lm, each next token (a GPT); mlm, masked tokens (an encoder like BERT); denoise, to restore "
        "corrupted text (an encoder–decoder like T5 or BART); seq2seq, targets from sources (an encoder–decoder)",
        TASKS,
        fixed=True,
    )
    data: tuple[str, ...] = option(
        (),
        "files or directories of text; for --task seq2seq files of pairs, .tsv (each line a source, a tab and a "
        "target) or .jsonl (default: the English that ships with Python; for seq2seq arithmetic in words and figures)",
    )
    encoding: str = option("utf-8", "encoding of the files of --data", metavar="NAME")
    out: str = option("runs/english", "directory of the run", metavar="DIR")
    tokenizer: str = option("bpe", "byte-pair encoding, or one token for each character", ("bpe", "char"), fixed=True)
    vocab_size: int = option(512, "number of tokens of the byte-pair encoding", fixed=True)
    bpe_dropout: float = option(
        0.0,
        "probability with which merges are left out of the training text, once, before the first step (BPE-dropout; "
        "0.1 in its paper); held-out text and prompts are encoded without it",
        fixed=True,
    )
    n_layer: int = option(3, "number of transformer blocks", fixed=True)
    n_head: int = option(4, "attention heads in each block", fixed=True)
    n_embd: int = option(128, "width of the model: channels of a token", fixed=True)
    block_size: int = option(64, "context: how many tokens the model sees", fixed=True)
    bias: bool = option(False, "use biases in linear layers and normalizations", fixed=True)
    positions: str = option("learned", "how the model is told where a token stands", FORMS["positions"], fixed=True)
    norm: str = option("layer", "normalization: layer (LayerNorm) or rms (RMSNorm)", FORMS["norm"], fixed=True)
    pre_norm: bool = option(True, "normalize what enters a layer (pre-norm), or what leaves it (post-norm)", fixed=True)
    activation: str = option("gelu", "activation function of the MLP", FORMS["activation"], fixed=True)
    n_kv_head: int | None = option(
        None, "heads of keys and values; fewer share them among attention heads (default: as many as --n-head)",
        fixed=True,
    )  # fmt: skip
    dropout: float = option(0.0, "probability with which activations are set to 0 in training")
    whole_words: bool = option(False, "for --task mlm: mask whole words", fixed=True)
    next_sentence: bool = option(
        False,
        "for --task mlm: read pairs of lines, and also learn whether the second follows the first; needs several "
        "files, of which two or more are held out",
        fixed=True,
    )
    denoising: str = option(
        "spans", "for --task denoise: write the missing spans (T5), or the whole text (BART's infilling)",
        ("spans", "infilling"), fixed=True,
    )  # fmt: skip
    label_smoothing: float = option(
        0.0, "for --task seq2seq: probability that is taken from the right token and spread over all"
    )
    init_from: str | None = option(
        None,
        "run, or GPT-2 from Hugging Face, whose weights, form and tokenizer to begin with (default: fresh weights)",
        fixed=True,
        metavar="DIR",
    )
    recompute: bool = option(False, "compute activations again in the backward pass: less memory, a third more time")
    batch_size: int = option(16, "sequences in a micro-batch")
    gradient_accumulation_steps: int = option(1, "micro-batches in a step")
    max_iters: int = option(2000, "number of training steps")
    learning_rate: float = option(4e-3, "highest learning rate, after the warm-up")
    min_lr: float | None = option(
        None, "lowest learning rate, at the end of the cosine schedule (default: a tenth of --learning-rate)"
    )
    warmup_iters: int = option(100, "steps in which the learning rate rises to its highest")
    weight_decay: float = option(0.1, "AdamW's weight decay, applied to matrices only")
    beta1: float = option(0.9, "AdamW's β1: how much of the mean gradient stays in each step")
    beta2: float = option(0.99, "AdamW's β2: how much of the mean squared gradient stays in each step")
    grad_clip: float = option(1.0, "largest norm of the gradient, which is scaled down to it; 0: no clipping")
    eval_interval: int = option(250, "steps between evaluations, each with a sample and a save")
    eval_iters: int = option(20, "batches in such an evaluation")
    seed: int = option(1337, "random seed, of weights, batches and samples", fixed=True)
    device: str = option("cpu", "where to compute: cpu, cuda, or one of several GPUs as cuda:1", metavar="DEVICE")
    dtype: str = option(
        "float32", "precision on a GPU; weights, moments and checkpoints stay float32 whatever it is", PRECISIONS
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
        if not -math.inf < value < math.inf:
            raise BadInput(f"{flag(name)} must be {words} and a finite number, not {value}")
        if not holds(value):
            raise BadInput(f"{flag(name)} must be {words}, not {value}")

    def resumed_with(self, given: dict[str, Any]) -> TrainOptions:
        """These options, of a run on disk, with those given now. Raises BadInput for one that cannot change."""
        before = asdict(self)
        for option in fields(self):
            name = option.name
            if option.metadata["fixed"] and name in given and not _as_before(name, given[name], before):
                now, then = _in_words(given[name]), _in_words(before[name])
                raise BadInput(
                    f"{flag(name)} {now} cannot change when a run is resumed: it was {then}; "
                    "leave the option out, or begin a new run with another --out"
                )
        return replace(self, **given)._all_heard(given)

    @classmethod
    def asked(cls, given: dict[str, Any], form: dict[str, Any] | None = None) -> TrainOptions:
        """The options given. `form`: those of the model to begin from, used where none was given.

        Raises BadInput for values out of range, options without effect, and options that contradict `form`. Only
        --block-size may differ: any model can learn from shorter contexts, and from longer ones unless its positions
        are learned.
        """
        form = {} if form is None else form
        other = [name for name in form if name in given and not _as_before(name, given[name], form)]
        if "block_size" in other and (form["positions"] != "learned" or given["block_size"] < form["block_size"]):
            other.remove("block_size")
        if other:
            differences = "; ".join(
                f"{flag(name)} is {_in_words(given[name])} here and {_in_words(form[name])} there" for name in other
            )
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


OF_STEPS = (
    "learning_rate", "min_lr", "warmup_iters", "weight_decay", "beta1", "beta2", "grad_clip", "dropout",
    "label_smoothing", "recompute", "gradient_accumulation_steps", "eval_interval", "eval_iters",
)  # fmt: skip
"""Options that have an effect only while steps are made."""


def _as_before(name: str, value: Any, before: dict[str, Any]) -> bool:
    """Whether an option has the value it had before; n_kv_head None means as many as n_head."""
    return value == before[name] or (name == "n_kv_head" and before[name] is None and value == before["n_head"])


def _in_words(value: Any) -> str:
    """The value of an option: of a switch on or off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not given" if value is None else str(value)


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
"""Options that have no effect in `tinygpt train`."""
