"""The training loop: a task and settings in, the best model and a state to resume from out.

Everything random is a function of the seed, the epoch and a picture's or step's number, so a run that was stopped and
resumed ends with the same bits as one that was not (on the CPU, with the same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convolens.distributed import World, joined
from convolens.errors import ArgumentError, DataError, TrainingError
from convolens.media.result_folders import BEST, LAST
from convolens.stopping import StopRequest, stop_requests
from convolens.training.checkpoint import Checkpoint, Learner, Progress, read_checkpoint, write_checkpoint
from convolens.training.ema import ExponentialMovingAverage
from convolens.training.loader import Minibatch, batch_generator, minibatches, parts_of_epoch
from convolens.training.optimizers import moving_parameters, set_lr
from convolens.training.order import shards_of
from convolens.training.pace import FORECAST_STEPS, Pace, duration, forecast
from convolens.training.run_log import Bar, RunLog
from convolens.training.schedules import lr_fraction
from convolens.training.settings import FREE_ON_RESUME, Settings
from convolens.training.speed import multiplies_bfloat16, prepare_for_speed
from convolens.training.sync_norm import synchronized
from convolens.training.task import TrainingTask, least_batch
from convolens.training.threads import threads_for
from convolens.training.tuning import find_batch, find_lr

Listener = Callable[[Mapping[str, Any]], object]
EPOCHS = 30  # where neither epochs nor minutes are given
VALIDATION_LOSS = "validation_loss"  # of equally good epochs the one with less is kept
_NEW = {"sync_norm": False}  # settings that states of earlier versions do not name, as they were then


@dataclass(frozen=True)
class Outcome:
    """How a training went.

    Attributes:
        rows: a row of metrics for each epoch.
        best: the best value of the monitored metric, and `best_epoch` when that was, counted from 1.
        ended_by: `epochs`, `minutes` or `patience`.
        settings: as used, with what was tuned.
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
    on_epoch: Listener | None = None,
    on_step: Listener | None = None,
) -> Outcome:
    """Trains the task's model.

    Args:
        task: what to train.
        settings: how.
        folder: an existing folder; gets `best.safetensors`, `last.ckpt` and what `training.run_log` writes.
        resume: resumes from the `last.ckpt` there; where there is none yet, it starts.
        progress: shows a bar.
        started: when the work began, by `time.monotonic`: what was read and made before counts for `minutes` too. None:
            now.
        on_epoch: is called after each epoch with its row of metrics; False ends the training as Ctrl-C does.
        on_step: is called after each step with `epoch step loss lr`; False likewise.

    Raises:
        TrainingError: the loss is no longer a number; the message names the batch. The last good state stays.
        ArgumentError: a run to resume for which something else was requested.
        FileError: a file cannot be written; an earlier file stays.
    """
    began = time.monotonic() if started is None else started
    device = next(task.model.parameters()).device
    with joined(device) as world, stop_requests("all that was learned so far") as stop, _own_randomness():
        run_log = RunLog(folder, leads=world.leads, progress=progress, tensorboard=settings.tensorboard)
        before = read_checkpoint(folder / LAST) if resume and (folder / LAST).exists() else None
        if world.leads and not resume:  # of an earlier run, which a later `resume` would confuse with this one
            (folder / LAST).unlink(missing_ok=True)
        if before:
            _check_same(before, settings, task.facts)
        prepare_for_speed(task.model)
        tuned = _tuned(task, settings, before, run_log, world)
        assert isinstance(tuned.batch, int)
        with synchronized(task.model, world.size if settings.sync_norm else 1), threads_for(task, tuned.batch):
            training = _Training(task, settings, tuned, folder, world, run_log, stop)
            training.listeners = (on_epoch, on_step)
            if before:
                before.into(training.learner)
                training.progress = before.progress
            run_log.note("resumed" if before else "started", epoch=training.progress.epoch, step=training.progress.step)
            outcome = training.run(began)
            del training  # and with it what binds this process to the others; `joined` leaves them
        return outcome


