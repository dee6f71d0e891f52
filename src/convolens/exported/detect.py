"""Exported detectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.exported.model import ExportedModel, Outputs, results_of
from convolens.media.pixels import Picture
from convolens.results import Detections
from convolens.selection import MAX_DETECTIONS, MIN_SCORE, NMS_IOU, TOP_K, Selection


class ExportedDetector(ExportedModel):
    """A detector in an ONNX file."""

    task: Literal["detect"] = "detect"

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        images: Picture,
        *,
        threshold: Real = ...,
        nms_iou: Real = ...,
        top_k: int = ...,
        max_detections: int = ...,
        batch: int | None = ...,
    ) -> Detections: ...
    @overload
    def predict(
        self,
        images: Iterable[Picture],
        *,
        threshold: Real = ...,
        nms_iou: Real = ...,
        top_k: int = ...,
        max_detections: int = ...,
        batch: int | None = ...,
    ) -> list[Detections]: ...
    def predict(
        self,
        images: Picture | Iterable[Picture],
        *,
        threshold: Real = MIN_SCORE,
        nms_iou: Real = NMS_IOU,
        top_k: int = TOP_K,
        max_detections: int = MAX_DETECTIONS,
        batch: int | None = None,
    ) -> Detections | list[Detections]:
        """What the pictures show, and where; arguments, results and errors as `Detector.predict` has them.

        Without soft suppression and tiles, which are not in the file; it takes pictures one by one, whatever `batch`.
        Deeper pictures are rounded to 8 bits. WeightsError: the file cannot be run.
        """
        settings = settings_of(Selection(threshold, nms_iou, False, top_k, max_detections))
        return results_of(images, (
            self._detections(found, kept) for found, _, kept in self._answers(images, batch or 1, **settings)
        ))  # fmt: skip

    def _detections(self, found: Outputs, kept: Picture | None) -> Detections:
        kinds, numbers = (found[name].astype(np.int64) for name in ("labels", "default_boxes"))  # from C's long long
        if kinds.size and not 0 <= kinds.min() <= kinds.max() < len(self.class_names):
            raise self._lies(f"labels of its {len(self.class_names)} classes", kinds.max())
        return Detections(
            found["boxes_xyxy"],
            tuple(self.class_names[kind] for kind in kinds),
            found["scores"],
            kinds,
            numbers,
            picture=kept,
        )

    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        flat = {name: [None] for name in ("scores", "labels", "default_boxes")}
        self._need_outputs(shapes, {"boxes_xyxy": [None, 4], **flat})


def settings_of(selection: Selection) -> dict[str, NDArray[Any]]:
    """The inputs of a detector's file that say what counts as found."""
    return {
        "threshold": np.array([selection.threshold], np.float32),
        "nms_iou": np.array([selection.nms_iou], np.float32),
        "top_k": np.array([selection.top_k], np.int64),
        "max_detections": np.array([selection.max_detections], np.int64),
    }
