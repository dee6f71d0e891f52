"""What models share on their way from pictures to predictions: batches, names of classes, the mode, the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from convolens.arrays import as_whole
from convolens.errors import ArgumentError, WeightsError
from convolens.forks import lock_that_forks
from convolens.layers.packing import standing_weights
from convolens.trunks import Trunk
from convolens.trunks.options import pick_device

Item = TypeVar("Item")
# No data set has as many; the names alone would take gigabytes.
MAX_CLASSES = 1_000_000


def class_names_of(classes: Sequence[str] | int, least: int) -> tuple[str, ...]:
    """Gives the names of classes given by name, or by their number: then `class 0`, `class 1`, ….

    Raises:
        ArgumentError: fewer than `least`, one name twice, or neither names nor a number.

    >>> class_names_of(("cat", "dog"), 2), class_names_of(2, 2)
    (('cat', 'dog'), ('class 0', 'class 1'))
    """
    if isinstance(classes, int | np.integer) and not isinstance(classes, bool):
        if classes > MAX_CLASSES:
            raise ArgumentError(f"classes: need at most {MAX_CLASSES:,}, got {classes:,}")
        names = tuple(f"class {number}" for number in range(int(classes)))
    else:
        try:
            names = (classes,) if isinstance(classes, str) else tuple(classes)  # type: ignore[arg-type]
        except TypeError as error:
            raise ArgumentError(f"classes: need names or a number of classes, got {classes!r:.80}") from error
    if not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"classes: need names as text, got {names!r:.80}")
    if len(names) < least or len(set(names)) < len(names):
        raise ArgumentError(
            f"classes: need at least {least}, by name, each once, or by number, got {', '.join(names) or 'none'}"
        )
    return names


def batches(singles: Iterable[tuple[Tensor, Item]], size: int) -> Iterator[tuple[Tensor, list[Item]]]:
    """Joins single preprocessed pictures `(1, C, H, W)` into batches of at most `size`, in order.

    Neighbors of one height and width go together; never more than one batch is held.

    Args:
        singles: each picture with what is to travel with it: its own size, its example, ….
        size: pictures to a batch, at most.

    >>> [(one.shape[0], items) for one, items in batches(((torch.zeros(1, 3, 2, 2), name) for name in "abc"), 2)]
    [(2, ['a', 'b']), (1, ['c'])]
    """
    size = as_whole(size, "batch", 1)
    waiting: list[Tensor] = []
    items: list[Item] = []
    for one, item in singles:
        if waiting and (len(waiting) == size or one.shape != waiting[0].shape):
            yield torch.cat(waiting), items
            waiting, items = [], []
        waiting.append(one)
        items.append(item)
    if waiting:
        yield torch.cat(waiting), items


def need_finite(outputs: Tensor) -> Tensor:
    """The network's outputs for pictures, if they are numbers.

    Raises:
        WeightsError: NaN or infinity. Pictures are from 0 to 1, so that it is the weights.
    """
    if not bool(outputs.isfinite().all()):
        raise WeightsError("model: need finite scores, got NaN or infinity; its weights are damaged or far too large")
    return outputs


_changing = lock_that_forks()
_changed: dict[tuple[int, str], tuple[bool, int]] = {}  # by object and attribute: what it was, and who wants it false


@contextmanager
def _false(name: str, of: Iterable[object]) -> Iterator[None]:
    """Makes an attribute of many objects false; of several threads that do so at once, the last makes it as it was."""
    objects = list(of)
    with _changing:
        for one in objects:
            before, users = _changed.get((id(one), name), (getattr(one, name), 0))
            _changed[id(one), name] = before, users + 1
            setattr(one, name, False)
    try:
        yield
    finally:
        with _changing:
            for one in objects:
                before, users = _changed.pop((id(one), name))
                if users > 1:
                    _changed[id(one), name] = before, users - 1
                else:
                    setattr(one, name, before)


@contextmanager
def in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Puts the model into evaluation mode, and afterwards each of its parts in the mode that it was in."""
    with _false("training", model.modules()):
        model.eval()  # which a module may do in a way of its own
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts the model into evaluation mode, without gradients, and back as it was.

    No weight takes a gradient meanwhile, and none changes: see `layers.packing`.
    """
    no_gradients = _false("requires_grad", model.parameters())
    with no_gradients, in_evaluation_mode(model), torch.inference_mode(), standing_weights():
        yield


def device_of(trunk: str | Trunk, device: str) -> torch.device:
    """Says where a model on this trunk goes: to the requested device, or to that of a trunk that is already made.

    Raises:
        DeviceError: as in `pick_device`.
    """
    return next(trunk.parameters()).device if isinstance(trunk, Trunk) else pick_device(device)


@contextmanager
def running_on(model: object, device: str) -> Iterator[None]:
    """Puts the model on a device for as long as this lasts; with `auto` it stays where it is.

    Raises:
        DeviceError: as in `pick_device`.
        ArgumentError: a device for what is no module, and so cannot be moved.
    """
    if isinstance(device, str) and device == "auto":
        yield
        return
    where = pick_device(device)
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"device: need auto for what is no torch module, got {device!r}")
    before = next((parameter.device for parameter in model.parameters()), where)
    model.to(where)
    try:
        yield
    finally:
        model.to(before)
