"""Heads: what turns a trunk's maps into the scores of classes. A head takes the maps of its taps, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convolens.errors import ArgumentError
from convolens.trunks import OriginalHead
from convolens.trunks.blocks import need_weights


class PooledHead(nn.Module):
    """The mean of every feature over the picture, tap after tap, and one linear layer on them.

    As the mean and the linear layer commute, every cell of a map says how much it adds to each class: that is what a
    class activation map shows, exactly. Pictures of any size fit.

    Lin, Chen & Yan, "Network In Network", ICLR 2014, section 3.2; Zhou et al., "Learning Deep Features for
    Discriminative Localization", CVPR 2016.

    Args:
        channels: how many features each tap has.
        classes: how many scores to give.
    """

    kind = "gap"

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        if not channels or classes < 1:
            raise ArgumentError(f"head: need at least one tap and one class, got {len(channels)} and {classes}")
        self.channels = tuple(channels)
        need_weights(sum(channels) * classes, f"a head of {classes:,} classes", "give fewer")
        self.linear = nn.Linear(sum(self.channels), classes)

    @classmethod
    def of(cls, head: OriginalHead) -> PooledHead:
        """The same scores as a published head that pools to one place, as ResNet's does.

        Raises:
            ArgumentError: it keeps a larger map, as VGG's does.
        """
        dense = list(head.children())
        if head.side != 1 or len(dense) != 1 or not isinstance(dense[0], nn.Linear):
            raise ArgumentError(
                "head: need classes for a new pooled head: this network's own has dense layers on a map of "
                f"{head.side}×{head.side} cells; give classes, or take head='original'"
            )
        with torch.device("meta"):
            pooled = cls((dense[0].in_features,), dense[0].out_features)
        pooled.linear = dense[0]
        return pooled

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _channels _height _width"]]
    ) -> Float[Tensor, "batch classes"]:
        """Computes class scores (logits) from the taps' maps."""
        scores: Tensor = self.linear(self.pool(maps))
        return scores

    def pool(self, maps: Sequence[Float[Tensor, "batch _channels _height _width"]]) -> Float[Tensor, "batch features"]:
        """Computes the mean of each feature over the picture, the taps side by side."""
        return torch.cat([tap.mean(dim=(2, 3)) for tap in maps], dim=1)

    def layers(self) -> list[nn.Module]:
        """Returns all it does on a single tap, as layers in a row."""
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), self.linear]

    def weights_by_tap(self) -> tuple[Float[Tensor, "classes _channels"], ...]:
        """The linear layer's weights, cut into each tap's part."""
        return torch.split(self.linear.weight, list(self.channels), dim=1)


# By the name in a model file.
HEADS = {PooledHead.kind: PooledHead}
