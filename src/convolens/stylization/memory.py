"""What a restyling needs of memory, and how it is kept within what it may have.

Nearly all of it are features, in proportion to the pixels that go through the trunk at once. The first layers hold most
of them and see the least around a pixel, so they are the first to go through in tiles; a picture that would still take
too much goes through in tiles all the way. A large picture's history of steps is kept as short as needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from convolens.stylization.tiles import WHOLE, Cutting, halo, split, tile_unit
from convolens.trunks import Trunk

GIGABYTE = 1e9
LONGEST_HISTORY = 20
SHORTEST_HISTORY = 2
HISTORY_SHARE = 0.25  # of the memory allowed
READY_SHARE = 1 / 16  # of it, for memory let go and kept for the next map
PICTURES = 12  # of the result's size that are held at once besides the history: iterates, gradients, averages
BORDERED_TILE = 256  # pixels: first layers' maps of 25 MB; with the halo an eighth is computed twice
# Bytes that a feature takes while all go forth and back, measured: 4 where its tap is asked for, else 1 for its sign, a
# share of where the maxima lay, and of the two maps that the way back is between.
BYTES_A_FEATURE = 6
# A 3×3 filter's 9 numbers, and 36 each that Winograd's algorithm makes of them for the way forth and back.
BYTES_A_WEIGHT = 4 * (1 + 4 + 4)


@dataclass(frozen=True)
class Room:
    """How a picture is done within the memory allowed.

    Attributes:
        cutting: how it goes through the trunk.
        history: L-BFGS's steps to remember.
        note: what to tell of it; empty where the picture goes through whole.
    """

    cutting: Cutting
    history: int
    note: str = ""


def room_for(trunk: Trunk, taps: Sequence[str], content_taps: Sequence[str], size: tuple[int, int], gb: float) -> Room:
    """The fastest way through the trunk and the longest history that fit into `gb` gigabytes."""
    picture = 4 * 3 * math.prod(size)
    history = int(gb * GIGABYTE * HISTORY_SHARE / (2 * picture))
    history = min(LONGEST_HISTORY, max(SHORTEST_HISTORY, history))
    kept = picture * (PICTURES + 2 * history) + 4 * features_a_pixel(trunk, content_taps) * math.prod(size)
    kept += gb * GIGABYTE * READY_SHARE
    allowed = gb * GIGABYTE - kept
    if not taps or bytes_through(trunk, taps, size, WHOLE) <= allowed:
        return Room(WHOLE, history)
    ways = (*_bordered(trunk, taps), _tiled(trunk, taps, allowed))
    cutting = next((way for way in ways if bytes_through(trunk, taps, size, way) <= allowed), ways[-1])
    whole, need = ((kept + bytes_through(trunk, taps, size, way)) / GIGABYTE for way in (WHOLE, cutting))
    shown = f"{size[0]}×{size[1]} would take {whole:.2g} GB at once: "
    where = f"up to {cutting.border} " if cutting.border else ""
    return Room(cutting, history, f"{shown}done {where}in tiles of {cutting.tile} pixels, in {need:.2g} GB")


def bytes_through(trunk: Trunk, taps: Sequence[str], size: tuple[int, int], cutting: Cutting) -> float:
    """What the way through the trunk and back takes: the trunk's weights, and the features held at once."""
    pixels = math.prod(size)
    first, others = split(trunk, taps, cutting.border)
    across = math.inf if cutting.tile is None else cutting.tile + 2 * halo(trunk, first)
    held = features_through(trunk, first) * min(pixels, across**2)
    kept = float(BYTES_A_WEIGHT * weights_through(trunk, taps))
    if others and cutting.border:
        held = max(held, (features_through(trunk, others) - features_through(trunk, first)) * pixels)
        kept += 2 * 4 * features_a_pixel(trunk, [cutting.border]) * pixels  # its map, and the gradient there
    return kept + BYTES_A_FEATURE * held


def _bordered(trunk: Trunk, taps: Sequence[str]) -> list[Cutting]:
    """With a border where the stride grows: the later, the more is computed twice, and the less is held at once."""
    growing = [tap for before, tap in pairwise(_way(trunk, taps)) if trunk.stride(tap) > trunk.stride(before)]
    return [Cutting(BORDERED_TILE, tap) for tap in growing if split(trunk, taps, tap)[1]]


def _tiled(trunk: Trunk, taps: Sequence[str], allowed: float) -> Cutting:
    unit, reach = tile_unit(trunk, taps), halo(trunk, taps)
    features = max(allowed - BYTES_A_WEIGHT * weights_through(trunk, taps), 0) / BYTES_A_FEATURE
    across = math.sqrt(features / features_through(trunk, taps))
    return Cutting(max(unit, int(across - 2 * reach) // unit * unit))


def features_a_pixel(trunk: Trunk, taps: Sequence[str]) -> float:
    """How many numbers the taps' maps hold for each pixel."""
    return sum((trunk.channels(tap) / trunk.stride(tap) ** 2 for tap in taps), start=0.0)


def features_through(trunk: Trunk, taps: Sequence[str]) -> float:
    """The same for all maps on the way to the deepest of the taps."""
    return features_a_pixel(trunk, _way(trunk, taps))


def weights_through(trunk: Trunk, taps: Sequence[str]) -> int:
    """How many numbers the layers on that way have."""
    layers = [trunk.get_submodule(path) for tap in _way(trunk, taps) for path in trunk.steps[tap].layers]
    return sum(weight.numel() for layer in layers for weight in layer.parameters())


def _way(trunk: Trunk, taps: Sequence[str]) -> tuple[str, ...]:
    return trunk.taps[: max((trunk.taps.index(tap) for tap in taps), default=-1) + 1]
