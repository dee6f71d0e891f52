"""What a model must offer to be explained, and what a method gets to see of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ArgumentError, MethodError, did_you_mean
from convolens.trunks import Preprocessing
from convolens.trunks.receptive import ReceptiveField

INPUT = "input"  # in place of a tap's name: the picture as the network gets it
Rest = Callable[[Tensor], Tensor]  # values at a tap (M, C, rows, columns) → class scores (M, classes)


@runtime_checkable
class Explainable(Protocol):
    """A network that can be asked about its taps: a `Classifier`, or any module by `convolens.wrap_module`."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the scores; may be empty."""

    @property
    def taps(self) -> tuple[str, ...]:
        """Whose maps the head takes: what is explained unless another tap is asked for."""

    @property
    def passed_taps(self) -> tuple[str, ...]:
        """Every tap that the scores depend on."""

    @property
    def training(self) -> bool:
        """Whether it is in training mode."""

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to its input."""

    def preprocess(self, pictures: object) -> Tensor:
        """A picture as a batch of one, on the model's device."""

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
class HasExplained(Protocol):
    """A network whose output is more than class scores, and that knows which part of it is to be explained."""

    def explained(self) -> Explainable:
        """The network as one that gives class scores."""


class Found(Protocol):
    """The objects found in a picture, as a detector's `predict` gives them."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each one's class."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """How likely each is of its class."""

    @property
    def boxes_xyxy(self) -> NDArray[np.float32]:
        """`(objects, 4)`, in pixels of the picture."""

    @property
    def default_boxes(self) -> NDArray[np.int64]:
        """What each was said of: numbers that `explained` takes."""


@runtime_checkable
class FindsObjects(Protocol):
    """A detector: any number of objects in a picture, each of which can be asked about."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of what it finds."""

    @property
    def decode(self) -> Callable[..., Any]:
        """From its output to `Found`; only a detector has it."""

    def predict(self, images: Any) -> Any:
        """`Found`, for one picture."""

    def explained(self, default_boxes: Sequence[int]) -> Explainable:
        """The network as one that gives the class scores of some boxes, one box's after another's."""


@dataclass(frozen=True)
class View:
    """What a method sees: a batch, its values at one tap, and what the scores become when they are others.

    Attributes:
        model: what is explained.
        batch: preprocessed pictures.
        tap: where to look; `INPUT` is the batch itself.
        activations: the values there.
        relu_weights: whether only features whose weight is positive count.
        maps: the values at other taps, as far as they are at hand.
    """

    model: Explainable
    batch: Float[Tensor, "batch _channels _height _width"]
    tap: str
    activations: Float[Tensor, "batch _features _rows _columns"]
    relu_weights: bool = False
    maps: Mapping[str, Tensor] = field(default_factory=dict)

    def weighted(self, weights: Float[Tensor, "batch _features"]) -> Float[Tensor, "batch _rows _columns"]:
        """The features weighted and added up, at every place."""
        return torch.einsum("nk,nkrc->nrc", weights.relu() if self.relu_weights else weights, self.activations)

    @cached_property
    def rest(self) -> Rest:
        """The network from the tap on."""
        return self.model.rest(self.batch, self.tap, self.maps)

    @cached_property
    def graph(self) -> tuple[Tensor, Tensor]:
        """The features as the start of a graph, which reaches from the tap to the head, and the scores at its end."""
        with torch.enable_grad():
            at = self.activations.detach().requires_grad_()
            return at, self.rest(at)

    @property
    def class_weights(self) -> Float[Tensor, "classes features"] | None:
        """A pooled linear head's weights on the tap's features; None for another head."""
        return self.model.class_weights().get(self.tap)

    def alone(self, number: int) -> View:
        """The view of one picture of the batch."""
        only = slice(number, number + 1)
        maps = {tap: values[only] for tap, values in self.maps.items()}
        return View(self.model, self.batch[only], self.tap, self.activations[only], self.relu_weights, maps)

    def plain(self, level: float) -> Float[Tensor, "batch _channels _height _width"]:
        """The batch that pictures of one grey give, from 0 for black to 1 for white."""
        return self.model.preprocessing.normalize(torch.full_like(self.batch, level))


def need_gradient(score: Tensor) -> None:
    """Raises a `MethodError` where the score was made without a graph to go back through."""
    if not score.requires_grad:
        raise MethodError(
            "method: needs gradients, which a fused model gives only behind its trunk; explain the model itself, or "
            "take cam or scorecam"
        )


def check_taps(model: Explainable, taps: str | Sequence[str] | None) -> tuple[str, ...]:
    """The taps to look at: those asked for, or the head's own.

    Raises:
        ArgumentError: the scores do not depend on it, or one is asked for twice.
    """
    chosen = tuple(model.taps) if taps is None else (taps,) if isinstance(taps, str) else tuple(taps)
    for one in chosen:
        if one not in model.passed_taps:
            raise ArgumentError(
                f"taps: need some that the model passes ({', '.join(model.passed_taps)}), "
                f"got {one!r}{did_you_mean(one, model.passed_taps)}"
            )
    if not chosen or len(set(chosen)) < len(chosen):
        raise ArgumentError(f"taps: need at least one, each once, got {', '.join(chosen) or 'none'}")
    return chosen
