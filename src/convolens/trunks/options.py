"""What can be chosen about any trunk, besides its name and weights."""

from __future__ import annotations

from typing import TypedDict

from convolens.trunks.blocks import PaddingMode, Pooling


class TrunkOptions(TypedDict, total=False):
    """Options that every named network takes.

    Attributes:
        channels: of the input; 3 for colour pictures.
        pooling: `max`, as the networks were published, or `average`, which is smoother (Gatys et al. for style).
        ceil_mode: pooling keeps the last, incomplete window, so that no border row is dropped.
        padding_mode: what convolutions see past the border: `constant` (zeros, as published) or `edge`.
    """

    channels: int
    pooling: Pooling
    ceil_mode: bool
    padding_mode: PaddingMode


DEFAULTS = TrunkOptions(channels=3, pooling="max", ceil_mode=False, padding_mode="constant")


def complete(options: TrunkOptions) -> TrunkOptions:
    """The options with the defaults filled in."""
    return TrunkOptions(**{**DEFAULTS, **options})
