"""How familiar pictures are to a classifier: statistics of what it learned, and what a distance from them means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.errors import ArgumentError, WeightsError
from convolens.models.familiar.class_statistics import ClassStatistics
from convolens.models.familiar.kept_out import LEAST, KeptOut

_SIZES = ("features", "groups", "rank", "kept_out")
_MOST = 1 << 28  # numbers of a file's statistics


class Familiarity(nn.Module):
    """Statistics of the pictures that a classifier learned from, and distances of some that were kept out.

    Args:
        statistics: of the former.
        kept_out: of the latter.
    """

    def __init__(self, statistics: ClassStatistics, kept_out: KeptOut) -> None:
        super().__init__()
        self.statistics, self.kept_out = statistics, kept_out

    def of(self, features: Float[Tensor, "pictures features"]) -> NDArray[np.float64]:
        """How familiar pictures are, from 0 to 1, by their descriptions."""
        return self.kept_out.familiar(self.statistics(features.float()).cpu().numpy())

    def facts(self) -> dict[str, int]:
        """What it takes to make it again, with its tensors."""
        return {**self.statistics.facts(), "kept_out": len(self.kept_out.distances)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], path: object) -> Familiarity:
        """One of such sizes, to be filled.

        Raises:
            WeightsError: they are none.
        """
        sizes, roots = {name: facts.get(name) for name in _SIZES}, facts.get("roots", False)
        if (
            set(facts) - {"roots"} != set(_SIZES)
            or type(roots) is not bool
            or not all(type(one) is int and 0 < one < _MOST for one in sizes.values())
        ):
            raise WeightsError(f"{path}: need sizes of statistics under 'familiar' in its header, got {facts!r:.80}")
        features, groups, rank, count = sizes.values()
        return cls(ClassStatistics(features, groups, rank, roots=roots), KeptOut(count))  # type: ignore[arg-type]

    @classmethod
    def fitted(
        cls,
        features: Float[Tensor, "pictures features"],
        groups: Int[Tensor, " pictures"],
        kept_out: Float[Tensor, "others features"],
        seed: int = 0,
    ) -> Familiarity:
        """Statistics of pictures that were learned from.

        Args:
            features: their descriptions.
            groups: the number of each one's class.
            kept_out: descriptions of pictures of the same kind that were not learned from.
            seed: of what is drawn.

        Raises:
            ArgumentError: too few of a class, or too few kept out.
        """
        _need_enough(len(kept_out))
        statistics = ClassStatistics.fitted(features, groups, seed)
        return cls.by(statistics, statistics(kept_out.float()).numpy())

    @classmethod
    def by(cls, statistics: ClassStatistics, distances: Float[np.ndarray, " others"]) -> Familiarity:
        """By distances of pictures that the statistics are not of. Errors as of `fitted`."""
        _need_enough(len(distances))
        return cls(statistics, KeptOut.of(distances))

    def need_fit(self, features: int, groups: int, whose: str) -> None:
        """Raises an `ArgumentError` where it is another trunk's, of other taps or of other classes."""
        known = self.facts()
        if (known["features"], known["groups"]) != (features, groups):
            raise ArgumentError(
                f"familiar: need statistics of {features} features and {groups} means, which {whose} and its classes "
                f"have, got {known['features']} and {known['groups']}, another model's"
            )


def _need_enough(count: int) -> None:
    if count < LEAST:
        raise ArgumentError(
            f"familiar: need at least {LEAST} pictures or sounds kept out of training to know how far such are, got "
            f"{count}"
        )
