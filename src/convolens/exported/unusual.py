"""Exported inspectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

from convolens.arrays import Real
from convolens.errors import ArgumentError, WeightsError
from convolens.exported.model import ExportedModel, results_of
from convolens.heatmaps import Grid
from convolens.media.pixels import Picture
from convolens.results import Inspection


class ExportedInspector(ExportedModel):
    """An inspector in an ONNX file."""

    task: Literal["unusual"] = "unusual"

    @overload
    def predict(self, images: Picture, *, threshold: Real = ..., batch: int = ...) -> Inspection: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Iterable[Picture], *, threshold: Real = ..., batch: int = ...) -> list[Inspection]: ...
    def predict(
        self, images: Picture | Iterable[Picture], *, threshold: Real = 1.0, batch: int = 16
    ) -> Inspection | list[Inspection]:
        """Whether pictures are unusual, how much, and where; arguments, results and errors as `Inspector.predict` has.

        Deeper pictures are rounded to 8 bits, which is what the file takes. WeightsError: the file cannot be run.
        """
        least = Inspection.least(threshold)
        return results_of(images, (
            replace(Inspection.of(found["places"], self.grid, pixels.shape[:2], least), picture=kept)
            for found, pixels, kept in self._answers(images, batch)
        ))  # fmt: skip

    @property
    def grid(self) -> Grid:
        """Where the places are in the network's input.

        Raises:
            WeightsError: the file does not say.
        """
        try:
            return Grid.from_dict(self.facts.grid)
        except ArgumentError as error:
            raise WeightsError(f"{self.path}: {error}; export the model again") from error

    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        self._need_outputs(shapes, {"score": [], "places": [None, None]})
        _ = self.grid
