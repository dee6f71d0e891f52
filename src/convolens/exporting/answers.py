"""A network with the arithmetic that follows it, on a preprocessed batch: what torch's exporter is given.

It is the models' own code, so that the file computes what they compute. What depends on the pictures' sizes, and the
choice of a detector's objects, is in `tasks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn.functional import conv2d

from convolens.boxes import corners_of
from convolens.features.learned_edges import SIDES, fuse_sides
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.detect.decoding import probabilities
from convolens.models.detect.offsets import decode
from convolens.models.heads import PooledHead
from convolens.models.localize import Localizer, Predictions
from convolens.models.unusual import Inspector
from convolens.trunks import Trunk


class Probabilities(nn.Module):
    """The probability of each class, `(N, classes)`."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        return (self.model.probabilities(self.model(batch)),)


class Activations(nn.Module):
    """The probability of each class, and for each tap its class activation maps, `(N, classes, rows, columns)`.

    The mean of a map, added over the taps, is the class's score without its bias.
    """

    def __init__(self, model: Classifier, head: PooledHead) -> None:
        super().__init__()
        self.model = model
        for number, weight in enumerate(head.weights_by_tap()):
            self.register_buffer(f"weight_{number}", weight.detach()[:, :, None, None])

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        found = self.model.trunk(batch, taps=self.model.taps)
        maps = [found[tap] for tap in self.model.taps]
        active = (conv2d(one, self.get_buffer(f"weight_{number}")) for number, one in enumerate(maps))
        return self.model.probabilities(self.model.from_maps(maps)), *active


class Place(nn.Module):
    """Class probabilities `(N, classes)`, objectness `(N,)`, corners as fractions of the picture `(N, 4)`."""

    def __init__(self, model: Localizer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        found = Predictions.of(self.model(batch))
        return found.classes.softmax(dim=1), found.object.sigmoid(), corners_of(found.boxes).clamp(0, 1)


class Boxes(nn.Module):
    """Class probabilities `(N, boxes, classes)` and corners as fractions of the picture `(N, boxes, 4)`."""

    defaults: Tensor

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("defaults", model.grids.boxes)

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        found = self.model(batch)
        corners = corners_of(decode(found.offsets, self.defaults)).clamp(0, 1)
        return probabilities(found.scores, self.model.objectness), corners


class Places(nn.Module):
    """How unusual a picture is, `(N,)`, and each of its places, `(N, rows, columns)`; 1 is the limit."""

    def __init__(self, model: Inspector) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        places = self.model(batch)
        return places.amax(dim=(1, 2)), places


class Edges(nn.Module):
    """How likely each pixel lies on an outline, `(N, height, width)`."""

    def __init__(self, trunk: Trunk, heads: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.trunk, self.names = trunk, tuple(heads)
        for number, name in enumerate(self.names):
            self.register_buffer(f"head_{number}", heads[name].detach())

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        heads = {name: self.get_buffer(f"head_{number}") for number, name in enumerate(self.names)}
        maps = self.trunk(batch, taps=tuple(SIDES))
        sides = [conv2d(maps[tap], heads[f"{side}.weight"], heads[f"{side}.bias"]) for tap, side in SIDES.items()]
        return (fuse_sides(sides, heads, batch.shape[2:])[:, 0],)


class Maps(nn.Module):
    """The maps at taps of a trunk."""

    def __init__(self, trunk: Trunk, taps: Sequence[str]) -> None:
        super().__init__()
        self.trunk, self.taps = trunk, tuple(taps)

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Computes them."""
        return tuple(self.trunk(batch, taps=self.taps).values())
