"""What a training tunes by itself: a batch that memory has room for, and a learning rate.

The learning rate is found as by Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section
3.3: let it grow step by step, watch where the loss is least, and stay well below. The weights are put back afterwards.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convolens.errors import DataError
from convolens.free_memory import free_bytes
from convolens.training.loader import Minibatch, batch_generator, minibatches, parts_of_epoch
from convolens.training.optimizers import set_lr
from convolens.training.order import shards_of
from convolens.training.settings import Settings
from convolens.training.task import Batch, TrainingTask, least_batch

LARGEST_BATCH = 64  # more helps no small data set, and larger steps want another rate
LEAST_STEPS = 8  # of an epoch
MEMORY_FRACTION = 0.5  # of what is free, for saved activations; scratch and the optimizer take more

LOWEST_LR, HIGHEST_LR, LR_STEPS = 1e-6, 1.0, 80
SMOOTHING = 0.9
BELOW_THE_BEST = 0.1
GIVE_UP = 4.0  # times the least loss: it has diverged


@dataclass(frozen=True)
class LearningRateSearch:
    """The learning rates that were tried, the smoothed loss at each, and the one to take."""

    lrs: Sequence[float]
    losses: Sequence[float]
    lr: float


def find_lr(task: TrainingTask, settings: Settings) -> LearningRateSearch:
    """Tries 80 learning rates from 1e-6 to 1, and takes a tenth of the one at which the loss is least.

    Raises:
        DataError: none of the pictures can be used.
    """
    before = copy.deepcopy(task.model.state_dict())
    optimizer = settings.make_optimizer(task.model, task.trainable.layers)
    task.trainable.train(task.model)
    lrs = np.geomspace(LOWEST_LR, HIGHEST_LR, LR_STEPS).tolist()
    losses: list[float] = []
    smooth = 0.0
    for number, (lr, batch) in enumerate(zip(lrs, _endless(task, settings), strict=False), 1):
        set_lr(optimizer, lr)
        optimizer.zero_grad()
        loss = _loss(task, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * float(loss.detach())
        losses.append(smooth / (1 - SMOOTHING**number))  # without the pull of the first value's zero
        if not math.isfinite(losses[-1]) or losses[-1] > GIVE_UP * min(losses):
            break
    task.model.load_state_dict(before)
    if not losses:
        raise DataError("lr: need pictures to find it with, got none that can be used")
    return LearningRateSearch(lrs[: len(losses)], losses, _safe(lrs, losses))


def find_batch(task: TrainingTask) -> int:
    """Returns the largest power of two that memory has room for, at most 64 or an eighth of the pictures.

    What a picture needs is measured: the bytes of the activations that are saved for backward.
    """
    room = _free_bytes(next(task.model.parameters()).device) * MEMORY_FRACTION
    most = min(LARGEST_BATCH, max(len(task.training_set) // LEAST_STEPS, 2), room // max(_bytes_a_picture(task), 1))
    return int(2 ** math.floor(math.log2(max(most, least_batch(task)))))


def _safe(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """Stays a tenth below the learning rate at which the loss is least: the edge of what still works is too near."""
    return lrs[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))] * BELOW_THE_BEST


def _endless(task: TrainingTask, settings: Settings) -> Iterator[Batch]:
    """Yields batches as in training, epoch after epoch, each once."""
    assert isinstance(settings.batch, int)
    least = least_batch(task)
    for epoch in range(LR_STEPS):
        pictures = task.training_set
        parts = parts_of_epoch(len(pictures), settings.batch, settings.seed, epoch, least, shards_of(pictures))
        for minibatch in minibatches(task.training_set, parts, 0, settings.seed, epoch, settings.workers):
            if len(minibatch.samples) >= least:
                yield _prepared(task, minibatch, settings.seed, epoch)


def _prepared(task: TrainingTask, minibatch: Minibatch, seed: int, epoch: int) -> Batch:
    device = next(task.model.parameters()).device
    batch = task.training_set.collate(minibatch.samples)
    moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
    generator = batch_generator(seed, epoch, minibatch.step)
    torch.manual_seed(int(generator.integers(2**62)))  # dropout and the like, as in training
    return task.objective.prepare(moved, generator)


def _loss(task: TrainingTask, batch: Batch) -> Tensor:
    counts, terms = task.objective.counts(batch), task.objective.losses(task.model, batch)
    return torch.stack([term / max(counts[name], 1.0) for name, term in terms.items()]).sum()


def _bytes_a_picture(task: TrainingTask) -> int:
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    task.trainable.train(task.model)
    state = copy.deepcopy(task.model.state_dict())
    parts = parts_of_epoch(len(task.training_set), 2, 0, 0)
    for minibatch in minibatches(task.training_set, parts, 0, 0, 0, 1):
        if len(minibatch.samples) == 2:
            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                _loss(task, _prepared(task, minibatch, 0, 0))
            break
    task.model.load_state_dict(state)  # batch norms have taken in two pictures
    weights = {value.untyped_storage().data_ptr() for value in task.model.state_dict().values()}
    return sum(size for at, size in held.items() if at not in weights) // 2


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_bytes()
