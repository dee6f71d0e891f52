"""Exported classifiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.exported.model import ExportedModel, results_of
from convolens.media.pixels import Picture
from convolens.results import Prediction, best_first


class ExportedClassifier(ExportedModel):
    """A classifier in an ONNX file."""

    task: Literal["classify"] = "classify"

    @overload
    def predict(self, images: Picture, *, top: int | None = ..., batch: int = ...) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Iterable[Picture], *, top: int | None = ..., batch: int = ...) -> list[Prediction]: ...
    def predict(
        self, images: Picture | Iterable[Picture], *, top: int | None = None, batch: int = 16
    ) -> Prediction | list[Prediction]:
        """What the pictures show; arguments, results and errors as `Classifier.predict` has them.

        Deeper pictures are rounded to 8 bits, which is what the file takes. WeightsError: the file cannot be run.
        """
        if top is not None and top < 1:
            raise ArgumentError(f"top: need at least 1 class, got {top}")
        return results_of(images, (
            Prediction(*best_first(found["probabilities"], self.class_names, top), picture=kept)
            for found, _, kept in self._answers(images, batch)
        ))  # fmt: skip

    @property
    def multi_label(self) -> bool:
        """Whether a picture may show any number of the classes, or none; otherwise it shows one."""
        return self.facts.multi_label

    def probabilities(self, images: Iterable[Picture], *, batch: int = 16) -> Iterator[NDArray[Any]]:
        """The probabilities of all classes, `(classes,)`, for each picture."""
        return (found["probabilities"] for found, _, _ in self._answers(images, batch))

    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        self._need_outputs(shapes, {"probabilities": [len(self.class_names)]})
