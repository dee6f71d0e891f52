"""The detector: a trunk, further maps, heads on all of them, and default boxes that their outputs are relative to."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Literal, NamedTuple, get_args, overload

from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from convolens.arrays import Real
from convolens.errors import ArgumentError, ShapeError, need_one_of
from convolens.layers.tensors import is_traced
from convolens.media.pixels import Picture, as_pictures, as_pixels, over_white
from convolens.models.detect.decoding import detections
from convolens.models.detect.default_boxes import Shapes, checked_shapes, checked_strides, tile_boxes
from convolens.models.detect.feature_maps import (
    DENSE,
    MAX_WIDTH,
    FeatureMaps,
    initialize,
    plan,
    scaled,
)
from convolens.models.detect.heads import Heads
from convolens.models.detect.loss import DetectionLoss, Objectness, Outputs
from convolens.models.detect.matching import OVERLAP as MATCHING
from convolens.models.detect.matching import Grids, Matches, match
from convolens.models.detect.sound_windows import sound_windows
from convolens.models.detect.tiles import Tile, merged, tiles
from convolens.models.inputs import batches, evaluating, need_finite
from convolens.models.model_file import ModelFile
from convolens.models.tap_scores import TrunkScores
from convolens.models.trunk_model import TrunkModel
from convolens.results import Detections, remembered
from convolens.selection import MAX_DETECTIONS, MIN_SCORE, NMS_IOU, TOP_K, Selection
from convolens.trunks import Trunk
from convolens.trunks.vgg import is_vgg

ON_CPU, ON_GPU = 1, 8  # pictures at once


class _View(NamedTuple):
    """A view of a picture: the whole, or a tile.

    Attributes:
        number: of the picture.
        kept: what a result keeps of it.
        tile: the part.
    """

    number: int
    kept: Picture | None
    tile: Tile


class Detector(TrunkModel):
    """What is where, many at once. Calling it takes a preprocessed batch and gives `Outputs`. Made by `detector`.

    Args:
        trunk: the feature extractor; its preprocessing stretches the whole picture to the network's input size.
        taps: the trunk's maps that are used.
        shapes: of the default boxes, for each map.
        class_names: one for each class; background has none.
        strides: pixels between the centers of default boxes on each map; None spreads them evenly.
        objectness: `softmax`: background is a class like the others; `binary`: whether there is an object is
            predicted first, which of the classes second.
        width: of the layers after the trunk, times the authors'.
        metrics: what was measured on pictures it was not trained on; kept in the model file.

    Raises:
        ArgumentError, ShapeError: parts that do not fit one another.
    """

    task: Literal["detect"] = "detect"

    def __init__(
        self,
        trunk: Trunk,
        *,
        taps: Sequence[str],
        shapes: Shapes,
        class_names: Sequence[str],
        strides: Sequence[float] | None = None,
        objectness: Objectness = "softmax",
        width: float = 1.0,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(trunk, sorted(trunk.chosen(taps), key=trunk.taps.index), class_names, metrics)
        need_one_of("objectness", objectness, get_args(Objectness))
        self.objectness, self.width, self.strides = objectness, width, tuple(strides) if strides else None
        if not 0 < width <= MAX_WIDTH:
            raise ArgumentError(f"width: need a number above 0 and up to {MAX_WIDTH}, got {width}")
        extra, grids = plan(trunk, self.taps, self.size, width)
        dense = scaled(DENSE, width) if is_vgg(trunk) else 0
        self.defaults = tile_boxes(checked_shapes(shapes), grids, self.size, self.strides)
        self.feature_maps = FeatureMaps([trunk.channels(tap) for tap in self.taps], dense=dense, extra=extra)
        self.heads = Heads(self.feature_maps.channels, [len(level) for level in shapes], len(self.class_names))
        self._grids: Grids | None = None

    def forward(self, batch: Float[Tensor, "batch channels height width"]) -> Outputs:
        """Computes the outputs for every default box, see `Outputs`.

        Raises:
            ShapeError: not of the detector's `size`.
        """
        if not is_traced() and tuple(batch.shape[2:]) != self.size:
            raise ShapeError(f"batch: need {self.size[0]}×{self.size[1]} pixels, got {batch.shape[2]}×{batch.shape[3]}")
        return self.from_maps(list(self.trunk(batch, taps=self.taps).values()))

    def from_maps(self, maps: Sequence[Tensor]) -> Outputs:
        """Computes the same from the taps' maps, in order."""
        outputs: Outputs = self.heads(self.feature_maps(maps))
        return outputs

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input in pixels."""
        stretch = self.preprocessing.stretch
        if stretch is None:
            raise ArgumentError(
                f"preprocessing: need one that stretches the whole picture to one size, got {self.preprocessing}; "
                "make the detector by convolens.detector"
            )
        return (stretch, stretch) if isinstance(stretch, int) else stretch

    @property
    def grids(self) -> Grids:
        """The default boxes, on the model's device."""
        device = next(self.parameters()).device
        if self._grids is None or self._grids.boxes.device != device:
            self._grids = Grids.of(self.defaults, self.size, device)
        return self._grids

    def match(
        self,
        boxes: Float[Tensor, "batch objects 4"],
        labels: Int[Tensor, "batch objects"],
        *,
        threshold: float = MATCHING,
    ) -> Matches:
        """Matches default boxes to objects; a batch at once, without gradients.

        Args:
            boxes: corners `x1, y1, x2, y2` as fractions of the network's input; anything where there is no object.
            labels: numbers of classes, from 0; -1 where there is no object, to fill up.
            threshold: the IoU at or above which a default box is matched to an object.

        Raises:
            DataError: an object's box is inverted, without area, or not of finite numbers.
        """
        return match(boxes, labels, self.grids, threshold=threshold)

    def losses(self, outputs: Outputs, matches: Matches, loss: DetectionLoss | None = None) -> dict[str, Tensor]:
        """Computes the parts of the loss, weighted and summed over the batch, not divided by their `counts`.

        `class` and `box`; with `objectness="binary"` also `object`.
        """
        return (loss or DetectionLoss()).losses(outputs, matches, self.grids, self.objectness)

    def counts(self, matches: Matches, loss: DetectionLoss | None = None) -> dict[str, float]:
        """Counts what each part of the loss is a mean over, by the names of `losses`."""
        return (loss or DetectionLoss()).counts(matches, self.objectness)

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        images: Picture,
        *,
        threshold: Real = ...,
        nms_iou: Real = ...,
        soft: bool = ...,
        top_k: int = ...,
        max_detections: int = ...,
        tile: int | None = ...,
        batch: int | None = ...,
    ) -> Detections: ...
    @overload
    def predict(
        self,
        images: Iterable[Picture],
        *,
        threshold: Real = ...,
        nms_iou: Real = ...,
        soft: bool = ...,
        top_k: int = ...,
        max_detections: int = ...,
        tile: int | None = ...,
        batch: int | None = ...,
    ) -> list[Detections]: ...
    def predict(
        self,
        images: Picture | Iterable[Picture],
        *,
        threshold: Real = MIN_SCORE,
        nms_iou: Real = NMS_IOU,
        soft: bool = False,
        top_k: int = TOP_K,
        max_detections: int = MAX_DETECTIONS,
        tile: int | None = None,
        batch: int | None = None,
    ) -> Detections | list[Detections]:
        """What the pictures show, and where.

        Args:
            images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for a classifier. Of a
                detector that was trained by sounds, sound files or their pictures, of any length.
            threshold: the score above which an object is named; 0.01 (`decoding.LOWEST`) is usual for measuring.
            nms_iou: of two boxes of one class with a larger IoU only the likelier stays.
            soft: it stays with a lower score instead (soft-NMS).
            top_k: the likeliest of each class, before that.
            max_detections: the likeliest of a picture, after that.
            tile: large pictures are also searched in overlapping squares of this side, in pixels of the picture; None:
                only as a whole.
            batch: how many pictures (or tiles) go through the network at once; None: 8 on a GPU, 1 on the CPU, where
                more take more memory and are no faster (benchmarks/detect.py).

        Returns:
            One `Detections`; for several pictures a list, in order. Boxes are in pixels of the original pictures, of a
            sound in those of its picture of time and pitch; `convolens.listen` has them in seconds and Hz.

        Raises:
            FileError: a picture cannot be read.
            ShapeError, DtypeError, ArgumentError: an array is no picture, or an argument out of range.
        """
        pictures, many = as_pictures(images)
        selection = Selection(threshold, nms_iou, soft, top_k, max_detections)
        if batch is None:
            batch = ON_CPU if next(self.parameters()).device.type == "cpu" else ON_GPU
        parts: list[tuple[_View, Detections]] = []
        with evaluating(self):
            for one, views in batches(self._views(pictures, tile), batch):
                sizes = [(view.tile.y2 - view.tile.y1, view.tile.x2 - view.tile.x1) for view in views]
                outputs = Outputs(*map(need_finite, self(one)))
                parts += zip(views, self.decode(outputs, sizes, selection), strict=True)
        found = [self._whole(list(mine), selection) for _, mine in groupby(parts, key=lambda part: part[0].number)]
        return found if many else found[0]

    def decode(self, outputs: Outputs, sizes: Sequence[tuple[int, int]], selection: Selection) -> list[Detections]:
        """Turns the network's outputs into detections; `sizes` are heights and widths of the original pictures."""
        return detections(outputs, self.grids, self.objectness, sizes, self.class_names, selection)

    def _views(self, pictures: Iterable[Picture], side: int | None) -> Iterator[tuple[Tensor, _View]]:
        """Yields each picture, and its tiles, preprocessed."""
        for number, (picture, kept) in enumerate(remembered(pictures)):
            for pixels, tile in self._parts(picture, side):
                yield self.preprocess(pixels), _View(number, kept, tile)

    def _parts(self, picture: Picture, side: int | None) -> Iterator[tuple[NDArray[Any], Tile]]:
        """Yields the pixels of a picture and of its tiles, or of each window of a sound."""
        hearing = self.preprocessing.sound
        if hearing is not None:
            if side is not None:
                raise ArgumentError(f"tile: need none for a network that hears, whose windows overlap, got {side}")
            yield from sound_windows(self.preprocessing.file(picture), hearing)
            return
        pixels = over_white(as_pixels(picture))
        for tile in tiles(pixels.shape[0], pixels.shape[1], side):
            yield pixels[tile.y1 : tile.y2, tile.x1 : tile.x2], tile

    def _whole(self, parts: Sequence[tuple[_View, Detections]], selection: Selection) -> Detections:
        """Merges what was found in the views of a picture."""
        views, found = [view for view, _ in parts], [detections for _, detections in parts]
        where = [view.tile for view in views]
        if self.preprocessing.sound is not None:  # as many as in each window, however many windows there are
            each = {name: getattr(selection, name) * len(parts) for name in ("top_k", "max_detections")}
            selection = replace(selection, **each)
        whole = found[0] if len(found) == 1 else merged(found, where, self.class_names, selection)
        return replace(whole, picture=views[0].kept)

    def explained(self, default_boxes: Sequence[int]) -> TrunkScores:
        """Gives what `convolens.explain` explains of detections: the scores of their default boxes, without background.

        Args:
            default_boxes: their numbers, as `Detections.default_boxes` has them.

        Returns:
            Scores `(N, boxes · classes)`, one box's after another's; probabilities given that there is an object.
        """
        if not default_boxes or not all(0 <= one < self.defaults.count for one in default_boxes):
            shown = ", ".join(map(str, default_boxes)) or "none"
            raise ArgumentError(f"default_boxes: need numbers from 0 to {self.defaults.count - 1}, got {shown}")
        boxes = list(default_boxes)
        return TrunkScores(
            self,
            lambda outputs: outputs.scores[:, boxes, 1:].flatten(1),
            lambda scores: scores.view(len(scores), len(boxes), -1).softmax(dim=2).flatten(1),
            # Maps after the taps are made from the last one's.
            deepest=self.taps[: max(map(self.defaults.level_of, boxes)) + 1][-1],
        )

    def with_classes(self, class_names: Sequence[str], *, seed: int = 0) -> Detector:
        """Makes a detector to train on, of other classes: it keeps all but the heads for classes.

        Those too where the names are the same, in the same order.
        """
        other = copy.deepcopy(self)
        if tuple(class_names) == self.class_names:
            return other.eval()
        other.class_names, other.metrics = tuple(class_names), {}
        counts = [len(level) for level in self.defaults.shapes]
        heads = Heads(self.feature_maps.channels, counts, len(other.class_names))
        initialize(heads, seed)
        heads.boxes = other.heads.boxes
        other.heads = heads.to(next(self.parameters()).device)
        return other.eval()

    def _own_facts(self) -> dict[str, Any]:
        return {
            "default_boxes": self.defaults.shapes,
            "steps": self.strides,
            "objectness": self.objectness,
            "width": self.width,
        }

    @classmethod
    def from_file(cls, file: ModelFile) -> Detector:
        """Reads the model that `save` wrote.

        Raises:
            WeightsError: a fact or a tensor is missing, of the wrong kind, or does not fit the others.
        """
        class_names, taps, strides = file.words("class_names"), file.words("taps"), file.facts.get("steps")

        def make(trunk: Trunk) -> Detector:
            return cls(
                trunk,
                taps=taps,
                shapes=checked_shapes(file.fact("default_boxes", list)),
                class_names=class_names,
                strides=None if strides is None else checked_strides(strides),
                objectness=file.fact("objectness", str),  # type: ignore[arg-type]
                width=float(file.fact("width", float)),
                metrics=file.fact("metrics", dict),
            )

        return file.build(make)
