"""A network brought to 8 bits, and what that costs: a metric of its task before and after, on data with answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from convolens.arrays import Real, as_real
from convolens.errors import ArgumentError
from convolens.evaluation.eight_bits import compared
from convolens.evaluation.evaluate import evaluate
from convolens.exported import load_exported
from convolens.exported.facts import PICTURE, Facts
from convolens.exported.pictures import as_eight_bit
from convolens.exporting.tasks import Exportable
from convolens.media.files import AnyPath

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class EightBits:
    """What brings a model to 8 bits.

    Attributes:
        own: the model.
        pictures: such as it will be given.
        labeled: data with answers.
        at_most: points of the metric that may be lost.

    Raises:
        ArgumentError: a task without a metric, no data to measure on, or points that are none.
    """

    own: Exportable
    pictures: Sequence[Any]
    labeled: AnyPath | None
    at_most: Real

    def __post_init__(self) -> None:
        if not self.own.class_names:
            raise ArgumentError(
                f"int8: need a task whose loss can be measured, got {self.own.task}, which have no metric"
            )
        if self.labeled is None:
            raise ArgumentError("labeled: need data with answers to measure on what 8 bits lose, got none; give some")
        as_real(self.at_most, "at_most", "a number of points from 0 to 100", lambda value: 0 <= value <= 100)

    def quantized(self, body: onnx.ModelProto, least_side: int) -> onnx.ModelProto:
        """A network in 8 bits.

        Raises:
            ArgumentError, FileError: a picture cannot be used, or there is none.
        """
        from convolens.exporting.quantization import quantized  # only here: it needs onnx

        return quantized(body, self._batches(least_side))

    def need_few_lost(self, body: onnx.ModelProto, small: onnx.ModelProto, facts: Facts, opset: int) -> dict[str, Any]:
        """What was measured before and after: `metric`, `before`, `after`, `pictures`.

        Raises:
            ExportError: it loses more than `at_most`.
            DataError: no answer of the data can be measured.
            ArgumentError, FileError: the data cannot be used.
        """
        before, after = (self._measured(one, facts, opset) for one in (body, small))
        assert self.labeled is not None
        return compared(self.own.task, self.own.multi_label, before, after, self.labeled, float(self.at_most))

    def _batches(self, least_side: int) -> Iterator[Any]:
        channels = len(self.own.trunk.preprocessing.mean)
        for picture in self.pictures:
            yield self.own.trunk.preprocess([as_eight_bit(picture, channels, least_side)]).numpy()

    def _measured(self, body: onnx.ModelProto, facts: Facts, opset: int) -> Mapping[str, Any]:
        """The metrics of a network as whoever has the file finds them: by ONNX Runtime, from pictures to answers."""
        from convolens.exporting.build import build, to_bytes

        graph, _ = build(self.own, PICTURE, body)
        assert self.labeled is not None
        with TemporaryDirectory() as folder:
            file = Path(folder, "model.onnx")
            file.write_bytes(to_bytes(graph.model(opset, replace(facts, takes=PICTURE).to_metadata())))
            return evaluate(load_exported(file), self.labeled, progress=False)
