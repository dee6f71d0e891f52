"""The walk through the scales, coarse to fine."""

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

from convolens.arrays import keeping
from convolens.errors import ArgumentError
from convolens.stylization.goal import Goal
from convolens.stylization.memory import GIGABYTE, READY_SHARE, Room
from convolens.stylization.optimizers import Adam, Lbfgs, Optimizer, Taken, averaged, walk
from convolens.stylization.pictures import noise, resized
from convolens.stylization.progress import State, Step

COARSER_STEPS = 2  # a scale takes this many times the steps of the next finer one, at a quarter of the cost each
Size = tuple[int, int]
INITS = ("content", "noise", "style")
OPTIMIZERS = ("lbfgs", "adam")


@dataclass(frozen=True)
class Plan:
    """The scales' sizes, coarse to fine, with the steps at each; how, and from what."""

    sizes: Sequence[Size]
    steps: Sequence[int]
    optimizer: str
    init: str | Tensor
    seed: int


def plan_steps(steps: int | Sequence[int], scales: int) -> list[int]:
    """The steps at each scale, coarse to fine.

    >>> plan_steps(50, 3), plan_steps([5, 2], 2)
    ([200, 100, 50], [5, 2])
    """
    if isinstance(steps, int):
        counts = [steps * COARSER_STEPS**number for number in reversed(range(scales))]
    else:
        counts = list(steps)
    if len(counts) != scales or any(count < 0 for count in counts):
        raise ArgumentError(f"steps: need a number of at least 0, or one for each of the {scales} scales, got {steps}")
    return counts


def run(
    goal: Goal,
    plan: Plan,
    resume: State | None,
    on_step: Callable[[Step], object] | None,
    restore: Callable[[Tensor], Any],
) -> Tensor:
    """The result at the finest scale, `(1, 3, H, W)` in [0, 1]."""
    reporter = _Reporter(plan, resume, on_step, restore)
    picture: Tensor | None = None
    for scale in range(resume.scale if resume else 0, len(plan.sizes)):
        done = 0
        if resume is not None and scale == resume.scale:
            picture, done = _resumed(goal, plan, resume), resume.step
        else:
            picture = _start(goal, plan, scale, picture)
        room = goal.room(plan.sizes[scale])
        with keeping(int(goal.memory * GIGABYTE * READY_SHARE)) if room.note else nullcontext():
            picture = _one_scale(goal, plan, scale, picture, done, room, reporter)
    assert picture is not None
    return picture


def _one_scale(
    goal: Goal, plan: Plan, scale: int, picture: Tensor, done: int, room: Room, reporter: _Reporter
) -> Tensor:
    """The picture after a scale's steps: the best, or the average of the last where its loss is less."""
    size, steps = plan.sizes[scale], plan.steps[scale] - done
    if steps <= 0:
        return picture
    reporter.tell(room.note)
    objective = goal.objective(size, room)
    best, least, mean = picture, float("inf"), None
    for count, taken in enumerate(walk(picture, objective, _optimizer(plan, room), steps), 1):
        mean = averaged(mean, taken.picture, count)
        if taken.evaluation.loss <= least:
            best, least = taken.picture, taken.evaluation.loss
        reporter.report(scale, done + count, taken, best)
    return mean if mean is not None and objective(mean).loss < least else best


def _optimizer(plan: Plan, room: Room) -> Optimizer:
    return Lbfgs(room.history) if plan.optimizer == "lbfgs" else Adam()


def _start(goal: Goal, plan: Plan, scale: int, below: Tensor | None) -> Tensor:
    """Where a scale begins: the content with what the scale below changed of it; the coarsest at `init`."""
    size = plan.sizes[scale]
    if below is None:
        return goal.like_trunk(_initial(goal, plan, size))
    content = goal.content_at(size)
    if content is None:
        return resized(below, size)
    coarse = goal.content_at(plan.sizes[scale - 1])
    assert coarse is not None
    return (content + enlarged(below - coarse, size)).clamp_(0, 1)


def enlarged(change: Tensor, size: Size) -> Tensor:
    """A change of either sign at a larger size."""
    return torch.nn.functional.interpolate(change, size, mode="bicubic", align_corners=False)


def _initial(goal: Goal, plan: Plan, size: Size) -> Tensor:
    if isinstance(plan.init, Tensor):
        return resized(plan.init, size)
    if plan.init == "noise":
        return noise(size, plan.seed)
    source = goal.content if plan.init == "content" else goal.styles[0] if goal.styles else None
    if source is None:
        raise ArgumentError(f"init: need a {plan.init} to start from, got none; use 'noise'")
    return resized(source, size)


def _resumed(goal: Goal, plan: Plan, state: State) -> Tensor:
    picture = torch.from_numpy(np.asarray(state.picture))[None]
    if state.scale >= len(plan.sizes) or tuple(picture.shape[2:]) != tuple(plan.sizes[state.scale]):
        raise ArgumentError("resume: need the state of a run with the same content, size and scales, got another's")
    return goal.like_trunk(picture)


class _Reporter:
    """Counts steps and pixels done, and hands each step on."""

    def __init__(
        self,
        plan: Plan,
        resume: State | None,
        on_step: Callable[[Step], object] | None,
        restore: Callable[[Tensor], Any],
    ) -> None:
        self.plan, self.on_step, self.restore = plan, on_step, restore
        self.started = time.monotonic()
        self.note = ""
        self.before = self._work(resume.scale, resume.step) if resume else 0

    def tell(self, note: str) -> None:
        """Something for the next step to say."""
        self.note = "; ".join(filter(None, [self.note, note]))

    def report(self, scale: int, step: int, taken: Taken, best: Tensor) -> None:
        """One step done."""
        if taken.note:
            warnings.warn(f"stylize: {taken.note}", RuntimeWarning, stacklevel=5)
        self.tell(taken.note)
        note, self.note = self.note, ""
        if self.on_step is None:
            return
        seconds, done = time.monotonic() - self.started, self._work(scale, step)
        left = seconds * (self._work(len(self.plan.sizes), 0) - done) / max(done - self.before, 1)
        self.on_step(
            Step(
                number=sum(self.plan.steps[:scale]) + step,
                total=sum(self.plan.steps),
                size=self.plan.sizes[scale],
                loss=taken.evaluation.loss,
                losses=taken.evaluation.parts,
                seconds=seconds,
                seconds_left=left,
                note=note,
                _picture=lambda: self.restore(best),
                _state=lambda: State(scale, step, best[0].float().cpu().numpy()),
            )
        )

    def _work(self, scale: int, step: int) -> int:
        """Pixels gone through until then."""
        whole = zip(self.plan.sizes[:scale], self.plan.steps[:scale], strict=True)
        begun = self.plan.sizes[scale][0] * self.plan.sizes[scale][1] * step if scale < len(self.plan.sizes) else 0
        return begun + sum(height * width * steps for (height, width), steps in whole)
