"""What the tasks share: which part of a trunk is trained, and picture files as a training set."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from convolens.arrays import as_whole
from convolens.data import DataSet, Example, Loaded
from convolens.data.augment import Augmentation, View, draw_colors
from convolens.data.loading import load_small, skip
from convolens.errors import UNREADABLE, ArgumentError, DataError, FileError, did_you_mean
from convolens.media.images import read_header
from convolens.media.picture_files import File
from convolens.sources import Stored
from convolens.training.task import Batch, Sample
from convolens.trunks import Preprocessing, Trunk

EVERYTHING = "all"
CACHE_BYTES = 256 << 20  # of decoded pictures that stay in memory


class TrainableTrunk:
    """A trunk of which the part at and after some tap is trained.

    Args:
        trunk: changed in place: what is not trained takes no gradients.
        until: the deepest tap that the head takes; nothing beyond it is run.
        first: the tap that training begins at, or `all`.

    Raises:
        ArgumentError: no such tap, or one beyond `until`.
    """

    def __init__(self, trunk: Trunk, until: str, first: str) -> None:
        taps = trunk.taps[: trunk.taps.index(until) + 1]
        if first != EVERYTHING and first not in taps:
            hint = did_you_mean(first, (EVERYTHING, *taps))
            raise ArgumentError(f"finetune: need all or a tap up to {until} ({', '.join(taps)}), got {first!r}{hint}")
        start = 0 if first == EVERYTHING else taps.index(first)
        parts = [nn.ModuleList(trunk.get_submodule(path) for path in trunk.steps[tap].layers) for tap in taps]
        self.fixed, self.layers = parts[:start], parts[start:]
        trunk.requires_grad_(False)
        for layer in self.layers:
            layer.requires_grad_(True)

    def train(self, model: nn.Module) -> None:
        """Puts into training mode all but what is not trained, whose norms keep the statistics that they came with."""
        model.train()
        for part in self.fixed:
            part.eval()


@runtime_checkable
class Views(Protocol):
    """How a task makes samples of pictures."""

    @property
    def least_side(self) -> int:
        """The pixels that a decoded picture's shorter side must keep for the smallest view of it."""

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """Draws a view of a picture, and says what is to be learned of it."""

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Makes one batch of samples, on the CPU."""


class PictureCache:
    """Decoded pictures, which stay in memory as far as `CACHE_BYTES` go, those of several sets together.

    Of small pictures, reading takes a third of a step.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[File, int], Loaded] = {}
        self._room, self._keeping = CACHE_BYTES, threading.Lock()

    def read(self, example: Example, at_least: int) -> Loaded:
        """Gives what `load_small` does, which is called for what is not in memory."""
        key = example.path, at_least
        if key in self._kept:
            return self._kept[key]
        loaded = load_small(example, at_least)
        with self._keeping:
            if loaded.pixels.nbytes <= self._room:
                self._kept[key] = loaded
                self._room -= loaded.pixels.nbytes
        return loaded


class Pictures:
    """A training set of picture files, of which each sample is another view.

    Args:
        data: the files, and what is known of each.
        views: how samples are made of them.
        cache: where what was decoded stays.

    Attributes:
        skipped: files that could not be used so far, each once.
    """

    def __init__(self, data: DataSet, views: Views, cache: PictureCache) -> None:
        self.data, self.views, self.cache = data, views, cache
        self.collate, self.skipped = views.collate, list(data.skipped)

    def __len__(self) -> int:
        return len(self.data.examples)

    @property
    def shards(self) -> Sequence[int] | None:
        """How many of the pictures, in order, lie in each shard or table; None where they are single files."""
        places = [example.path.shard if isinstance(example.path, Stored) else "" for example in self.data.examples]
        return [len(list(several)) for _, several in groupby(places)] if any(places) else None

    def name(self, number: int) -> str:
        """Returns the file's name."""
        name: str = self.data.examples[number].path.name
        return name

    def sample(self, number: int, generator: np.random.Generator) -> Sample | None:
        """Draws a view of a picture; None if it cannot be used."""
        example = self.data.examples[number]
        try:
            loaded = self.cache.read(example, self.views.least_side)
        except (*UNREADABLE, DataError) as error:
            skip(example, error, self.skipped)
            return None
        return self.views.view(example, loaded, generator)


def least_side(side: int, augmentation: Augmentation) -> int:
    """Returns the pixels that a decoded picture's shorter side must keep for the smallest view of it."""
    stretch = max(1 / augmentation.ratio[0], augmentation.ratio[1])
    return int(np.ceil(side / min(augmentation.scale[0], 1) ** 0.5 * stretch**0.5))


def viewed(loaded: Loaded, view: View, side: int, augmentation: Augmentation, generator: np.random.Generator) -> Sample:
    """Resamples a view of a picture, and draws the change of its colors, which `normalized` makes."""
    pixels = view.picture(loaded.pixels, side)
    colors = draw_colors(pixels, augmentation.color_jitter, generator)
    return {"picture": torch.from_numpy(pixels.copy()), "colors": torch.from_numpy(colors)}


def normalized(batch: Batch, preprocessing: Preprocessing) -> Tensor:
    """Changes the colors of a batch's pictures `(N, H, W, 3)` and makes them the network's input, channels last."""
    pixels, colors = batch["picture"], batch["colors"]
    count, height, width, channels = pixels.shape
    # Normalizing is affine too, so it goes into the matrices; 0 and 1, where colors are cut off, go along.
    ends = torch.tensor([0.0, 1.0], device=pixels.device).view(2, 1, 1, 1)
    black, white = preprocessing.normalize(ends.expand(2, channels, 1, 1)).flatten(2)
    folded = preprocessing.normalize(colors[:, :, None]).squeeze(2)
    folded[:, :, :3] -= black
    # In planes, three rows by three: BLAS is four times as fast at this as at three columns.
    planes = pixels.permute(0, 3, 1, 2).float().reshape(count, channels, height * width)
    changed = torch.baddbmm(folded[:, :, 3:], folded[:, :, :3], planes, alpha=1 / 255)
    pictures = changed.clamp_(black, white).view(count, channels, height, width)
    return pictures.contiguous(memory_format=torch.channels_last)


def side_for(size: int | None, data: DataSet) -> int:
    """Returns the side that pictures are brought to: as requested, or the first picture's shorter side.

    Raises:
        ArgumentError: less than a pixel.
        DataError: none of the pictures can be read.
    """
    if size is not None:
        return as_whole(size, "size", 1)
    reason = ""
    for example in data.examples:
        try:
            return min(read_header(example.path).size)
        except FileError as error:
            reason = reason or str(error)
    raise DataError(f"{data.root}: need examples that can be used, got none; {reason}")


def stretched(preprocessing: Preprocessing, side: int) -> Preprocessing:
    """The same preprocessing, but that whole pictures are brought to the side, whatever their shape."""
    return replace(preprocessing, resize=None, crop=None, stretch=side)


def fingerprint(data: DataSet) -> str:
    """Makes what tells data sets apart: a digest of names and of what is known of each picture, not of the pixels."""
    digest = hashlib.sha256()
    for example in data.examples:
        boxes = " ".join(f"{box.label}:{box.xyxy}" for box in example.objects)
        line = f"{example.path.name}\t{boxes if data.kind == 'boxes' else example.labels}\n"
        digest.update(line.encode(errors="surrogateescape"))  # names need not be UTF-8
    return digest.hexdigest()[:16]
