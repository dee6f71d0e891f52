"""What training a detector by sounds has of its own: how it hears, the stretches of recordings that it is shown, views.

A stretch is twice as long as what the network takes at once, so that a view of it is at any moment. Of those in which
nothing is labelled as many are kept as of the others, evenly through the recordings: of a day with three calls, nearly
all would teach silence. Views are moved, made faster or slower, higher or lower, boxes with them, and changed as
`SoundAugmentation` changes what a classifier is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.data import DataSet, Example, Loaded
from convolens.data.augment import View
from convolens.data.augment_objects import filled, objects_in
from convolens.data.augment_sounds import SoundAugmentation
from convolens.data.dataset import Box
from convolens.effects.sounds.heard import Heard, heard, rate_in, seconds_in
from convolens.effects.sounds.hearing import Hearing, background
from convolens.errors import DataError, FileError
from convolens.models.detect import DetectionLoss, Detector
from convolens.training.detect_objective import detector_facts, padded_objects
from convolens.training.sounds import COVERED, FASTEST, LOOKED_AT, need_numbers
from convolens.training.task import Batch, Sample, stacked

SHORTEST, LONGEST = 1.0, 10.0  # seconds that the network takes at once where nothing else is wanted
WIDTHS = 2  # of the network's input that a stretch is long
PLAIN = SoundAugmentation(gain=0, stretch=0, pitch=0, noise=0, masks=0, nothing=0)


def hearing_of_labels(data: DataSet, rate: int | None, seconds: float | None, bands: int | None) -> Hearing:
    """How the network is to hear: as requested, and else so that what is labelled is within.

    Args:
        data: to train on.
        rate: samples a second; None: 16,000, or as many as the highest pitch needs, and at most the lowest of the
            data's.
        seconds: that the network takes at once; None: twice what 95% of the labels last, from 1 to 10.
        bands: rows of the picture; None: 64.

    Raises:
        ArgumentError: a value that cannot be used.
        DataError: none of the sounds can be read, or a label is of pitches that the network would not hear.
    """
    need_numbers(rate, seconds, bands)
    spans = [(one.path, _span(one, box)) for one in data.examples for box in one.objects]
    at_once = WIDTHS * float(np.percentile([end - start for _, (start, end, _, _) in spans], COVERED))
    highest = max(high for _, (_, _, _, high) in spans)
    if rate is None:
        rate = min(max(FASTEST, round(highest / Hearing(1000, 25, 10).high * 1000)), *_rates(data))
    hearing = Hearing.of(rate, min(max(at_once, SHORTEST), LONGEST) if seconds is None else seconds, bands or 64)
    unheard = next(((path, low, high) for path, (_, _, low, high) in spans if low >= hearing.high), None)
    if unheard is not None:
        path, low, high = unheard
        raise DataError(
            f"{path}: need labels of pitches below the {hearing.high:,.0f} Hz that the network hears, got "
            f"{low:,.0f} to {high:,.0f} Hz; give a higher rate, or leave such labels out"
        )
    return hearing


def _span(example: Example, box: Box) -> tuple[float, float, float, float]:
    assert isinstance(example.path, Heard)
    return example.path.hearing.span_of(box.xyxy)


def _rates(data: DataSet) -> list[int]:
    rates, reason = [], ""
    for example in data.examples[:: max(1, len(data.examples) // LOOKED_AT)]:
        assert isinstance(example.path, Heard)
        try:
            rates.append(rate_in(example.path.path))
        except FileError as error:
            reason = reason or str(error)
    if not rates:
        raise DataError(f"{data.root}: need sounds that can be used, got none; {reason}")
    return rates


def in_stretches(data: DataSet, hearing: Hearing) -> DataSet:
    """The recordings as stretches, with the boxes of each in its own pixels.

    Args:
        data: recordings, boxes in the pictures that the network has of them.
        hearing: the network's.
    """
    each = [_stretches(one, hearing) for one in data.examples]
    stretches = [one for several in each for one in several]
    empty = [at for at, one in enumerate(stretches) if not one.boxes]
    count = min(len(empty), max(1, len(stretches) - len(empty)))
    left = set(np.array(empty, int)[np.unique(np.linspace(0, len(empty) - 1, count).astype(int))] if empty else [])
    return data.having(one for at, one in enumerate(stretches) if one.boxes or at in left)


def _stretches(example: Example, hearing: Hearing) -> Iterator[Example]:
    """Those of one recording, each beginning amid the one before; a file that cannot be read is one, as it is."""
    assert isinstance(example.path, Heard)
    file, step, length = example.path.path, hearing.columns, WIDTHS * hearing.columns
    try:
        columns = int(seconds_in(file) * hearing.rate / hearing.hop)
    except FileError:  # which is told when it is read
        columns = 0
    if columns <= length:
        yield _stretch(example, example.path, 0, columns + 1)
        return
    for first in range(0, columns - step, step):
        last = min(first + length, columns)
        part = heard(file, hearing, hearing.time_of(first), hearing.time_of(last))
        yield _stretch(example, part, first, last - first)


def _stretch(example: Example, part: Heard, first: int, columns: int) -> Example:
    """Some columns of a recording, with the boxes of which at least half is in them."""
    hearing = part.hearing
    boxes = []
    for box in example.boxes:
        x1, y1, x2, y2 = map(float, box.xyxy)
        inside = (max(x1 - first, 0.0), max(y1, 0.0), min(x2 - first, float(columns)), min(y2, float(hearing.bands)))
        if inside[2] - inside[0] >= (x2 - x1) / 2 and inside[1] < inside[3]:
            boxes.append(replace(box, xyxy=inside))
    labels = tuple(sorted({box.label for box in boxes}))
    return replace(example, path=part, labels=labels, boxes=tuple(boxes), size=(hearing.columns, hearing.bands))


class DetectSoundsObjective:
    """What is minimized to detect in sounds: the loss of what is when, at which pitch.

    Args:
        model: the detector, whose default boxes labels are matched to.
        augmentation: how sounds are changed; `PLAIN` shows the beginning of each stretch as it is.
        loss: how the parts of the loss are counted and weighed.
    """

    least_side = 1

    def __init__(self, model: Detector, augmentation: SoundAugmentation, loss: DetectionLoss) -> None:
        self.model, self.augmentation, self.loss = model, augmentation, loss
        self._levels = replace(augmentation, stretch=0, pitch=0, nothing=0)

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """Draws a view of a stretch, with what is labelled in it."""
        hearing, how = self._hearing, self.augmentation
        width = round(hearing.columns * (1 + generator.uniform(-how.stretch, how.stretch)))
        up = int(generator.integers(-how.pitch, how.pitch + 1))
        picture, before = _at_least(loaded.pixels[:, :, 0], width)
        first = 0 if how is PLAIN else int(generator.integers(0, picture.shape[1] - width + 1))
        view = View((float(first), float(up), float(first + width), float(up + hearing.bands)), flipped=False)
        boxes, labels = objects_in(
            view, loaded.boxes_xyxy + np.array([before, 0, before, 0], np.float32), loaded.box_labels
        )
        pixels = filled(view, np.repeat(picture[:, :, None], 3, axis=2), self.model.size, (0, 0, 0))[:, :, 0]
        levels, _ = self._levels.view(pixels, hearing, generator)
        return {
            "picture": torch.from_numpy(levels),
            "boxes": torch.from_numpy(boxes),
            "labels": torch.from_numpy(labels),
        }

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Stacks samples, objects padded to as many as the fullest has, with a label of -1."""
        return stacked([{"picture": one["picture"]} for one in samples]) | padded_objects(samples)

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Normalizes, and matches labels to default boxes."""
        matches = self.model.match(batch["boxes"], batch["labels"])
        levels = batch["picture"][:, None].float() / 255
        return {"input": self.model.preprocessing.normalize(levels), "matches": matches}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Counts as `convolens.models.detect.DetectionLoss` does."""
        return self.model.counts(batch["matches"], self.loss)

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Returns the parts of the loss."""
        return self.model.losses(network(batch["input"]), batch["matches"], self.loss)

    def facts(self) -> dict[str, Any]:
        """Returns what must be the same for a run to be resumed, beside what must be in every task."""
        return detector_facts(self.model, self.loss) | {
            "augmentation": self.augmentation.to_list(), "sound": self._hearing.to_dict(),
        }  # fmt: skip

    @property
    def _hearing(self) -> Hearing:
        hearing = self.model.preprocessing.sound
        assert hearing is not None
        return hearing


def _at_least(picture: NDArray[np.uint8], width: int) -> tuple[NDArray[np.uint8], int]:
    """The picture, amid its background where it is shorter than that, and how many columns are before it."""
    missing = max(0, width - picture.shape[1])
    if not missing:
        return picture, 0
    quiet = background(picture)[:, None]
    parts = [np.repeat(quiet, missing // 2, axis=1), picture, np.repeat(quiet, missing - missing // 2, axis=1)]
    return np.concatenate(parts, axis=1), missing // 2
