"""The memory that a restyling needs, and how it is kept within what is allowed.

Nearly all of it are features, in proportion to the pixels that go through the trunk at once. The first layers hold most
of them and have the smallest receptive fields, so they are the first to be tiled; a picture that would still take too
much is tiled all the way. A large picture's history of steps is kept as short as needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from convolens.memory import need_memory
from convolens.settings import memory_limit, stated_memory_limit
from convolens.stylization.tiles import WHOLE, Tiling, halo, split_taps, tile_unit
from convolens.trunks import Trunk

GIGABYTE = 1e9
DEFAULT_BYTES = 2.5e9
MAX_HISTORY = 20
MIN_HISTORY = 2
HISTORY_FRACTION = 0.25  # of the memory allowed
POOL_FRACTION = 1 / 16  # of it, for released memory that is kept for the next map
PICTURES = 12  # of the result's size that are held at once besides the history: iterates, gradients, averages
BORDERED_TILE = 256  # pixels: first layers' maps of 25 MB; with the halo an eighth is computed twice
# Bytes that a feature takes in a pass forward and backward, measured: 4 where its tap is requested, else 1 for its ReLU
# mask, and a fraction of the pools' argmax and of the two maps that backward is between.
BYTES_A_FEATURE = 6
# A 3×3 filter's 9 numbers, and 36 each that Winograd's algorithm makes of them for forward and backward.
BYTES_A_WEIGHT = 4 * (1 + 4 + 4)


@dataclass(frozen=True)
class MemoryPlan:
    """How a picture is restyled within the memory allowed.

    Attributes:
        tiling: how it goes through the trunk.
        history: L-BFGS's steps to remember.
        note: what to tell the user; empty where the picture goes through whole.
    """

    tiling: Tiling
    history: int
    note: str = ""


def default_gigabytes() -> float:
    """What a restyling may take where nobody says: the budget that was set, else as much at any time if it is free."""
    stated = stated_memory_limit()
    return (min(DEFAULT_BYTES, memory_limit()) if stated is None else stated) / GIGABYTE


def plan_memory(
    trunk: Trunk, taps: Sequence[str], content_taps: Sequence[str], size: tuple[int, int], gb: float
) -> MemoryPlan:
    """The fastest tiling and the longest history that fit into `gb` gigabytes.

    Raises:
        MemoryRefused: none fits the budget of memory.
    """
    picture = 4 * 3 * math.prod(size)
    history = int(gb * GIGABYTE * HISTORY_FRACTION / (2 * picture))
    history = min(MAX_HISTORY, max(MIN_HISTORY, history))
    kept = picture * (PICTURES + 2 * history) + 4 * features_a_pixel(trunk, content_taps) * math.prod(size)
    kept += gb * GIGABYTE * POOL_FRACTION
    allowed = gb * GIGABYTE - kept
    if not taps or bytes_through(trunk, taps, size, WHOLE) <= allowed:
        return MemoryPlan(WHOLE, history)
    tilings = (*_bordered(trunk, taps), _tiled(trunk, taps, allowed))
    tiling = next((one for one in tilings if bytes_through(trunk, taps, size, one) <= allowed), tilings[-1])
    whole, need = ((kept + bytes_through(trunk, taps, size, one)) / GIGABYTE for one in (WHOLE, tiling))
    need_memory(need * GIGABYTE, f"size of {size[0]}×{size[1]} pixels", "take a smaller size")
    shown = f"{size[0]}×{size[1]} would take {whole:.2g} GB at once: "
    where = f"up to {tiling.border} " if tiling.border else ""
    return MemoryPlan(tiling, history, f"{shown}done {where}in tiles of {tiling.tile} pixels, in {need:.2g} GB")


def bytes_through(trunk: Trunk, taps: Sequence[str], size: tuple[int, int], tiling: Tiling) -> float:
    """What a pass forward and backward through the trunk takes: its weights, and the features held at once."""
    pixels = math.prod(size)
    first, others = split_taps(trunk, taps, tiling.border)
    across = math.inf if tiling.tile is None else tiling.tile + 2 * halo(trunk, first)
    held = features_through(trunk, first) * min(pixels, across**2)
    kept = float(BYTES_A_WEIGHT * weights_through(trunk, taps))
    if others and tiling.border:
        held = max(held, (features_through(trunk, others) - features_through(trunk, first)) * pixels)
        kept += 2 * 4 * features_a_pixel(trunk, [tiling.border]) * pixels  # its map, and the gradient there
    return kept + BYTES_A_FEATURE * held


def _bordered(trunk: Trunk, taps: Sequence[str]) -> list[Tiling]:
    """With a border where the stride grows: the later, the more is computed twice, and the less is held at once."""
    growing = [tap for before, tap in pairwise(_up_to(trunk, taps)) if trunk.stride(tap) > trunk.stride(before)]
    return [Tiling(BORDERED_TILE, tap) for tap in growing if split_taps(trunk, taps, tap)[1]]


def _tiled(trunk: Trunk, taps: Sequence[str], allowed: float) -> Tiling:
    unit, margin = tile_unit(trunk, taps), halo(trunk, taps)
    features = max(allowed - BYTES_A_WEIGHT * weights_through(trunk, taps), 0) / BYTES_A_FEATURE
    across = math.sqrt(features / features_through(trunk, taps))
    return Tiling(max(unit, int(across - 2 * margin) // unit * unit))


def features_a_pixel(trunk: Trunk, taps: Sequence[str]) -> float:
    """How many numbers the taps' maps hold for each pixel."""
    return sum((trunk.channels(tap) / trunk.stride(tap) ** 2 for tap in taps), start=0.0)


def features_through(trunk: Trunk, taps: Sequence[str]) -> float:
    """How many numbers all maps up to the deepest of the taps hold for each pixel."""
    return features_a_pixel(trunk, _up_to(trunk, taps))


def weights_through(trunk: Trunk, taps: Sequence[str]) -> int:
    """How many weights the layers up to the deepest of the taps have."""
    layers = [trunk.get_submodule(path) for tap in _up_to(trunk, taps) for path in trunk.steps[tap].layers]
    return sum(weight.numel() for layer in layers for weight in layer.parameters())


def _up_to(trunk: Trunk, taps: Sequence[str]) -> tuple[str, ...]:
    return trunk.taps[: max((trunk.taps.index(tap) for tap in taps), default=-1) + 1]
