"""What models of all tasks are: a trunk, some of its taps, names of classes, and a file that keeps them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from convolens.errors import WeightsError
from convolens.layers.fusion.fused import Fused
from convolens.layers.fusion.kept import Convolution
from convolens.media.files import AnyPath
from convolens.models.int8_facts import int8_facts
from convolens.models.model_file import trunk_facts, write_model_file
from convolens.trunks import Preprocessing, Trunk


class TrunkModel(nn.Module):
    """A model on taps of a trunk.

    Args:
        trunk: the feature extractor.
        taps: names of those of its taps whose maps are used.
        class_names: one for each class.
        metrics: what was measured on pictures it was not trained on; kept in the model file.

    Attributes:
        int8: of a quantized model, where that was measured: `metric`, `before` and `after`, and on how many `pictures`.
    """

    task: str

    def __init__(
        self, trunk: Trunk, taps: Sequence[str], class_names: Sequence[str], metrics: Mapping[str, float] | None
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.taps, self.class_names = tuple(taps), tuple(class_names)
        self.metrics = dict(metrics or {})
        self.int8: dict[str, Any] = {}

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to a picture to make the network's input."""
        return self.trunk.preprocessing

    def preprocess(self, pictures: object) -> Float[Tensor, "batch channels height width"]:
        """Makes pictures (paths, arrays, one or many of one size) a batch on the model's device."""
        return self.trunk.preprocess(pictures)

    @abstractmethod
    def _own_facts(self) -> dict[str, Any]:
        """What the file says of the model beside what every model's does, in plain values."""

    def save(self, path: AnyPath) -> None:
        """Writes the model to one `.safetensors` file that `convolens.load` reads.

        Args:
            path: where to write.

        Raises:
            WeightsError: another suffix; or it is a fused copy, whose weights are no longer the model's.
            FileError: it cannot be written.
        """
        need_unfused(self, "save")
        facts = {
            "task": self.task,
            **trunk_facts(self.trunk),
            **self._own_facts(),
            "taps": self.taps,
            "class_names": self.class_names,
            "metrics": self.metrics,
            **int8_facts(self, self.int8),
        }
        write_model_file(path, self, facts)


def need_unfused(model: nn.Module, verb: str) -> None:
    """Refuses a fused copy, whose weights are no longer the model's.

    Raises:
        WeightsError: it is one.
    """
    if any(isinstance(part, Fused | Convolution) for part in model.modules()):
        raise WeightsError(f"model: need the model itself to {verb}, got a fused copy; {verb} the model that was fused")
