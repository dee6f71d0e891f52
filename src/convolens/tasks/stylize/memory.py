"""What a restyling needs of memory, and how it is kept within what it may have.

Nearly all of it are features, in proportion to the pixels that go through the trunk at once, so a picture that would
take too much goes through in tiles. A large picture's history of steps takes the rest, and is kept as short as needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from convolens.tasks.stylize.objective import halo, tile_unit
from convolens.trunks import Trunk

GIGABYTE = 1e9
LONGEST_HISTORY = 20
SHORTEST_HISTORY = 2
HISTORY_SHARE = 0.25  # of the memory allowed
PICTURES = 12  # of the result's size that are held at once besides the history: iterates, gradients, averages
# Bytes a feature takes at most while it goes forth and back: 4 itself, 4 its gradient, 1 its sign, and a share of where
# the maxima lay.
BYTES_A_FEATURE = 10


@dataclass(frozen=True)
class Room:
    """How a picture is done within the memory allowed.

    Attributes:
        tile: the side of tiles without their halo; None where the picture goes through whole.
        history: L-BFGS's steps to remember.
        note: what to tell of it; empty where the picture goes through whole.
    """

    tile: int | None
    history: int
    note: str = ""


def room_for(trunk: Trunk, taps: Sequence[str], content_taps: Sequence[str], size: tuple[int, int], gb: float) -> Room:
    """The largest tiles and the longest history that fit into `gb` gigabytes."""
    pixels = math.prod(size)
    picture = pixels * 3 * 4
    history = int(gb * GIGABYTE * HISTORY_SHARE / (2 * picture))
    history = min(LONGEST_HISTORY, max(SHORTEST_HISTORY, history))
    kept = picture * (PICTURES + 2 * history) + sum(4 * features_a_pixel(trunk, [tap]) * pixels for tap in content_taps)
    each = BYTES_A_FEATURE * features_through(trunk, taps)
    whole = (kept + each * pixels) / GIGABYTE
    if not taps or whole <= gb:
        return Room(None, history)
    unit, reach = tile_unit(trunk, taps), halo(trunk, taps)
    across = math.sqrt(max(gb * GIGABYTE - kept, 0) / each)
    tile = max(unit, int(across - 2 * reach) // unit * unit)
    if tile >= max(size):
        return Room(None, history)
    need = max(gb, (kept + each * (tile + 2 * reach) ** 2) / GIGABYTE)
    words = f"{size[0]}×{size[1]} would take {whole:.2g} GB at once: done in tiles of {tile} pixels, in {need:.2g} GB"
    return Room(tile, history, words)


def features_a_pixel(trunk: Trunk, taps: Sequence[str]) -> float:
    """How many numbers the taps' maps hold for each pixel."""
    return sum(trunk.channels(tap) / trunk.stride(tap) ** 2 for tap in taps)


def features_through(trunk: Trunk, taps: Sequence[str]) -> float:
    """The same for all maps on the way to the deepest of the taps."""
    last = max(trunk.taps.index(tap) for tap in taps) if taps else -1
    return features_a_pixel(trunk, trunk.taps[: last + 1])
