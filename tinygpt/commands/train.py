"""`tinygpt train`: from data to a trained model. The task (tasks/) says what is learned and what is shown of it."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from tqdm import tqdm

from autograd import Key, advice, blas_info

from ..errors import BadInput, MissingExtra
from ..files import replacing
from ..model import Module
from ..train import AdamW, Step, evaluate, train, warmup_cosine
from ..train.checkpoints import save_checkpoint
from ..train.evaluate import Evaluation
from ..train.run import Run
from ..view import loss_curve, loss_curve_png
from .beginning import beginning
from .flags import Idle, refuse_idle
from .interrupt import Interrupt
from .opening import choose_device, stored_type
from .options import OF_STEPS, TrainOptions
from .tasks import Task, task_of


def train_command(given: dict[str, Any], resume: bool, overwrite: bool) -> None:
    """The whole job, from the options given on the command line. Raises BadInput before anything is changed."""
    if resume and overwrite:
        raise BadInput("--resume goes on with a run and --overwrite replaces it: choose one")
    out = given.get("out", TrainOptions.out)
    job = _Job.resumed(Run.existing(out), given) if resume else _Job.new(given, overwrite)
    try:
        job.begin()
        job.describe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of numbers beyond all bounds, which the steps report
            job.train()
    except OSError as error:
        raise BadInput(job.stopped_by(error)) from None
    finally:
        job.run.abandon()


class _Job:
    """A run in progress: its parts, and the steps not yet saved."""

    def __init__(self, run: Run, options: TrainOptions, task: Task, model: Module, optimizer: AdamW) -> None:
        self.run, self.options, self.task, self.model, self.optimizer = run, options, task, model, optimizer
        self.unsaved: list[dict[str, Any]] = []
        model.recompute = options.recompute

    @classmethod
    def new(cls, given: dict[str, Any], overwrite: bool) -> _Job:
        out = given.get("out", TrainOptions.out)
        Run(out).require_room(overwrite)
        if "init_from" in given and Path(given["init_from"]).resolve() == Path(out).resolve():
            raise BadInput(f"--init-from and --out are both {out}, which would be replaced: choose another --out")
        options, begun = beginning(given)
        choose_device(options.device, options.dtype)
        kind = task_of(options)
        task = kind(kind.read(options), options, begun and begun.tokenizer)
        task.rehearse()  # so that a run that cannot begin replaces no other
        model = task.model(Key(options.seed).fold("init")) if begun is None else begun.model
        model.to(options.device)
        return cls(Run.create(options.out, overwrite), options, task, model, _optimizer(model, options))

    @classmethod
    def resumed(cls, run: Run, given: dict[str, Any]) -> _Job:
        checkpoint = run.load()
        try:
            options, trained_on = TrainOptions.from_record(checkpoint.run["options"]), checkpoint.run["corpus"]
            fingerprint, name = trained_on["fingerprint"], trained_on["name"]
        except (KeyError, TypeError, AttributeError):
            raise BadInput(
                f"{run.checkpoint} does not record how it was trained: it can generate, but not be resumed"
            ) from None
        options = options.resumed_with(given)
        if options.max_iters < checkpoint.step:
            raise BadInput(
                f"--max-iters {options.max_iters}: {run.path} has {checkpoint.step} steps behind it already"
            )
        if options.max_iters == checkpoint.step:
            done = f"{run.path} has all its {checkpoint.step:,} steps"
            refuse_idle(given, options, [Idle(OF_STEPS, lambda _: True, done, "name a larger --max-iters")])
        choose_device(options.device, options.dtype)
        kind = task_of(options)
        data = kind.read(options)
        if data.fingerprint != fingerprint:
            raise BadInput(
                f"the corpus is not the one this run was trained on ({name}): give the same --data and --encoding"
                + ("" if options.data else " (the embedded corpus differs between versions of Python)")
            )
        if checkpoint.computed_by != blas_info():
            print(
                f"note: this run was computed by {_engine(checkpoint.computed_by)}, and is continued by "
                f"{_engine(blas_info())}: the last bits of its numbers will differ",
                file=sys.stderr,
            )
        checkpoint.model_config = replace(checkpoint.model_config, dropout=options.dropout)
        model = checkpoint.model(options.device)
        job = cls(run, options, kind(data, options, checkpoint.tokenizer), model, _optimizer(model, options))
        checkpoint.restore(job.optimizer)
        run.remove_unfinished()
        log = run.read_log(before_step=checkpoint.step)
        run.rewrite_log([entry for entry in log if not entry.get("whole")])  # the final evaluation will be repeated
        return job

    @property
    def step(self) -> int:
        """Finished steps."""
        return self.optimizer.steps

    def record(self) -> dict[str, Any]:
        data = self.task.data
        return {
            "options": self.options.record(),
            "corpus": {"name": data.name, "bytes": data.n_bytes, "fingerprint": data.fingerprint},
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "parameters": self.model.n_params,
        }

    def begin(self) -> None:
        """Writes what else a run consists of, beside its checkpoint."""
        if not self.run.tokenizer.exists():
            self.task.tokenizer.save(self.run.tokenizer)
        self.run.write_config(self.record())

    def describe(self) -> None:
        """Prints what is about to happen, and what numbers to expect."""
        data, c, o = self.task.data, self.model.config, self.options
        print(f"corpus     {data.name}: {data.n_bytes / 1e6:.2f} MB, fingerprint {data.fingerprint[:12]}")
        print(*self.task.data_lines(), sep="\n")
        print(f"model      {c.n_layer} layers, {c.n_head} heads, {c.n_embd} wide, context {c.block_size}", end="")
        print(": " if o.block_size == c.block_size else f", windows of {o.block_size}: ", end="")
        print(f"{self.model.n_params:,} parameters", end="")
        print("" if o.init_from is None else f", begun from {o.init_from}")
        print(f"steps      {o.max_iters:,} of {self.task.step_size} on {o.device}", end="")
        print("" if o.dtype == "float32" else f" in {o.dtype}")
        (_, uniform), *others = self.task.baselines.items()
        guess = "a fresh model guesses: its loss is near" if o.init_from is None else "a blind guess costs"
        print(f"           {guess} ln {self.task.tokenizer.vocab_size} = {uniform.loss:.3f} nats a token")
        print(*(f"           a {name} gives {each.loss:.3f}" for name, each in others), sep="\n", flush=True)
        for note in self._notes():
            print(f"note: {note}", file=sys.stderr)

    def _notes(self) -> Iterator[str]:
        """Notes on options that are allowed, but perhaps not intended."""
        o, made = self.options, self.task.tokenizer.vocab_size
        if self.step == o.max_iters:
            yield f"{self.run.path} has all its {self.step:,} steps; a larger --max-iters goes on"
            return
        if o.tokenizer == "bpe" and made < o.vocab_size:
            yield f"the text has no more than {made:,} tokens to learn, of the {o.vocab_size:,} of --vocab-size"
        if o.warmup_iters >= o.max_iters:
            yield (
                f"the learning rate still rises when the run ends: --warmup-iters {o.warmup_iters:,} is not below "
                f"--max-iters {o.max_iters:,}"
            )
        if (slow := advice()) is not None:
            yield slow

    def train(self) -> None:
        o = self.options
        min_lr = o.learning_rate / 10 if o.min_lr is None else o.min_lr
        rate = warmup_cosine(o.learning_rate, min_lr, o.warmup_iters, o.max_iters)
        steps = train(
            self.model, self.task.loss, self.task.batches(), self.optimizer, o.max_iters, rate,
            o.gradient_accumulation_steps, start=self.step, seed=o.seed,
        )  # fmt: skip
        some_validation = self.task.some_validation()
        progress = tqdm(total=o.max_iters, initial=self.step, unit="step", dynamic_ncols=True)
        with Interrupt() as interrupt, progress:
            begun = time.perf_counter()
            try:
                for step in steps:
                    begun = self._note(step, progress, begun)
                    if interrupt.wanted:
                        break
                    if self.step % o.eval_interval == 0 and self.step < o.max_iters:
                        self._look(some_validation, progress)
                        begun = time.perf_counter()
            except FloatingPointError as error:
                raise BadInput(f"training stopped: {error}{self._too_much_decay()}; {self._saved()}") from None
            except OSError:  # the output was closed, or its disk is full: the steps are kept all the same
                self.save()
                raise
        if interrupt.wanted and self.step < o.max_iters:
            self.save()
            print(self._stopped(), flush=True)
            raise KeyboardInterrupt
        self.finish()

    def _note(self, step: Step, progress: tqdm, begun: float) -> float:
        now = time.perf_counter()
        progress.set_postfix_str(f"loss {step.loss:.3f}, {step.tokens / (now - begun):,.0f} tokens/s", refresh=False)
        progress.update()
        self.unsaved.append(
            {"step": step.index, "loss": step.loss, "grad_norm": None if step.skipped else step.grad_norm,
             "lr": step.learning_rate, "tokens": step.tokens, "seconds": round(now - begun, 4)}
        )  # fmt: skip
        return now

    def _look(self, some_validation: list[Any], progress: tqdm) -> None:
        """Between steps: prints the validation loss and a sample, and saves the run."""
        loss = evaluate(self.model, self.task.measure, some_validation).loss
        self.unsaved.append({"step": self.step - 1, "validation_loss": loss})
        with progress.external_write_mode(file=sys.stdout):
            print(f"\nstep {self.step}: validation loss {loss:.3f}. {self.task.does}:")
            self.task.show(self.model, seed=self.step)
        self.save()

    def save(self) -> None:
        """The log first: a resumed run drops entries beyond the checkpoint, and could not make up for missing ones."""
        entries, self.unsaved = self.unsaved, []
        try:
            self.run.append_log(entries)
        finally:
            save_checkpoint(
                self.run.checkpoint, self.step, self.model, self.optimizer, self.record(), self.task.tokenizer
            )
            self.run.settle()

    def stopped_by(self, error: OSError) -> str:
        """The sentence about an output that takes no more: its reader has closed it, as `head` does, or a disk is full.

        Elsewhere a closed output ends a command quietly; here the work of the steps that are left would be missed.
        """
        closed = isinstance(error, BrokenPipeError)
        what = "the output was closed" if closed else f"{error.filename or 'standard output'}: {error.strerror}"
        return f"{what}: {self._stopped()}"

    def _stopped(self) -> str:
        if not self.run.checkpoint.exists():
            return "stopped before the first save"
        return f"stopped after step {self.step}; go on with: tinygpt train --out {quote(str(self.run.path))} --resume"

    def _too_much_decay(self) -> str:
        """A step multiplies weights by 1 − rate · decay, which makes them grow where the product is above 2."""
        rate, decay = self.options.learning_rate, self.options.weight_decay
        if rate * decay <= 2 or decay < rate:  # else it is the rate that is too large, which is said already
            return ""
        return "; lower --weight-decay, which at this learning rate makes weights grow in every step"

    def _saved(self) -> str:
        there = self.run.checkpoint.exists()
        return f"the last save is in {self.run.path}" if there else "nothing of this run had been saved yet"

    def finish(self) -> None:
        """Prints the loss of the whole held-out text beside the baselines, draws the curve, and shows a sample."""
        self.save()  # before the evaluation, which takes its time
        result = evaluate(self.model, self.task.measure, self.task.whole_validation(), self.task.validation_bytes)
        self.run.append_log([{"step": self.step - 1, "validation_loss": result.loss, "whole": True}])
        self._draw()
        print("\nthe whole held-out text     loss (nats a token)   perplexity   bits per byte")
        for name, evaluation in {**self.task.baselines, self.task.this_model: result}.items():
            print(_row(name, evaluation))
        to_beat, known = list(self.task.baselines.items())[-1]
        print(f"\n{_compared(result, to_beat, known)}{self.task.does}:\n")
        self.task.show(self.model, seed=self.options.seed, at_the_end=True)
        print(*self.task.scores(self.model), sep="\n")
        print(f"\neverything is in {self.run.path}: {', '.join(sorted(p.name for p in self.run.path.iterdir()))}")
        print(self.task.next_command(str(self.run.path)))

    def _draw(self) -> None:
        log = self.run.read_log()
        training = [(e["step"] + 1, e["loss"]) for e in log if "loss" in e]
        validation = [(e["step"] + 1, e["validation_loss"]) for e in log if "validation_loss" in e]
        lines = {name: evaluation.loss for name, evaluation in self.task.baselines.items()}
        title = f"{self.task.data.name}: {self.model.n_params:,} parameters"
        with replacing(self.run.curve) as file:
            file.write(loss_curve(training, validation, lines, title).encode())
        with suppress(MissingExtra):  # without matplotlib: the SVG shows the same
            loss_curve_png(self.run.curve_png, training, validation, lines, title)


def _optimizer(model: Module, o: TrainOptions) -> AdamW:
    return AdamW(
        model.parameters(), o.beta1, o.beta2, weight_decay=o.weight_decay, grad_clip=o.grad_clip,
        dtype=stored_type(o.dtype),
    )  # fmt: skip


def _row(name: str, e: Evaluation) -> str:
    bits = f"{e.bits_per_byte:>15.3f}" if e.n_bytes else f"{'–':>15}"
    return f"{name:<24} {e.loss:>22.3f} {e.perplexity:>12,.1f} {bits}"


def _compared(result: Evaluation, to_beat: str, known: Evaluation) -> str:
    if not known.nats:
        return ""  # a text of one character says nothing, so that there is nothing to divide by
    ratio = result.nats / known.nats
    return f"{abs(1 - ratio):.0%} {'fewer' if ratio < 1 else 'more'} bits than the {to_beat}. "


def _engine(info: dict[str, Any]) -> str:
    return f"{info['library']} ({info['kernel']}, {info['threads']} threads)"
