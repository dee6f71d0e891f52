"""How far a picture is from those that were learned from: a mean for each class, and one covariance that all share.

Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS
2018, section 2.1: features are whitened by the covariance around the classes' means, shrunk as Ledoit & Wolf do ("A
well-conditioned estimator for large-dimensional covariance matrices", 2004, section 3.3), and the nearest class counts.
Differs from the paper in that features are the mean and the spread over the picture, and of these the square roots, as
what is larger varies more; that near is a small angle, seen from the middle of all classes, not a small distance
(`benchmarks/familiar.py` has both: what changes with light or contrast goes away from a class without going towards
another); that of the covariance's directions the `RANK` leading
ones are kept and the others share their variance; and that taps are side by side, without weights learned from
unfamiliar pictures. Of one group there is no angle, and the distance counts.

Cost: of a picture features × RANK products; of a fit a few times pictures × features × RANK. Memory of the file:
4 bytes × features × (classes + RANK).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convolens.errors import ArgumentError

RANK = 256  # directions with a variance of their own
LEAST_OF_CLASS = 2  # pictures: one alone has no spread
_CONSTANT = 1e-6  # of a feature's size: what varies less is the same in all pictures
_STEPS = 3  # of the subspace iteration


def descriptions(maps: Sequence[Float[Tensor, "batch _features _rows _columns"]]) -> Float[Tensor, "batch features"]:
    """Describes pictures: the mean and the standard deviation of each feature over the picture, tap after tap."""
    cells = [one.flatten(2) for one in maps]
    return torch.cat([part for one in cells for part in (one.mean(dim=2), one.std(dim=2, correction=0))], dim=1)


class ClassStatistics(nn.Module):
    """Statistics of descriptions.

    Args:
        features: numbers in a description.
        groups: means: one for each class, or a single one where a picture may show several of them.
        rank: directions with a variance of their own.
        roots: whether descriptions are compared by their square roots; files of earlier versions have none.

    Buffers: `center` `(features,)`, the middle of the classes; `scale` `(features,)`, what brings a description to unit
    variance outside the leading directions; `means` `(groups, features)`, from the middle, in these units; `directions`
    `(rank, features)`, of unit length times the root of what they take off the squared length.
    """

    center: Tensor
    scale: Tensor
    means: Tensor
    directions: Tensor

    def __init__(self, features: int, groups: int, rank: int, *, roots: bool = True) -> None:
        super().__init__()
        self.roots = roots
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("means", torch.zeros(groups, features))
        self.register_buffer("directions", torch.zeros(rank, features))

    def facts(self) -> dict[str, int]:
        """What it takes to make it again, with its tensors."""
        (groups, features), rank = self.means.shape, self.directions.shape[0]
        return {"features": features, "groups": groups, "rank": rank, "roots": self.roots}

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, " batch"]:
        """How far descriptions are from the nearest class: 1 - the cosine of the angle; of one group, the distance."""
        x = ((_roots(features) if self.roots else features) - self.center) * self.scale
        along, means_along = x @ self.directions.T, self.means @ self.directions.T
        length = _length(x, along)
        if len(self.means) == 1:
            distance: Tensor = length / features.shape[1] ** 0.5
            return distance
        cosine = (x @ self.means.T - along @ means_along.T) / (length[:, None] * _length(self.means, means_along))
        nearest: Tensor = (1 - cosine).clamp_min(0).amin(dim=1)
        return nearest

    @classmethod
    def fitted(
        cls, features: Float[Tensor, "pictures features"], groups: Int[Tensor, " pictures"], seed: int = 0
    ) -> ClassStatistics:
        """The statistics of pictures that were learned from.

        Args:
            features: their descriptions.
            groups: the number of each one's class.
            seed: of the directions' first guess.

        Raises:
            ArgumentError: a class has too few.
        """
        counts = torch.bincount(groups)
        if int(counts.min()) < LEAST_OF_CLASS:
            raise ArgumentError(
                f"familiar: need at least {LEAST_OF_CLASS} pictures of each class for a covariance, got "
                f"{int(counts.min())} of class number {int(counts.argmin())}"
            )
        x = _roots(features.double())
        means = torch.stack([x[groups == group].mean(dim=0) for group in range(len(counts))])
        away = x - means[groups]
        spread = away.square().mean(dim=0).sqrt()
        varies = spread > _CONSTANT * x.abs().amax(dim=0).clamp_min(1e-30)
        scale = torch.where(varies, 1 / spread.clamp_min(1e-30), 0.0)
        rest, leading, directions = _shrunk((away * scale).float(), seed)
        made = cls(features.shape[1], len(counts), len(leading))
        scale, center = scale / rest.sqrt(), means.mean(dim=0)
        made.center, made.scale, made.means = center.float(), scale.float(), ((means - center) * scale).float()
        made.directions = directions * (1 - rest / leading).clamp_min(0).sqrt()[:, None].float()
        return made


def _roots(features: Tensor) -> Tensor:
    """With their signs, as not every trunk's features are above 0."""
    found: Tensor = features.sign() * features.abs().sqrt()
    return found


def _length(x: Tensor, along: Tensor) -> Tensor:
    """Of whitened vectors, by those that are not and what lies along the directions."""
    found: Tensor = (x.square().sum(dim=1) - along.square().sum(dim=1)).clamp_min(1e-12).sqrt()
    return found


class _Shrunk(NamedTuple):
    """The variance outside the leading directions, theirs `(rank,)`, and themselves `(rank, features)`."""

    rest: Tensor
    leading: Tensor
    directions: Tensor


def _shrunk(away: Float[Tensor, "pictures features"], seed: int) -> _Shrunk:
    """The covariance of differences from means, shrunk to a multiple of the identity."""
    count, features = away.shape
    norms = away.square().sum(dim=1).double()
    total = norms.sum() / count
    middle = total / features
    squared = (away @ away.T if count < features else away.T @ away).double().square().sum() / count**2
    apart = (squared / features - middle.square()).clamp_min(1e-12)
    noise = (norms.square().sum() - count * squared) / count**2 / features
    shrinkage = (noise / apart).clamp(0, 1)
    rank = min(RANK, count - 1, features)
    leading, directions = _leading(away, rank, seed)
    rest = (total - leading.sum()).clamp_min(1e-9 * float(total) + 1e-30) / max(1, features - rank)
    shrunk = shrinkage * middle + (1 - shrinkage) * torch.stack([rest, *leading])
    return _Shrunk(shrunk[0], shrunk[1:], directions)


def _leading(away: Tensor, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    """The largest variances and their directions, by subspace iteration (Halko et al., 2011, algorithm 4.4)."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(away.T @ torch.randn(len(away), rank, generator=generator))[0]
    for _ in range(_STEPS):
        basis = torch.linalg.qr(away.T @ (away @ basis))[0]
    _, values, across = torch.linalg.svd(away @ basis, full_matrices=False)
    return values.double().square() / len(away), across @ basis.T
