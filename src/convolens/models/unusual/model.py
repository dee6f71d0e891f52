"""The inspector: a trunk, taps of it, and what their features are like in good pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convolens.arrays import Real
from convolens.errors import ArgumentError, WeightsError, need_one_of
from convolens.heatmaps import Grid
from convolens.media.pixels import Picture, as_pictures, as_pixels, over_white
from convolens.models.inputs import batches, device_of, evaluating, need_finite
from convolens.models.model_file import ModelFile
from convolens.models.trunk_model import TrunkModel
from convolens.models.unusual.by_place import ByPlace
from convolens.models.unusual.limit import LEAST, limit
from convolens.models.unusual.memory_bank import MemoryBank
from convolens.models.unusual.taps import coarsest, default_taps, need_grid, place_features
from convolens.results import GOOD, UNUSUAL, Inspection, of_pictures, remembered
from convolens.trunks import Trunk
from convolens.trunks.registry import trunk as make_trunk

METHODS: dict[str, type[ByPlace | MemoryBank]] = {one.kind: one for one in (ByPlace, MemoryBank)}
FOLDS = 5  # of the good pictures: those of each are judged by the others, for the limit
_MOST_FEATURES = 1 << 28  # of a file's statistics


class Inspector(TrunkModel):
    """A trunk, taps of it, and statistics of their features in good pictures.

    Calling it takes a preprocessed batch and gives how unusual each place is, `(N, rows, columns)`: 1 is the limit.

    Args:
        trunk: the feature extractor; its preprocessing brings every picture to one size, all of it (`stretch`).
        statistics: of the features, one of `METHODS`.
        taps: names of the trunk's taps.
        limit: the distance that only unusual pictures reach.
        false_alarms: the fraction of good pictures that the limit was chosen to let through.
        metrics: what was measured on good pictures.
    """

    task: Literal["unusual"] = "unusual"

    def __init__(
        self,
        trunk: Trunk,
        statistics: ByPlace | MemoryBank,
        *,
        taps: Sequence[str],
        limit: float,
        false_alarms: float,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(trunk, trunk.chosen(taps), (GOOD, UNUSUAL), metrics)
        self.statistics, self.limit, self.false_alarms = statistics, limit, false_alarms
        self.input_size = _input_size(trunk)
        self.rows_columns = need_grid(trunk, self.taps, self.input_size)

    @property
    def grid(self) -> Grid:
        """Where the places are in the network's input."""
        field = self.trunk.receptive_field(coarsest(self.trunk, self.taps))
        return Grid(float(field.stride), field.offset + field.size / 2, self.input_size)

    def forward(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch rows columns"]:
        """Computes how unusual each place is."""
        maps = self.trunk(batch, taps=self.taps)
        return self.from_maps([maps[tap] for tap in self.taps])

    def from_maps(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch rows columns"]:
        """Computes it from the taps' maps, in order."""
        features = place_features(dict(zip(self.taps, maps, strict=True)), self.rows_columns)
        distances: Tensor = self.statistics(features)
        return distances.reshape(-1, *self.rows_columns) / self.limit

    @overload
    def predict(self, images: Picture, *, threshold: Real = ..., batch: int = ...) -> Inspection: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Iterable[Picture], *, threshold: Real = ..., batch: int = ...) -> list[Inspection]: ...
    def predict(
        self, images: Picture | Iterable[Picture], *, threshold: Real = 1.0, batch: int = 16
    ) -> Inspection | list[Inspection]:
        """Whether pictures are unusual, how much, and where.

        Args:
            images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for a classifier.
            threshold: the score from which a picture is unusual; 1 is the limit that good pictures gave.
            batch: how many pictures go through the network at once.

        Returns:
            One `Inspection`; for several pictures a list, in order.

        Raises:
            FileError: a picture cannot be read.
            ShapeError, DtypeError, ArgumentError: an array is no picture; a threshold that is no number above 0.
        """
        least = Inspection.least(threshold)
        pictures, many = as_pictures(images)
        found: list[Inspection] = []
        with evaluating(self):
            for one, items in batches(self._singles(pictures), batch):
                cells = need_finite(self(one).float()).cpu().numpy()
                made = (
                    Inspection.of(grid, self.grid, size, least) for grid, (size, _) in zip(cells, items, strict=True)
                )
                found += of_pictures(made, [kept for _, kept in items])
        return found if many else found[0]

    def _singles(self, pictures: Iterable[Picture]) -> Iterator[tuple[Tensor, tuple[tuple[int, int], Picture | None]]]:
        """Yields each picture preprocessed, with its size and what a result keeps of it."""
        for picture, kept in remembered(pictures):
            pixels = over_white(as_pixels(picture))
            yield self.preprocess(pixels), ((pixels.shape[0], pixels.shape[1]), kept)

    def _own_facts(self) -> dict[str, Any]:
        return {
            "method": self.statistics.kind,
            "statistics": self.statistics.facts(),
            "limit": self.limit,
            "false_alarms": self.false_alarms,
        }

    @classmethod
    def from_file(cls, file: ModelFile) -> Inspector:
        """Reads the model that `save` wrote.

        Raises:
            WeightsError: a fact or a tensor is missing, of the wrong kind, or does not fit the others.
        """
        taps, method = file.words("taps"), file.fact("method", str)
        need_one_of(f"{file.path}: its method", method, METHODS, WeightsError)
        sizes = file.fact("statistics", dict)
        numbers = {name: file.fact(name, float) for name in ("limit", "false_alarms")}
        if not all(math.isfinite(one) and one > 0 for one in numbers.values()):
            raise WeightsError(f"{file.path}: need a limit and a rate of false alarms above 0, got {numbers}")
        if not all(type(one) is int and 0 < one < _MOST_FEATURES for one in sizes.values()):
            raise WeightsError(f"{file.path}: need sizes of its statistics, got {sizes!r:.80}")

        def make(trunk: Trunk) -> Inspector:
            statistics = METHODS[method](**sizes)
            made = cls(trunk, statistics, taps=taps, metrics=file.fact("metrics", dict), **numbers)
            need_fit(made)
            return made

        return file.build(make)


def need_fit(model: Inspector) -> None:
    """Raises an `ArgumentError` where statistics are another trunk's, other taps' or of another size of pictures."""
    features = sum(model.trunk.channels(tap) for tap in model.taps)
    rows, columns = model.rows_columns
    known = model.statistics.facts()
    if known["features"] != features or known.get("places", rows * columns) != rows * columns:
        raise ArgumentError(
            f"statistics: need those of {features} features at {rows}×{columns} places, which {', '.join(model.taps)} "
            f"of {model.trunk.name} give, got {' and '.join(f'{value} {name}' for name, value in known.items())}"
        )


def inspector(
    trunk: str | Trunk,
    good: Float[Tensor, "pictures places features"],
    *,
    taps: Sequence[str] | str | None = None,
    method: str = ByPlace.kind,
    false_alarms: float = 0.01,
    seed: int = 0,
) -> tuple[Inspector, Float[np.ndarray, " pictures"]]:
    """A model by the features of good pictures, as `place_features` gives them.

    Args:
        trunk: its name, or one whose preprocessing has a `stretch`.
        good: features of good pictures.
        taps: that they are of; None takes those of `default_taps`.
        method: `padim` or `patchcore`.
        false_alarms: the fraction of good pictures that may be called unusual.
        seed: of the folds and of what a method draws.

    Returns:
        The model, and each good picture's score by the pictures of other folds: 1 is the limit.

    Raises:
        ArgumentError: too few pictures, no such method, or features of other taps or another size.
    """
    need_one_of("method", method, METHODS)
    if len(good) < LEAST:
        raise ArgumentError(
            f"data: need at least {LEAST} good pictures to know how they vary, got {len(good)}; add some"
        )
    body = trunk if isinstance(trunk, Trunk) else make_trunk(trunk, seed=seed, device="cpu")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(good)))
    statistics, held_out = METHODS[method].fitted(good, list(order.chunk(FOLDS)), seed)
    scores = held_out.amax(dim=1).numpy()
    most = max(limit(scores, false_alarms), 1e-6)
    chosen = default_taps(body) if taps is None else body.chosen(taps)
    made = Inspector(body, statistics, taps=chosen, limit=most, false_alarms=false_alarms)
    need_fit(made)
    return made.to(device_of(body, "auto")).eval(), scores / most


def _input_size(trunk: Trunk) -> tuple[int, int]:
    """Height and width of the network's input.

    Raises:
        ArgumentError: the preprocessing does not bring all pictures to one.
    """
    stretch = trunk.preprocessing.stretch
    if stretch is None:
        raise ArgumentError("preprocessing: need one that brings all of a picture to one size (stretch), got none")
    return (stretch, stretch) if isinstance(stretch, int) else (stretch[0], stretch[1])
