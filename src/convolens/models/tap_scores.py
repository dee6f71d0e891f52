"""What can be explained: class scores that depend on maps at named taps.

`convolens.explain` asks for nothing else. `TrunkScores` is that of a model on a trunk, whichever its task;
`explanation.wrap` makes it of any torch module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from convolens.trunks import Preprocessing, Trunk
from convolens.trunks.receptive import ReceptiveField

Rest = Callable[[Tensor], Tensor]  # values at a tap (M, C, rows, columns) → class scores (M, classes)


@runtime_checkable
class TapScores(Protocol):
    """Class scores that depend on maps at taps."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the scores; may be empty."""

    @property
    def taps(self) -> tuple[str, ...]:
        """Whose maps the head takes: what is explained unless another tap is asked for."""

    @property
    def passed_taps(self) -> tuple[str, ...]:
        """Every tap that the scores depend on."""

    def named_modules(self) -> Iterable[tuple[str, nn.Module]]:
        """The network and its parts, each with its mode."""

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to its input."""

    def preprocess(self, pictures: object) -> Tensor:
        """A picture as a batch of one, on the network's device."""

    def __call__(self, batch: Tensor) -> Tensor:
        """Class scores before softmax."""

    def probabilities(self, scores: Tensor) -> Tensor:
        """The scores as probabilities."""

    def maps(self, batch: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
        """The maps at the taps."""

    def rest(self, batch: Tensor, tap: str, maps: Mapping[str, Tensor] | None = None) -> Rest:
        """The network from a tap on, other inputs being those of `batch`.

        `maps` of taps that are at hand need not be computed again.

        What it returns takes several values for each picture of the batch, one picture's after another's.
        """

    def field(self, tap: str) -> ReceptiveField | None:
        """What a cell of the tap's map sees of its input; None where that is not known."""

    def class_weights(self) -> dict[str, Tensor]:
        """For a pooled linear head, each tap's `(classes, C)`; empty for any other head."""


@runtime_checkable
class HasTapScores(Protocol):
    """A model that knows which part of its output are class scores."""

    def explained(self) -> TapScores:
        """The scores to explain."""


def tap_scores(model: TapScores | HasTapScores) -> TapScores:
    """What is explained of a model: its class scores, or itself where it is such already."""
    return model.explained() if isinstance(model, HasTapScores) else model


@runtime_checkable
class OnTaps(Protocol):
    """A model on taps of a trunk, of any task."""

    trunk: Trunk

    def named_modules(self) -> Iterable[tuple[str, nn.Module]]:
        """The model and its parts, each with its mode."""

    @property
    def taps(self) -> tuple[str, ...]:
        """Whose maps it takes."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each class."""

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to its input."""

    def preprocess(self, pictures: object) -> Tensor:
        """Pictures as a batch."""

    def __call__(self, batch: Tensor) -> Any:
        """The outputs."""

    def from_maps(self, maps: Sequence[Tensor]) -> Any:
        """The outputs that the taps' maps, in order, lead to."""


class TrunkScores:
    """The class scores in the outputs of a model on a trunk.

    Args:
        model: the model.
        scores: its outputs → `(N, classes)`.
        probabilities: those → probabilities.
        deepest: the deepest tap that the scores depend on; None for the model's own deepest.
        class_weights: gives what `TapScores.class_weights` does.
    """

    def __init__(
        self,
        model: OnTaps,
        scores: Callable[[Any], Tensor],
        probabilities: Callable[[Tensor], Tensor],
        *,
        deepest: str | None = None,
        class_weights: Callable[[], dict[str, Tensor]] = dict,
    ) -> None:
        self.model, self.scores, self.probabilities, self.class_weights = model, scores, probabilities, class_weights
        self.class_names, self.taps, self.preprocess = model.class_names, model.taps, model.preprocess
        order = model.trunk.taps
        self.passed_taps = order[: order.index(deepest or max(self.taps, key=order.index)) + 1]

    def named_modules(self) -> Iterable[tuple[str, nn.Module]]:
        """Those of the model."""
        return self.model.named_modules()

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to the network's input."""
        return self.model.preprocessing

    def __call__(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Class scores before softmax."""
        return self.scores(self.model(batch))

    def maps(self, batch: Float[Tensor, "batch channels height width"], taps: Sequence[str]) -> dict[str, Tensor]:
        """The trunk's maps at the taps."""
        found: dict[str, Tensor] = self.model.trunk(batch, taps=taps)
        return found

    def rest(
        self, batch: Float[Tensor, "batch channels height width"], tap: str, maps: Mapping[str, Tensor] | None = None
    ) -> Rest:
        """The network from a tap on: from values there, several for each picture of the batch, to class scores.

        The head's taps before it come from `maps`, or else from running the trunk on the batch.
        """
        trunk = self.model.trunk
        later = [name for name in self.taps if trunk.taps.index(name) >= trunk.taps.index(tap)]
        earlier = _maps_at(trunk, batch, [name for name in self.taps if name not in later], maps or {})

        def scores(value: Tensor) -> Tensor:
            copies = len(value) // len(batch)
            at = {name: map_.repeat_interleave(copies, dim=0) for name, map_ in earlier.items()}
            at |= trunk.resume(tap, value, later)
            return self.scores(self.model.from_maps([at[name] for name in self.taps]))

        return scores

    def field(self, tap: str) -> ReceptiveField:
        """What a cell of the tap's map sees of the network's input."""
        return self.model.trunk.receptive_field(tap)


def _maps_at(trunk: Trunk, batch: Tensor, taps: Sequence[str], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The trunk's maps at the taps; it is run only for those that are not known yet."""
    missing = [tap for tap in taps if tap not in known]
    return {tap: known[tap] for tap in taps if tap in known} | (trunk(batch, taps=missing) if missing else {})
