"""Exported localizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.exported.model import ExportedModel, Outputs, results_of
from convolens.media.pixels import Picture
from convolens.results import Location
from convolens.selection import PRESENT


class ExportedLocalizer(ExportedModel):
    """A localizer in an ONNX file."""

    task: Literal["localize"] = "localize"

    @overload
    def predict(self, images: Picture, *, threshold: float = ..., batch: int = ...) -> Location: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Iterable[Picture], *, threshold: float = ..., batch: int = ...) -> list[Location]: ...
    def predict(
        self, images: Picture | Iterable[Picture], *, threshold: float = PRESENT, batch: int = 16
    ) -> Location | list[Location]:
        """What the pictures show, and where; arguments, results and errors as `Localizer.predict` has them.

        Deeper pictures are rounded to 8 bits, which is what the file takes. WeightsError: the file cannot be run.
        """
        if not 0 <= threshold <= 1:
            raise ArgumentError(f"threshold: need a number from 0 to 1, got {threshold}")
        return results_of(images, (
            self._location(found, threshold, kept) for found, _, kept in self._answers(images, batch)
        ))  # fmt: skip

    def answers(
        self, images: Iterable[Picture], *, batch: int = 16
    ) -> Iterator[tuple[NDArray[Any], float, NDArray[Any]]]:
        """For each picture the probabilities, the objectness, and corners as fractions of the picture."""
        for found, pixels, _ in self._answers(images, batch):
            sides = np.array([pixels.shape[1], pixels.shape[0]] * 2, np.float32)
            yield found["probabilities"], float(found["objectness"]), found["box_xyxy"] / sides

    def _location(self, found: Outputs, threshold: float, kept: Picture | None) -> Location:
        scores, objectness = found["probabilities"], float(found["objectness"])
        best, present = int(scores.argmax()), objectness >= threshold
        x1, y1, x2, y2 = map(float, found["box_xyxy"])
        return Location(
            label=self.class_names[best] if present else None,
            score=float(scores[best]),
            box_xyxy=(x1, y1, x2, y2) if present else None,
            objectness=objectness,
            picture=kept,
        )

    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        self._need_outputs(shapes, {"probabilities": [len(self.class_names)], "objectness": [], "box_xyxy": [4]})