class _Training:
    def __init__(
        self,
        task: TrainingTask,
        requested: Settings,
        settings: Settings,
        folder: Path,
        world: World,
        run_log: RunLog,
        stop: StopRequest,
    ) -> None:
        self.task, self.requested, self.settings, self.folder = task, requested, settings, folder
        self.world, self.log, self.stop = world, run_log, stop
        model = task.model
        self.device = next(model.parameters()).device
        self.learner = Learner(
            model,
            settings.make_optimizer(model, task.trainable.layers),
            list(chain.from_iterable(moving_parameters(model, task.trainable.layers))),
            ExponentialMovingAverage(model, settings.ema) if settings.ema else None,
        )
        self.network = world.wrapped(model)
        self.progress = Progress()
        self.epochs = settings.epochs or (None if settings.minutes else EPOCHS)
        self.saved_at = self.resumed_at = time.monotonic()
        self.measuring_seconds: float | None = None  # of the last time
        self.pace, self.forecast_made = Pace(), False
        self.listeners: tuple[Listener | None, Listener | None] = (None, None)  # of epochs, and of steps
        self.least = _least(task, settings, world.size)  # of pictures at once, in each process
        if world.size > 1 and self.least > 1:
            run_log.note("batch norm statistics are of each process's own pictures", processes=world.size)

    def run(self, began: float) -> Outcome:
        """Epoch after epoch, until there is a reason to end."""
        self.resumed_at = began - self.progress.seconds
        with self.log.bar(self.epochs) as bar:
            self._tell_what_is_merged(bar)
            while not (reason := self.world.broadcast(self._over())):
                self._epoch(bar)
                self._tell(0, self.progress.rows[-1])
                if self.world.broadcast(self.stop.by) is not None:
                    self._between_steps()
        self._write_state()
        self.log.curves(self.progress.rows, self.task.monitored)
        self.world.broadcast(None)  # nobody continues before the first process has written everything
        self.log.note("ended", by=reason, epochs=self.progress.epoch)
        assert self.progress.best is not None
        return Outcome(self.progress.rows, self.progress.best, self.progress.best_epoch, reason, self.settings)

    def _over(self) -> str:
        progress, patience = self.progress, self.settings.patience
        if progress.epoch == 0:
            return ""  # something is measured in any case
        if self.epochs is not None and progress.epoch >= self.epochs:
            return "epochs"
        if patience and progress.epoch - progress.best_epoch >= patience:
            return "patience"
        return "minutes" if self._time_is_up() else ""

    def _seconds(self) -> float:
        return time.monotonic() - self.resumed_at

    def _budget(self) -> float:
        """Seconds for steps; measuring at the end takes its time too.

        How long, is known from the last time, or else estimated from the pace of the steps.
        """
        minutes, measuring = self.settings.minutes, self.measuring_seconds
        if minutes is None:
            return math.inf
        if measuring is None:
            measuring = self.pace.measuring(self.task.validation_count)
        return max(60 * minutes - measuring, 1e-3)

    def _time_is_up(self) -> bool:
        return self._seconds() >= self._budget()

    def _done(self, steps: int) -> float:
        """The fraction of the training that is done."""
        by_steps = (self.progress.epoch + self.progress.step / steps) / self.epochs if self.epochs else 0.0
        return self.world.broadcast(max(by_steps, self._seconds() / self._budget()))

    def _epoch(self, bar: Bar) -> None:
        progress, settings = self.progress, self.settings
        assert isinstance(settings.batch, int)
        pictures, least = self.task.training_set, self.least * self.world.size
        parts = parts_of_epoch(len(pictures), settings.batch, settings.seed, progress.epoch, least, shards_of(pictures))
        mine = [np.array_split(part, self.world.size)[self.world.rank].tolist() for part in parts]
        self.task.trainable.train(self.task.model)
        self.pace = Pace()
        for minibatch in minibatches(pictures, mine, progress.step, settings.seed, progress.epoch, settings.workers):
            before, done, seen = time.monotonic(), self._done(len(parts)), len(parts[minibatch.step])
            self._set_lr(done)
            usable = self.world.smallest(len(minibatch.samples))
            if usable >= self.least:
                self._step(minibatch, min(settings.accumulate, usable // self.least))
            elif usable or self.world.size > 1:  # of all pictures that cannot be used, each is told
                self._tell_what_is_dropped(bar, minibatch, usable)
            progress.step += 1
            self.pace.step(seen)
            bar.step(
                done, progress.epoch, self._loss(), progress.best, len(parts[minibatch.step]), time.monotonic() - before
            )
            self._tell(1, {"epoch": progress.epoch + 1, "step": progress.step, "loss": self._loss(), "lr": progress.lr})
            self._between_steps()
            if self.pace.steps == min(FORECAST_STEPS, len(parts)):
                self._forecast(bar)
            if self.world.broadcast(self._time_is_up()):
                break
        self._close_epoch()

    def _tell_what_is_merged(self, bar: Bar) -> None:
        """Says that steps are larger than was requested, where the last of an epoch would have too few pictures."""
        count, batch, least = len(self.task.training_set), self.settings.batch, self.least * self.world.size
        assert isinstance(batch, int)
        sizes = [len(part) for part in parts_of_epoch(count, batch, 0, 0, least)]
        if max(sizes) > batch:
            self.log.note("last batch merged", pictures=count, batch=batch, largest=max(sizes))
            bar.say(
                f"{count} pictures in batches of {batch} leave too few for the batch norms in the last: "
                f"it is merged, batches have up to {max(sizes)}"
            )

    def _tell_what_is_dropped(self, bar: Bar, minibatch: Minibatch, usable: int) -> None:
        """Says that the few pictures of a batch that can be used are not trained on this time, in no process."""
        facts = {"epoch": self.progress.epoch + 1, "step": minibatch.step + 1}
        self.log.note("batch dropped", usable=usable, of=len(minibatch.numbers), **facts)
        whose = f" for one of {self.world.size} processes" if self.world.size > 1 else ""
        count = "one picture" if usable == 1 else f"{usable} pictures"
        why = "for the batch norms" if self.least > 1 else "for a step"
        bar.say(f"batch {minibatch.step + 1}: {count} can be used{whose}, too few {why}; dropped this time")

    def _forecast(self, bar: Bar) -> None:
        """Says, early in a run, how far it will come in its minutes, or how long its epochs take."""
        minutes, pictures = self.settings.minutes, len(self.task.training_set)
        if self.forecast_made:
            return
        self.forecast_made = True
        if minutes is None:
            assert self.epochs is not None
            rest = self.epochs - self.progress.epoch
            seconds = rest / self.pace.epochs_in(1.0, pictures, self.task.validation_count)
            self.log.note("forecast", seconds=round(seconds), pictures=pictures)
            bar.say(duration(rest, pictures, seconds))
            return
        left = max(60 * minutes - self._seconds(), 0.0)
        epochs = self.progress.epoch + self.pace.epochs_in(left, pictures, self.task.validation_count)
        self.log.note("forecast", epochs=round(epochs, 2), pictures=pictures)
        bar.say(forecast(epochs, pictures, minutes, self.epochs))

    def _set_lr(self, done: float) -> None:
        settings = self.settings
        assert not isinstance(settings.lr, str)
        self.progress.lr = settings.lr * lr_fraction(settings.schedule, settings.warmup, done)
        set_lr(self.learner.optimizer, self.progress.lr)

    def _step(self, minibatch: Minibatch, parts: int) -> None:
        """One step down the loss of the pictures at hand, in so many parts, as many in each process."""
        settings, progress, task = self.settings, self.progress, self.task
        generator = batch_generator(settings.seed, progress.epoch, minibatch.step, self.world.rank)
        torch.manual_seed(int(generator.integers(2**62)))  # dropout and the like
        batches = [task.objective.prepare(self._moved(part), generator) for part in _parts(minibatch.samples, parts)]
        counts = self.world.summed_up(_added([task.objective.counts(batch) for batch in batches]))
        self.learner.optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, 1):
            with self.world.without_sync(self.network, last=number == len(batches)), self._autocast():
                terms = task.objective.losses(self.network, batch)
                loss = sum(terms[name].float() / max(counts[name], 1.0) for name in terms)
                (loss * self.world.size).backward()  # type: ignore[union-attr]
            for name, term in terms.items():
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + term.detach()
        totals = self.world.summed_up({name: float(value) for name, value in sums.items()})
        self._need_finite(totals, minibatch)
        if settings.clip_grad:
            nn.utils.clip_grad_norm_(self.learner.model.parameters(), settings.clip_grad)
        self.learner.optimizer.step()
        if self.learner.ema:
            self.learner.ema.follow(self.learner.model)
        for name, total in totals.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + total
            progress.counts[name] = progress.counts.get(name, 0.0) + counts[name]

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

    def _need_finite(self, sums: Mapping[str, float], minibatch: Minibatch) -> None:
        """Stops before the step, and before anything is saved: batch norms have already taken in what is no number."""
        total = sum(sums.values())
        if math.isfinite(total):
            return
        names = ", ".join(self.task.training_set.name(number) for number in minibatch.numbers[:3])
        more = f", … {len(minibatch.numbers)} in all" if len(minibatch.numbers) > 3 else ""
        where = f"epoch {self.progress.epoch + 1}, batch {minibatch.step + 1} ({names}{more})"
        kept = f"; the last good state is in {self.folder / LAST}" if (self.folder / LAST).exists() else ""
        self.log.note("stopped", why=f"loss {total} in {where}")
        raise TrainingError(f"loss: need a finite number, got {total} in {where}{kept}; a lower lr may help")

    def _loss(self) -> float:
        """The loss of this epoch so far."""
        return sum(value / max(self.progress.counts[name], 1.0) for name, value in self.progress.sums.items())

    def _tell(self, which: int, facts: Mapping[str, Any]) -> None:
        """Tells a listener, of several processes in the first; False ends the training as Ctrl-C does."""
        listener = self.listeners[which]
        if listener is not None and self.world.leads and listener(dict(facts)) is False:
            self.stop.by = SIGINT

    def _between_steps(self) -> None:
        if self.world.broadcast(self.stop.by) is not None:
            self._write_state()
            self.log.curves(self.progress.rows, self.task.monitored)
            self.log.note("stopped", why="asked to", epoch=self.progress.epoch, step=self.progress.step)
            where = f"step {self.progress.step} of epoch {self.progress.epoch + 1}"
            self.stop.end(f"{self.folder}: holds the state after {where}; the same command with --resume resumes it")
        if time.monotonic() - self.saved_at >= self.settings.checkpoint_seconds:
            self._write_state()

    def _close_epoch(self) -> None:
        """Measures, saves the best model, writes the metrics."""
        progress, monitored = self.progress, self.task.monitored
        parts = {f"loss_{name}": value / max(progress.counts[name], 1.0) for name, value in progress.sums.items()}
        measured = self.world.broadcast(self._measure())
        row = {"epoch": progress.epoch + 1, "lr": progress.lr, "loss": self._loss(), **parts, **measured}
        progress.rows.append(row)
        progress.epoch, progress.step, progress.sums, progress.counts = progress.epoch + 1, 0, {}, {}
        if self._is_better(row):
            progress.best, progress.best_epoch = measured[monitored], progress.epoch
            if self.world.leads:
                self.task.save(self._saved_model(), self.folder / BEST, measured)
        self.log.rows(progress.rows)
        self.log.note("epoch", seconds=round(self._seconds(), 1), pictures_per_second=round(self.pace.speed, 2), **row)

    def _is_better(self, row: Mapping[str, Any]) -> bool:
        """Whether an epoch's model is the best so far by the metric, and of equals by the loss on the validation set.

        Among few pictures many epochs have all of them right, and the first of these is much less sure than the last.
        """
        progress, now = self.progress, row[self.task.monitored]
        if progress.best is None or now != progress.best:
            return progress.best is None or now > progress.best
        before = progress.rows[progress.best_epoch - 1]
        return bool(row.get(VALIDATION_LOSS, np.inf) < before.get(VALIDATION_LOSS, np.inf))

    def _measure(self) -> dict[str, float]:
        before, model = time.monotonic(), self._saved_model()
        self.world.share_buffers(model)  # each process measures its part, and all of them the same model
        measured = self.task.measure(model)
        self.measuring_seconds = time.monotonic() - before
        return measured

    def _saved_model(self) -> nn.Module:
        return self.learner.ema.model if self.learner.ema else self.learner.model

    def _write_state(self) -> None:
        """Writes the state to resume from."""
        self.progress.seconds = self._seconds()
        if self.world.leads:
            facts = {
                "settings": self.requested.to_dict(),
                "found": self.settings.to_dict(),
                "task": self.task.facts,
            }
            write_checkpoint(self.folder / LAST, self.learner, self.progress, facts)
        self.saved_at = time.monotonic()


def _check_same(before: Checkpoint, settings: Settings, task: Mapping[str, Any]) -> None:
    """Refuses to resume a run of something else."""
    then = {**_NEW, **before.facts["settings"], **before.facts["task"]}
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


def _tuned(
    task: TrainingTask, settings: Settings, before: Checkpoint | None, run_log: RunLog, world: World
) -> Settings:
    """The settings with batch and learning rate as they were tuned: by the run before, or now."""
    if before:
        known = before.facts["found"]
        return replace(settings, batch=known["batch"], lr=known["lr"])
    if settings.batch == "auto":
        settings = replace(settings, batch=world.smallest(find_batch(task)))
    _need_enough(task, settings, world.size)
    if settings.lr == "find":
        assert isinstance(settings.batch, int)
        with threads_for(task, settings.batch):
            search = world.broadcast(find_lr(task, settings))
        run_log.search(search)
        settings = replace(settings, lr=search.lr)
    return settings


def _need_enough(task: TrainingTask, settings: Settings, processes: int) -> None:
    """Raises where each batch would have a single picture under batch norms that are trained."""
    least, batch, accumulate = _least(task, settings, processes) * processes, settings.batch, settings.accumulate
    assert isinstance(batch, int)
    if least == processes:
        return
    if len(task.training_set) < least:
        raise DataError(f"data: need {least} pictures or more to train batch norms on, got {len(task.training_set)}")
    if batch < least * accumulate:
        parts = " times ".join(f"{number} {name}" for number, name in (
            (accumulate, "parts to accumulate"), (processes, "processes")) if number > 1)  # fmt: skip
        raise ArgumentError(
            f"batch: need {least * accumulate} or more where batch norms are trained, which have no variance of one "
            f"picture{f' ({parts})' if parts else ''}, got {batch}; or train the head alone, or a trunk without norms"
        )


def _least(task: TrainingTask, settings: Settings, processes: int) -> int:
    """The fewest pictures that each process needs at once: where statistics are of all, one is enough."""
    return 1 if settings.sync_norm and processes > 1 else least_batch(task)


def _parts(examples: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """Cuts examples into so many nearly equal parts."""
    edges = np.linspace(0, len(examples), count + 1).round().astype(int)
    return [examples[start:end] for start, end in pairwise(edges)]


def _added(several: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = several[0] if several else {}
    return {name: sum(one[name] for one in several) for name in names}


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Leaves the caller's random numbers afterwards as if nothing had been drawn."""
    with torch.random.fork_rng():
        yield
