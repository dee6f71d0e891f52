"""What a method gets of the explained model: its values at one tap, and the scores as a function of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.errors import ArgumentError, MethodError, did_you_mean
from convolens.forks import cached_property
from convolens.models.tap_scores import Rest, TapScores

INPUT = "input"  # in place of a tap's name: the picture as the network gets it


@dataclass(frozen=True)
class View:
    """What a method gets: a batch, its values at one tap, and the scores as a function of the values there.

    Attributes:
        model: the explained model.
        batch: preprocessed pictures.
        tap: where to look; `INPUT` is the batch itself.
        activations: the values there.
        relu_weights: whether only features whose weight is positive count.
        maps: the values at other taps, as far as they are known.
    """

    model: TapScores
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
        """The network behind the tap."""
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
        """The batch of pictures of one grey, from 0 for black to 1 for white."""
        return self.model.preprocessing.normalize(torch.full_like(self.batch, level))


def need_gradient(score: Tensor) -> None:
    """Raises a `MethodError` where the score was made without a graph to go back through."""
    if not score.requires_grad:
        raise MethodError(
            "method: needs gradients, which a fused model gives only behind its trunk; explain the model itself, or "
            "take cam or scorecam"
        )


def check_taps(model: TapScores, taps: str | Sequence[str] | None) -> tuple[str, ...]:
    """The taps whose maps are explained: the requested ones, or the head's own.

    Raises:
        ArgumentError: the scores do not depend on it, or one is requested twice.
    """
    if not isinstance(taps, str | Sequence | None):
        raise ArgumentError(f"taps: need names, got {taps!r:.100}")
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
