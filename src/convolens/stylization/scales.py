"""The scales, coarse to fine: each starts from what the one before changed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convolens.arrays import as_whole, keeping
from convolens.errors import ArgumentError
from convolens.stylization.memory import GIGABYTE, POOL_FRACTION, MemoryPlan
from convolens.stylization.optimizers import Adam, Iterate, Lbfgs, Optimizer, averaged, optimize
from convolens.stylization.pictures import noise, resized
from convolens.stylization.progress import State, Step
from convolens.stylization.target import Target

COARSER_STEPS = 2  # a scale takes this many times the steps of the next finer one, at a quarter of the cost each
Size = tuple[int, int]
INITS = ("content", "noise", "style")
OPTIMIZERS = ("lbfgs", "adam")


@dataclass(frozen=True)
class Schedule:
    """The scales' sizes, coarse to fine, with the steps at each; the optimizer, and what it starts from."""

    sizes: Sequence[Size]
    steps: Sequence[int]
    optimizer: str
    init: str | Tensor
    seed: int


def steps_by_scale(steps: int | Sequence[int], scales: int) -> list[int]:
    """The steps at each scale, coarse to fine.

    >>> steps_by_scale(50, 3), steps_by_scale([5, 2], 2)
    ([200, 100, 50], [5, 2])
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        steps = as_whole(steps, "steps", 0)
        counts = [steps * COARSER_STEPS**number for number in reversed(range(scales))]
    else:
        counts = [as_whole(count, "steps", 0) for count in steps]
    if len(counts) != scales:
        raise ArgumentError(f"steps: need a number of at least 0, or one for each of the {scales} scales, got {steps}")
    return counts


def run(
    target: Target,
    schedule: Schedule,
    resume: State | None,
    on_step: Callable[[Step], object] | None,
    restore: Callable[[Tensor], Any],
) -> Tensor:
    """The result at the finest scale, `(1, 3, H, W)` in [0, 1]."""
    reporter = _Reporter(schedule, resume, on_step, restore)
    picture: Tensor | None = None
    for scale in range(resume.scale if resume else 0, len(schedule.sizes)):
        done = 0
        if resume is not None and scale == resume.scale:
            picture, done = _resumed(target, schedule, resume), resume.step
        else:
            picture = _start(target, schedule, scale, picture)
        memory = target.memory_plan(schedule.sizes[scale])
        with keeping(int(target.memory * GIGABYTE * POOL_FRACTION)) if memory.note else nullcontext():
            picture = _one_scale(target, schedule, scale, picture, done, memory, reporter)
    assert picture is not None
    return picture


def _one_scale(
    target: Target, schedule: Schedule, scale: int, picture: Tensor, done: int, memory: MemoryPlan, reporter: _Reporter
) -> Tensor:
    """The picture after a scale's steps: the best, or the running average where its loss is lower."""
    size, steps = schedule.sizes[scale], schedule.steps[scale] - done
    if steps <= 0:
        return picture
    reporter.tell(memory.note)
    objective = target.objective(size, memory.tiling)
    best, lowest, mean = picture, float("inf"), None
    for count, iterate in enumerate(optimize(picture, objective, _optimizer(schedule, memory), steps), 1):
        mean = averaged(mean, iterate.picture, count)
        if iterate.evaluation.loss <= lowest:
            best, lowest = iterate.picture, iterate.evaluation.loss
        reporter.report(scale, done + count, iterate, best)
    return mean if mean is not None and objective(mean).loss < lowest else best


def _optimizer(schedule: Schedule, memory: MemoryPlan) -> Optimizer:
    return Lbfgs(memory.history) if schedule.optimizer == "lbfgs" else Adam()


def _start(target: Target, schedule: Schedule, scale: int, below: Tensor | None) -> Tensor:
    """What a scale starts from: the content with what the coarser scale changed of it; for the coarsest, `init`."""
    size = schedule.sizes[scale]
    if below is None:
        return target.like_trunk(_initial(target, schedule, size))
    content = target.content_at(size)
    if content is None:
        return resized(below, size)
    coarse = target.content_at(schedule.sizes[scale - 1])
    assert coarse is not None
    return (content + enlarged(below - coarse, size)).clamp_(0, 1)


def enlarged(change: Tensor, size: Size) -> Tensor:
    """A change of either sign at a larger size."""
    return torch.nn.functional.interpolate(change, size, mode="bicubic", align_corners=False)


def _initial(target: Target, schedule: Schedule, size: Size) -> Tensor:
    if isinstance(schedule.init, Tensor):
        return resized(schedule.init, size)
    if schedule.init == "noise":
        return noise(size, schedule.seed)
    source = target.content if schedule.init == "content" else target.styles[0] if target.styles else None
    if source is None:
        raise ArgumentError(f"init: need a {schedule.init} to start from, got none; use 'noise'")
    return resized(source, size)


def _resumed(target: Target, schedule: Schedule, state: State) -> Tensor:
    picture = torch.from_numpy(np.asarray(state.picture))[None]
    if state.scale >= len(schedule.sizes) or tuple(picture.shape[2:]) != tuple(schedule.sizes[state.scale]):
        raise ArgumentError("resume: need the state of a run with the same content, size and scales, got another's")
    return target.like_trunk(picture)


class _Reporter:
    """Counts steps and pixels done, and reports each step."""

    def __init__(
        self,
        schedule: Schedule,
        resume: State | None,
        on_step: Callable[[Step], object] | None,
        restore: Callable[[Tensor], Any],
    ) -> None:
        self.schedule, self.on_step, self.restore = schedule, on_step, restore
        self.started = time.monotonic()
        self.note = ""
        self.before = self._work(resume.scale, resume.step) if resume else 0

    def tell(self, note: str) -> None:
        """A note for the next step."""
        self.note = "; ".join(filter(None, [self.note, note]))

    def report(self, scale: int, step: int, iterate: Iterate, best: Tensor) -> None:
        """Reports a step."""
        if iterate.note:
            warnings.warn(f"stylize: {iterate.note}", RuntimeWarning, stacklevel=5)
        self.tell(iterate.note)
        note, self.note = self.note, ""
        if self.on_step is None:
            return
        seconds, done = time.monotonic() - self.started, self._work(scale, step)
        left = seconds * (self._work(len(self.schedule.sizes), 0) - done) / max(done - self.before, 1)
        self.on_step(
            Step(
                number=sum(self.schedule.steps[:scale]) + step,
                total=sum(self.schedule.steps),
                size=self.schedule.sizes[scale],
                loss=iterate.evaluation.loss,
                losses=iterate.evaluation.parts,
                seconds=seconds,
                seconds_left=left,
                note=note,
                _picture=lambda: self.restore(best),
                _state=lambda: State(scale, step, best[0].float().cpu().numpy()),
            )
        )

    def _work(self, scale: int, step: int) -> int:
        """Pixels times steps done until then."""
        sizes, steps = self.schedule.sizes[: scale + 1], [*self.schedule.steps[:scale], step]
        return sum(height * width * count for (height, width), count in zip(sizes, steps, strict=False))
