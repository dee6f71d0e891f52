"""Exported trunks: the maps of their taps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from convolens.exported.model import ExportedModel, Outputs
from convolens.media.pixels import Picture, as_pictures


class ExportedFeatures(ExportedModel):
    """A trunk's taps in an ONNX file."""

    task: Literal["features"] = "features"

    def features(self, images: Picture | Iterable[Picture], *, batch: int = 16) -> Outputs | list[Outputs]:
        """The maps of each tap, by its name, `(features, rows, columns)`.

        Args:
            images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for a classifier.
            batch: how many pictures of one size go through the network at once, where the file takes several.

        Returns:
            A dict; for several pictures a list, in order.

        Raises:
            FileError: a picture cannot be read.
            ShapeError, DtypeError, ArgumentError: an array is no picture, or too small for the taps.
        """
        maps = [found for found, _, _ in self._answers(images, batch)]
        return maps if as_pictures(images)[1] else maps[0]

    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        self._need_outputs(shapes, dict.fromkeys(shapes, [None] * 3))
