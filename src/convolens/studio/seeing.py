"""What a trunk sees in a picture: its maps at each tap, the strongest first, and where their cells look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convolens.studio.pictures import pixels_of

if TYPE_CHECKING:
    from convolens.trunks.receptive import ReceptiveField

SIDE = 384  # pixels of the longer side that a trunk gets: VGG16 takes about a second for it
MOST_MAPS = 24  # of a tap that are kept, the strongest


@dataclass(frozen=True)
class Seen:
    """A tap's strongest maps.

    Attributes:
        tap: its name.
        field: where its cells look, in pixels of the picture that the trunk got.
        channels: the maps' numbers, the one with the largest mean first.
        maps: uint8 `(maps, rows, columns)`, each from its least to its greatest value.
        count: how many maps the tap has.
    """

    tap: str
    field: ReceptiveField
    channels: list[int]
    maps: NDArray[np.uint8]
    count: int


@dataclass(frozen=True)
class Looked:
    """All taps of a trunk for a picture, and the picture as the trunk got it."""

    name: str
    weights: str
    picture: NDArray[np.uint8]
    taps: dict[str, Seen]


_one_at_a_time = Lock()  # a network has all cores already


def look(path: Path) -> Looked:
    """What the trunk whose weights are on this machine sees in a picture. Kept for the last few.

    Raises:
        WeightsError: there are none.
        FormatError: it is no picture.
    """
    with _one_at_a_time:
        return _look(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _look(path: Path, changed: int) -> Looked:
    from convolens.torch_loading import need_networks

    need_networks("studio")
    import torch

    from convolens.training.chosen import weights_at_hand
    from convolens.trunks.registry import trunk

    name, weights = weights_at_hand("detect")
    made = trunk(name, weights=weights, device="auto")
    picture = pixels_of(path, SIDE)
    with torch.inference_mode():
        found = made(made.preprocess(picture), taps=made.taps)
    taps = {tap: _strongest(tap, made.receptive_field(tap), found[tap][0].cpu().numpy()) for tap in made.taps}
    return Looked(name, weights, picture, taps)


def _strongest(tap: str, field: ReceptiveField, values: NDArray[np.float32]) -> Seen:
    order = np.argsort(-values.mean(axis=(1, 2)), kind="stable")[:MOST_MAPS]
    maps = values[order]
    low, high = (edge(maps, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
    shown = np.rint(255 * (maps - low) / np.maximum(high - low, 1e-12)).astype(np.uint8)
    return Seen(tap, field, [int(one) for one in order], shown, len(values))
