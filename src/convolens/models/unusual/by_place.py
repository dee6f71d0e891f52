"""How features vary at each place: a Gaussian whose covariance is one that all places share, changed where they differ.

Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization", ICPR 2021
workshops, section III: at each place a mean and a covariance of the features of several layers, no step of training,
and the Mahalanobis distance from it. Differs from the paper in that a covariance of a few hundred features is not
estimated from some dozens of pictures at every place on its own: features are whitened by the covariance that all
places share, and there each place has its own scale and its own few directions, shrunk as Ledoit & Wolf do ("A
well-conditioned estimator for large-dimensional covariance matrices", 2004, section 3.3). All features are kept, where
the paper draws a hundred.

Cost: one product of the features with a square matrix for each place, twice; memory: features × places × (1 + RANK).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

RANK = 8  # directions of its own that a place has
RIDGE = 0.1  # of the mean variance, added to the shared covariance: 0.01 and 0.001 found fewer defects on bricks
FLOOR = 0.05  # of the shared variance: a place that never changed in good pictures would else allow no noise at all
_STEPS = 2  # of the subspace iteration


class ByPlace(nn.Module):
    """A mean, a scale and a few directions for each place, in features whitened for all.

    Args:
        places: how many.
        features: how many a place has.

    Buffers: `mean` `(places, features)`; `whiten` `(features, features)`; `scale` `(places,)`, the standard deviation
    in whitened features; `directions` `(places, RANK, features)`, of unit length times the root of what they take off
    the squared length.
    """

    kind = "padim"
    mean: Tensor
    whiten: Tensor
    scale: Tensor
    directions: Tensor

    def __init__(self, places: int, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(places, features))
        self.register_buffer("whiten", torch.zeros(features, features))
        self.register_buffer("scale", torch.ones(places))
        self.register_buffer("directions", torch.zeros(places, RANK, features))

    def facts(self) -> dict[str, int]:
        """What it takes to make it again, with its tensors."""
        places, features = self.mean.shape
        return {"places": places, "features": features}

    def forward(self, features: Float[Tensor, "batch places features"]) -> Float[Tensor, "batch places"]:
        """Each place's Mahalanobis distance, over the root of the number of features: about 1 in good pictures."""
        white = (features - self.mean) @ self.whiten
        along = torch.einsum("bpf,prf->bpr", white, self.directions)
        squared = (white.square().sum(dim=2) - along.square().sum(dim=2)).clamp_min(0)
        distances: Tensor = squared.div(white.shape[2]).sqrt() / self.scale
        return distances

    @classmethod
    def fitted(
        cls, features: Float[Tensor, "pictures places features"], folds: list[Tensor], seed: int
    ) -> tuple[ByPlace, Float[Tensor, "pictures places"]]:
        """The statistics of good pictures, and each one's distances from those of the pictures of other folds.

        Args:
            features: of good pictures.
            folds: the numbers of the pictures of each.
            seed: of the directions' first guess.
        """
        whiten = _whitening(features)
        held_out = torch.empty(features.shape[:2])
        for fold in folds:
            others = torch.ones(len(features), dtype=torch.bool)
            others[fold] = False
            held_out[fold] = cls._of(features[others], whiten, seed)(features[fold])
        return cls._of(features, whiten, seed), held_out

    @classmethod
    def _of(cls, features: Tensor, whiten: Tensor, seed: int) -> ByPlace:
        """The places' own statistics, in whitened features."""
        made = cls(*features.shape[1:])
        mean = features.mean(dim=0)
        white = ((features - mean) @ whiten).transpose(0, 1)  # places, pictures, features
        spread, leading, directions = _shrunk(white, seed)
        spread = spread.clamp_min(FLOOR)
        taken = (1 - spread[:, None] / leading).clamp_min(0).sqrt()
        made.mean, made.whiten, made.scale = mean, whiten, spread.sqrt()
        made.directions[:, : directions.shape[1]] = directions * taken[:, :, None]
        return made


def _whitening(features: Float[Tensor, "pictures places features"]) -> Float[Tensor, "features features"]:
    """What makes the covariance around the places' means, of all places together, the identity."""
    count = features.shape[2]
    covariance = torch.zeros(count, count, dtype=torch.float64)
    mean = features.mean(dim=0)
    for one in features:
        away = one - mean
        covariance += (away.T @ away).double()
    covariance /= features.shape[1] * max(1, len(features) - 1)
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-12)
    covariance += ridge * torch.eye(count, dtype=torch.float64)
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance))
    return factor.float()


def _shrunk(
    white: Float[Tensor, "places pictures features"], seed: int
) -> tuple[Float[Tensor, " places"], Float[Tensor, "places rank"], Float[Tensor, "places rank features"]]:
    """Each place's covariance, shrunk to a multiple of the identity: its leading directions, and what is left.

    Returns:
        The variance in the directions that are not among the leading ones, and the leading ones' variances and
        directions.
    """
    count, features = white.shape[1:]
    gram = white @ white.transpose(1, 2)
    norms = gram.diagonal(dim1=1, dim2=2)
    total = norms.sum(dim=1) / count
    middle = total / features
    squared = gram.square().sum(dim=(1, 2)) / count**2
    apart = (squared / features - middle.square()).clamp_min(1e-12)
    noise = (norms.square().sum(dim=1) - count * squared) / count**2 / features
    shrinkage = (noise / apart).clamp(0, 1)
    rank = min(RANK, count - 1, features)
    leading, directions = _leading(white, rank, seed)
    rest = (total - leading.sum(dim=1)).clamp_min(0) / max(1, features - rank)
    kept = (shrinkage * middle, 1 - shrinkage)
    return kept[0] + kept[1] * rest, kept[0][:, None] + kept[1][:, None] * leading, directions


def _leading(white: Tensor, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    """The largest variances and their directions, by subspace iteration (Halko et al., 2011, algorithm 4.4)."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(white.shape[1], rank, generator=generator)
    basis = torch.linalg.qr(white.transpose(1, 2) @ start)[0]
    for _ in range(_STEPS):
        basis = torch.linalg.qr(white.transpose(1, 2) @ (white @ basis))[0]
    _, values, across = torch.linalg.svd(white @ basis, full_matrices=False)
    return values.square() / white.shape[1], across @ basis.transpose(1, 2)
