"""Features that good pictures have: some hundreds that lie near all others, whatever their place.

Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022 (PatchCore), sections 3.1 and 3.2: a
coreset of the features of all places, by greedy selection in a random projection (Sener & Savarese, "Active Learning
for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018, algorithm 1), and the distance from the nearest.
Differs from the paper in that a picture's score is its largest distance, without the weight of equation 7, and that the
coreset has a number of features, not a fraction of them.

Cost: of a fit features drawn × coreset × `_PROJECTED`; of a picture places × coreset × features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

SIZE = 1000  # of the coreset
_DRAWN = 40_000  # features that the coreset is chosen among
_PROJECTED = 64  # dimensions of the random projection that distances are compared in


class MemoryBank(nn.Module):
    """Features of good pictures; how far others are from the nearest of them.

    Args:
        size: how many.
        features: how many numbers each has.

    Buffers: `bank` `(size, features)`.
    """

    kind = "patchcore"
    bank: Tensor

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.register_buffer("bank", torch.zeros(size, features))

    def facts(self) -> dict[str, int]:
        """What it takes to make it again, with its tensors."""
        size, features = self.bank.shape
        return {"size": size, "features": features}

    def forward(self, features: Float[Tensor, "batch places features"]) -> Float[Tensor, "batch places"]:
        """Each place's distance from the nearest in the bank, over the root of the number of features."""
        return _squared(features, self.bank).amin(dim=2).clamp_min(0).div(features.shape[2]).sqrt()

    @classmethod
    def fitted(
        cls, features: Float[Tensor, "pictures places features"], folds: list[Tensor], seed: int
    ) -> tuple[MemoryBank, Float[Tensor, "pictures places"]]:
        """The bank of good pictures, and each one's distances from those in it of the pictures of other folds.

        Args:
            features: of good pictures.
            folds: the numbers of the pictures of each.
            seed: of what is drawn and of the projection.
        """
        chosen = coreset(features.flatten(0, 1), SIZE, seed)
        of_picture = chosen // features.shape[1]
        bank = features.flatten(0, 1)[chosen]
        held_out = torch.empty(features.shape[:2])
        for fold in folds:
            others = bank[~torch.isin(of_picture, fold)]
            for picture in fold.tolist():
                held_out[picture] = _of(others)(features[picture : picture + 1])[0]
        return _of(bank), held_out


def _of(bank: Tensor) -> MemoryBank:
    made = MemoryBank(*bank.shape)
    made.bank = bank
    return made


def _squared(features: Tensor, bank: Tensor) -> Tensor:
    """Squared distances, by a product of matrices."""
    return features.square().sum(dim=-1, keepdim=True) - 2 * features @ bank.T + bank.square().sum(dim=1)


def coreset(features: Float[Tensor, "count features"], size: int, seed: int) -> Tensor:
    """The numbers of `size` features, at most, chosen one after another, each the farthest from all before it.

    >>> sorted(coreset(torch.tensor([[0.0], [0.1], [5.0], [9.0]]), 3, 0).tolist())[1:]
    [2, 3]
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(features), generator=generator)[:_DRAWN]
    projection = torch.randn(features.shape[1], min(_PROJECTED, features.shape[1]), generator=generator)
    points = features[drawn] @ projection
    lengths = points.square().sum(dim=1)
    chosen, nearest = [0], torch.full((len(points),), torch.inf)
    while len(chosen) < min(size, len(points)):
        last = points[chosen[-1]]
        nearest = torch.minimum(nearest, lengths - 2 * points @ last + last @ last)
        chosen.append(int(nearest.argmax()))
    return drawn[chosen]
