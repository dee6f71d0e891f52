"""The training loop: a task and settings in, the best model and a state to go on from out.

Everything random is a function of the seed, the epoch and a picture's or step's number, so a run that was stopped and
taken up again ends with the same bits as one that was not (on the CPU, with the same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convolens.errors import ArgumentError, TrainingError
from convolens.models.model_file import BEST
from convolens.training.checkpoint import Checkpoint, Learner, Place, read_checkpoint, write_checkpoint
from convolens.training.distributed import World, joined
from convolens.training.ema import ExponentialMovingAverage
from convolens.training.loader import Minibatch, batch_generator, minibatches, parts_of_epoch
from convolens.training.optimizers import optimizer_for, set_lr
from convolens.training.run_folder import LAST
from convolens.training.run_log import Bar, Journal
from convolens.training.schedules import lr_fraction
from convolens.training.settings import FREE_ON_RESUME, Settings
from convolens.training.speed import multiplies_bfloat16, prepare_for_speed
from convolens.training.stopping import Asked, listening
from convolens.training.task import TrainingTask
from convolens.training.threads import threads_for
from convolens.training.tuning import find_batch, find_lr

EPOCHS = 30  # where neither epochs nor minutes are given


@dataclass(frozen=True)
class Outcome:
    """How a training went.

    Attributes:
        rows: a row of figures for each epoch.
        best: the goal's best value, and `best_epoch` when that was, counted from 1.
        ended_by: `epochs`, `minutes` or `patience`.
        settings: as used, with what was to be found by itself.
    """

    rows: Sequence[Mapping[str, Any]]
    best: float
    best_epoch: int
    ended_by: str
    settings: Settings


def fit(
    task: TrainingTask,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    started: float | None = None,
) -> Outcome:
    """Trains the task's model.

    Args:
        task: what to learn.
        settings: how.
        folder: an existing folder; gets `best.safetensors`, `last.ckpt` and the records (`training.run_log`).
        resume: goes on from the `last.ckpt` there; where there is none yet, from the start.
        progress: shows a bar.
        started: when the work began, by `time.monotonic`: what was read and made before counts for `minutes` too. None:
            now.

    Raises:
        TrainingError: the loss is no longer a number; the message names the batch. The last good state is kept.
        ArgumentError: a run to go on from that was asked for something else.
        FileError: a file cannot be written; what stood there before stands.
    """
    began = time.monotonic() if started is None else started
    device = next(task.model.parameters()).device
    with joined(device) as world, listening() as asked, _own_randomness():
        journal = Journal(folder, leads=world.leads, progress=progress, tensorboard=settings.tensorboard)
        before = read_checkpoint(folder / LAST) if resume and (folder / LAST).exists() else None
        if world.leads and not resume:  # of an earlier run, which a later `resume` would confuse with this one
            (folder / LAST).unlink(missing_ok=True)
        if before:
            _check_same(before, settings, task.facts)
        prepare_for_speed(task.model)
        found = _found(task, settings, before, journal)
        training = _Training(task, settings, found, folder, world, journal, asked)
        if before:
            before.into(training.learner)
            training.place = before.place
        journal.note("resumed" if before else "started", epoch=training.place.epoch, step=training.place.step)
        assert isinstance(found.batch, int)
        with threads_for(task, found.batch):
            outcome = training.run(began)
        del training  # and with it what binds this process to the others; `joined` parts from them
        return outcome


class _Training:
    def __init__(
        self,
        task: TrainingTask,
        asked_for: Settings,
        settings: Settings,
        folder: Path,
        world: World,
        journal: Journal,
        asked: Asked,
    ) -> None:
        self.task, self.asked_for, self.settings, self.folder = task, asked_for, settings, folder
        self.world, self.journal, self.asked = world, journal, asked
        model = task.model
        self.device = next(model.parameters()).device
        optimizer = optimizer_for(
            model,
            task.trainable.layers,
            name=settings.optimizer,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
        )
        self.learner = Learner(
            model, optimizer, ExponentialMovingAverage(model, settings.ema) if settings.ema else None
        )
        self.network = world.around(model)
        self.place = Place()
        self.epochs = settings.epochs or (None if settings.minutes else EPOCHS)
        self.saved_at = self.resumed_at = time.monotonic()
        self.measuring_seconds: float | None = None  # of the last time
        self.step_seconds = 0.0  # of learning from a picture, the mean so far
        if world.size > 1 and _has_live_norms(task):
            journal.note("batch norm statistics are of each process's own pictures", processes=world.size)

    def run(self, began: float) -> Outcome:
        """Epoch after epoch, until there is a reason to end."""
        self.resumed_at = began - self.place.seconds
        with self.journal.bar(self.epochs) as bar:
            while not (reason := self.world.agreed(self._over())):
                self._epoch(bar)
        self._keep()
        self.journal.curves(self.place.rows, self.task.monitored)
        self.world.agreed(None)  # nobody goes on before the first process has written everything
        self.journal.note("ended", by=reason, epochs=self.place.epoch)
        assert self.place.best is not None
        return Outcome(self.place.rows, self.place.best, self.place.best_epoch, reason, self.settings)

    def _over(self) -> str:
        place, patience = self.place, self.settings.patience
        if place.epoch == 0:
            return ""  # something is measured in any case
        if self.epochs is not None and place.epoch >= self.epochs:
            return "epochs"
        if patience and place.epoch - place.best_epoch >= patience:
            return "patience"
        return "minutes" if self._time_is_up() else ""

    def _seconds(self) -> float:
        return time.monotonic() - self.resumed_at

    def _budget(self) -> float:
        """Seconds to learn in; measuring at the end takes its time too.

        How long, is known from the last time. Before the first, a picture is thought to take two thirds of what
        learning from it takes: forward once for what is found, once for the loss.
        """
        minutes, measuring = self.settings.minutes, self.measuring_seconds
        if minutes is None:
            return math.inf
        if measuring is None:
            measuring = self.task.validation_count * self.step_seconds * 2 / 3
        return max(60 * minutes - measuring, 1e-3)

    def _time_is_up(self) -> bool:
        return self._seconds() >= self._budget()

    def _done(self, steps: int) -> float:
        """The share of the training that lies behind."""
        by_steps = (self.place.epoch + self.place.step / steps) / self.epochs if self.epochs else 0.0
        return self.world.agreed(max(by_steps, self._seconds() / self._budget()))

    def _epoch(self, bar: Bar) -> None:
        place, settings = self.place, self.settings
        assert isinstance(settings.batch, int)
        parts = parts_of_epoch(len(self.task.training_set), settings.batch, settings.seed, place.epoch)
        mine = [np.array_split(part, self.world.size)[self.world.rank].tolist() for part in parts]
        self.task.trainable.train(self.task.model)
        start, seen = time.monotonic(), 0
        for minibatch in minibatches(
            self.task.training_set, mine, place.step, settings.seed, place.epoch, settings.workers
        ):
            before, done = time.monotonic(), self._done(len(parts))
            self._set_lr(done)
            self._step(minibatch)
            place.step += 1
            seen += len(parts[minibatch.step])
            self.step_seconds = (time.monotonic() - start) / seen
            bar.step(done, place.epoch, self._loss(), place.best, len(parts[minibatch.step]), time.monotonic() - before)
            self._between_steps()
            if self.world.agreed(self._time_is_up()):
                break
        self._close_epoch(seen / max(time.monotonic() - start, 1e-9))

    def _set_lr(self, done: float) -> None:
        settings = self.settings
        assert not isinstance(settings.lr, str)
        self.place.lr = settings.lr * lr_fraction(settings.schedule, settings.warmup, done)
        set_lr(self.learner.optimizer, self.place.lr)

    def _step(self, minibatch: Minibatch) -> None:
        """One step down the loss of the pictures at hand, in `accumulate` parts."""
        settings, place, task = self.settings, self.place, self.task
        generator = batch_generator(settings.seed, place.epoch, minibatch.step, self.world.rank)
        torch.manual_seed(int(generator.integers(2**62)))  # dropout and the like
        batches = [
            task.objective.prepare(self._moved(part), generator)
            for part in _parts(minibatch.samples, settings.accumulate)
        ]
        counts = self.world.summed(_added([task.objective.counts(batch) for batch in batches]))
        if not batches:
            self._go_without(minibatch)
            return
        self.learner.optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, 1):
            with self.world.quiet(self.network, last=number == len(batches)), self._autocast():
                terms = task.objective.losses(self.network, batch)
                loss = sum(terms[name].float() / max(counts[name], 1.0) for name in terms)
                (loss * self.world.size).backward()  # type: ignore[union-attr]
            for name, term in terms.items():
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + term.detach()
        self._need_finite(sums, minibatch)
        if settings.clip_grad:
            nn.utils.clip_grad_norm_(self.learner.model.parameters(), settings.clip_grad)
        self.learner.optimizer.step()
        if self.learner.ema:
            self.learner.ema.follow(self.learner.model)
        for name in sums:
            place.sums[name] = place.sums.get(name, 0.0) + float(sums[name])
            place.counts[name] = place.counts.get(name, 0.0) + counts[name]

    def _go_without(self, minibatch: Minibatch) -> None:
        """A batch of pictures that cannot be used: one process passes it over, several would wait for one another."""
        if self.world.size > 1:
            raise TrainingError(
                f"batch {minibatch.step + 1}: need pictures for each of {self.world.size} processes, "
                f"got none that can be used for process {self.world.rank}; take a larger batch"
            )

    def _moved(self, examples: Sequence[Any]) -> dict[str, Any]:
        batch = self.task.training_set.collate(examples)
        return {
            name: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in batch.items()
        }

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        wanted = self.settings.precision
        half = wanted == "bfloat16" or (wanted == "auto" and multiplies_bfloat16(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            yield

    def _need_finite(self, sums: Mapping[str, Tensor], minibatch: Minibatch) -> None:
        """Before the step and before anything is kept: batch norms have already taken in what is no number."""
        total = float(sum(sums.values()))
        if math.isfinite(total):
            return
        names = ", ".join(self.task.training_set.name(number) for number in minibatch.numbers[:3])
        more = f", … {len(minibatch.numbers)} in all" if len(minibatch.numbers) > 3 else ""
        where = f"epoch {self.place.epoch + 1}, batch {minibatch.step + 1} ({names}{more})"
        kept = f"; the last good state is in {self.folder / LAST}" if (self.folder / LAST).exists() else ""
        self.journal.note("stopped", why=f"loss {total} in {where}")
        raise TrainingError(f"loss: need a finite number, got {total} in {where}{kept}; a lower lr may help")

    def _loss(self) -> float:
        """Of this epoch so far."""
        return sum(value / max(self.place.counts[name], 1.0) for name, value in self.place.sums.items())

    def _between_steps(self) -> None:
        if self.world.agreed(self.asked.by) is not None:
            self._keep()
            self.journal.curves(self.place.rows, self.task.monitored)
            self.journal.note("stopped", why="asked to", epoch=self.place.epoch, step=self.place.step)
            where = f"step {self.place.step} of epoch {self.place.epoch + 1}"
            self.asked.leave(f"{self.folder}: holds the state after {where}; the same again with --resume goes on")
        if time.monotonic() - self.saved_at >= self.settings.checkpoint_seconds:
            self._keep()

    def _close_epoch(self, speed: float) -> None:
        """Measures, keeps the best, writes the figures; `speed` is of learning, in pictures a second."""
        place, goal = self.place, self.task.monitored
        parts = {f"loss_{name}": value / max(place.counts[name], 1.0) for name, value in place.sums.items()}
        measured = self.world.agreed(self._measure() if self.world.leads else {})
        row = {"epoch": place.epoch + 1, "lr": place.lr, "loss": self._loss(), **parts, **measured}
        place.rows.append(row)
        place.epoch, place.step, place.sums, place.counts = place.epoch + 1, 0, {}, {}
        if place.best is None or measured[goal] > place.best:
            place.best, place.best_epoch = measured[goal], place.epoch
            if self.world.leads:
                self.task.save(self._kept_model(), self.folder / BEST, measured)
        self.journal.rows(place.rows)
        self.journal.note("epoch", seconds=round(self._seconds(), 1), pictures_per_second=round(speed, 2), **row)

    def _measure(self) -> dict[str, float]:
        before = time.monotonic()
        measured = self.task.measure(self._kept_model())
        self.measuring_seconds = time.monotonic() - before
        return measured

    def _kept_model(self) -> nn.Module:
        return self.learner.ema.model if self.learner.ema else self.learner.model

    def _keep(self) -> None:
        """Writes the state to go on from."""
        self.place.seconds = self._seconds()
        if self.world.leads:
            facts = {
                "settings": self.asked_for.to_dict(),
                "found": self.settings.to_dict(),
                "task": self.task.facts,
            }
            write_checkpoint(self.folder / LAST, self.learner, self.place, facts)
        self.saved_at = time.monotonic()


def _check_same(before: Checkpoint, settings: Settings, task: Mapping[str, Any]) -> None:
    """A run that is taken up again must be the same run."""
    then = {**before.facts["settings"], **before.facts["task"]}
    for name, value in {**settings.to_dict(), **task}.items():
        now = list(value) if isinstance(value, tuple) else value
        if name not in FREE_ON_RESUME and then.get(name) != now:
            raise ArgumentError(
                f"resume: need the {name.replace('_', ' ')} of the run in {before.path.parent}, "
                f"{_short(then.get(name))}, got {_short(now)}; start another run in another folder"
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _found(task: TrainingTask, settings: Settings, before: Checkpoint | None, journal: Journal) -> Settings:
    """The settings with what was to be found by itself: from the run before, or now."""
    if before:
        known = before.facts["found"]
        return replace(settings, batch=known["batch"], lr=known["lr"])
    if settings.batch == "auto":
        settings = replace(settings, batch=find_batch(task))
    if settings.lr == "find":
        assert isinstance(settings.batch, int)
        with threads_for(task, settings.batch):
            search = find_lr(task, settings)
        journal.search(search)
        settings = replace(settings, lr=search.lr)
    return settings


def _parts(examples: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """Nearly equal parts, none empty."""
    edges = np.linspace(0, len(examples), min(count, len(examples)) + 1).round().astype(int)
    return [examples[start:end] for start, end in pairwise(edges)]


def _added(several: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = several[0] if several else {}
    return {name: sum(one[name] for one in several) for name in names}


def _has_live_norms(task: TrainingTask) -> bool:
    task.trainable.train(task.model)
    return any(isinstance(layer, nn.BatchNorm2d) and layer.training for layer in task.model.modules())


@contextmanager
def _own_randomness() -> Iterator[None]:
    """The caller's random numbers go on afterwards as if nothing had been."""
    with torch.random.fork_rng():
        yield
