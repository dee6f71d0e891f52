"""Learned edges in an exported file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from convolens.exported.model import ExportedModel
from convolens.media.pixels import Picture, as_pictures


class ExportedEdges(ExportedModel):
    """The network of `convolens.learned_edges` in an ONNX file."""

    task: Literal["edges"] = "edges"

    def edges(self, images: Picture | Iterable[Picture], *, batch: int = 1) -> NDArray[Any] | list[NDArray[Any]]:
        """How likely each pixel lies on the outline of an object, in [0, 1].

        Args:
            images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for a classifier.
            batch: how many pictures of one size go through the network at once, where the file takes several.

        Returns:
            float32 `(H, W)`, of the picture's size; for several pictures a list, in order.

        Raises:
            FileError: a picture cannot be read.
            ShapeError, DtypeError, ArgumentError: an array is no picture, or too small.
            WeightsError: the file cannot be run, as where memory does not suffice: it takes a picture whole.
        """
        maps = [found["edges"] for found, _, _ in self._answers(images, batch)]
        return maps if as_pictures(images)[1] else maps[0]

    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        self._need_outputs(shapes, {"edges": [None, None]})
