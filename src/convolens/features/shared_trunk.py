"""Several heads on one trunk, which is run once for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from convolens.errors import ArgumentError
from convolens.features.convolutionalize import HasTrunk
from convolens.trunks.trunk import Trunk


def share_trunk(trunk: Trunk, heads: Mapping[str, nn.Module]) -> SharedTrunk:
    """Several models on the same trunk as one that runs the trunk once.

    Args:
        trunk: the one they share.
        heads: name → a model on this very trunk (a classifier, …), of which the head and its taps are used.

    Raises:
        ArgumentError: no heads, or one on another trunk.

    >>> from torch import zeros
    >>> from convolens.models.classify import classifier
    >>> from convolens.trunks.registry import trunk
    >>> body = trunk("resnet18", width=0.25)
    >>> both = share_trunk(body, {"animal": classifier(body, classes=3), "weather": classifier(body, classes=2)})
    >>> {name: scores.shape for name, scores in both(zeros(1, 3, 64, 64)).items()}
    {'animal': torch.Size([1, 3]), 'weather': torch.Size([1, 2])}
    """
    if not isinstance(heads, Mapping) or not heads:
        raise ArgumentError(f"heads: need a model for each name, at least one, got {heads!r:.200}")
    models: dict[str, HasTrunk] = {}
    for name, model in heads.items():
        if not isinstance(name, str) or not isinstance(model, HasTrunk) or model.trunk is not trunk:
            raise ArgumentError(
                f"share_trunk: need heads on this very trunk, got {name!r} on another; build it on that object"
            )
        models[name] = model
    return SharedTrunk(trunk, models)


class SharedTrunk(nn.Module):
    """A trunk and several heads. Made by `share_trunk`."""

    def __init__(self, trunk: Trunk, models: Mapping[str, HasTrunk]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict({name: model.head for name, model in models.items()})
        self.taps = {name: tuple(model.taps) for name, model in models.items()}

    def forward(self, batch: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """Every head's output, by name."""
        maps = self.trunk(batch, taps=tuple({tap: None for taps in self.taps.values() for tap in taps}))
        return {name: head([maps[tap] for tap in self.taps[name]]) for name, head in self.heads.items()}
