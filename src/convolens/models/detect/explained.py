"""Detections as `convolens.explain` wants its models: the scores of the default boxes that they were said of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from convolens.models.inputs import maps_at
from convolens.trunks.receptive import ReceptiveField

if TYPE_CHECKING:
    from convolens.models.detect.detector import Detector


class BoxScores:
    """What a detector says of some default boxes: `(N, boxes · classes)`, before softmax; background left out.

    Args:
        model: the detector.
        default_boxes: their numbers, as `Detections.default_boxes` has them.
    """

    def __init__(self, model: Detector, default_boxes: Sequence[int]) -> None:
        self.model, self.default_boxes = model, list(default_boxes)
        self.class_names, self.taps, self.preprocessing = model.class_names, model.taps, model.preprocessing
        self.preprocess = model.preprocess

    @property
    def passed_taps(self) -> tuple[str, ...]:
        """Every tap that the scores depend on."""
        return self.model.trunk.taps[: self.model.trunk.taps.index(self._looked_at[-1]) + 1]

    @property
    def training(self) -> bool:
        """Whether the model is in training mode."""
        return self.model.training

    def __call__(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch scores"]:
        """Class scores before softmax, one box's after another's."""
        return self._of_boxes(self.model(batch).scores)

    def probabilities(self, scores: Float[Tensor, "batch scores"]) -> Float[Tensor, "batch scores"]:
        """How likely each class of each box is, given that there is an object."""
        return scores.view(len(scores), len(self.default_boxes), -1).softmax(dim=2).flatten(1)

    def maps(self, batch: Float[Tensor, "batch channels height width"], taps: Sequence[str]) -> dict[str, Tensor]:
        """The trunk's maps at the taps."""
        found: dict[str, Tensor] = self.model.trunk(batch, taps=taps)
        return found

    def rest(
        self, batch: Float[Tensor, "batch channels height width"], tap: str, maps: Mapping[str, Tensor] | None = None
    ) -> Callable[[Tensor], Tensor]:
        """The network from a tap on: from values there, several for each picture of the batch, to class scores.

        The head's taps before it come from `maps`, or else from running the trunk on the batch.
        """
        trunk = self.model.trunk
        later = [name for name in self.taps if trunk.taps.index(name) >= trunk.taps.index(tap)]
        earlier = maps_at(trunk, batch, [name for name in self.taps if name not in later], maps or {})

        def scores(value: Tensor) -> Tensor:
            copies = len(value) // len(batch)
            at = {name: map_.repeat_interleave(copies, dim=0) for name, map_ in earlier.items()}
            at |= trunk.resume(tap, value, later)
            return self._of_boxes(self.model.heads(self.model.feature_maps([at[name] for name in self.taps])).scores)

        return scores

    def field(self, tap: str) -> ReceptiveField:
        """What a cell of the tap's map sees of the network's input."""
        return self.model.trunk.receptive_field(tap)

    def class_weights(self) -> dict[str, Tensor]:
        """None: the way from a tap to a score is not linear."""
        return {}

    @property
    def _looked_at(self) -> tuple[str, ...]:
        """The taps up to the last one whose map, or what comes after it, has one of the default boxes."""
        deepest = max(self.model.defaults.level_of(box) for box in self.default_boxes)
        return self.taps[: deepest + 1]

    def _of_boxes(self, scores: Tensor) -> Tensor:
        return scores[:, self.default_boxes, 1:].flatten(1)
