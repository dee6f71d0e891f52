"""Plain integers: sizes, modes and boundaries. No arrays of data pass through here.

Boundaries are `numpy.pad`'s. Around the samples `1 2 3 4` each continues like this:

    constant   0 0 0 | 1 2 3 4 | 0 0 0     (or `fill_value`)
    edge       1 1 1 | 1 2 3 4 | 4 4 4
    reflect    4 3 2 | 1 2 3 4 | 3 2 1
    symmetric  3 2 1 | 1 2 3 4 | 4 3 2
    wrap       2 3 4 | 1 2 3 4 | 1 2 3
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError, BoundaryError, did_you_mean

Mode = Literal["full", "same", "valid"]
Boundary = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
Boundaries = Boundary | tuple[Boundary, ...]  # one for all axes, or one for each

MODES: tuple[Mode, ...] = get_args(Mode)
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)

# Other libraries' words, and numpy's name for what they mean there. `reflect` itself is a trap (scipy.ndimage means
# numpy's symmetric by it), but as it is also numpy's own word it must be taken at numpy's meaning.
_FOREIGN = {
    "mirror": "scipy.ndimage's 'mirror' is 'reflect'",
    "nearest": "scipy.ndimage's 'nearest' is 'edge'",
    "replicate": "'replicate' is 'edge'",
    "circular": "'circular' is 'wrap'",
    "periodic": "'periodic' is 'wrap'",
    "grid-wrap": "scipy.ndimage's 'grid-wrap' is 'wrap'",
    "grid-mirror": "scipy.ndimage's 'grid-mirror' is 'symmetric'",
    "grid-constant": "scipy.ndimage's 'grid-constant' is 'constant'",
    "symm": "'symm' is 'symmetric'",
    "zeros": "'zeros' is 'constant'",
    "fill": "scipy.signal's 'fill' is 'constant'",
    "border": "'border' is 'edge'",
    "reflect_101": "OpenCV's 'reflect_101' is 'reflect'",
}


def check_boundary(boundary: str) -> Boundary:
    """The boundary itself if it is one of `numpy.pad`'s names.

    Raises:
        BoundaryError: it is not; another library's word gets its numpy name in the message.
    """
    for known in BOUNDARIES:
        if isinstance(boundary, str) and boundary == known:
            return known
    hint = _FOREIGN.get(str(boundary).lower())
    remedy = f"; {hint} in numpy's words" if hint else did_you_mean(boundary, BOUNDARIES)
    raise BoundaryError(f"boundary: need one of {', '.join(BOUNDARIES)}, got {boundary!r:.200}{remedy}")


def check_boundaries(boundary: Any) -> Boundaries:
    """One boundary, or one for each axis, as those that are the same on all axes in one word.

    Raises:
        BoundaryError: one is not one of `numpy.pad`'s names.

    >>> check_boundaries(["edge", "wrap"]), check_boundaries(("edge", "edge"))
    (('edge', 'wrap'), 'edge')
    """
    if not isinstance(boundary, tuple | list):
        return check_boundary(boundary)
    known = tuple(map(check_boundary, boundary))
    return known[0] if len(set(known)) == 1 else known


def boundary_along(boundary: Boundaries, axis: int) -> Boundary:
    """The boundary of one axis."""
    return boundary if isinstance(boundary, str) else boundary[axis]


def check_mode(mode: str) -> Mode:
    """The mode itself if it is `full`, `same` or `valid`."""
    for known in MODES:
        if isinstance(mode, str) and mode == known:
            return known
    raise ArgumentError(f"mode: need one of {', '.join(MODES)}, got {mode!r:.200}{did_you_mean(mode, MODES)}")


# Maps longer than this are made anew each time: a folder of sounds, each of its own length, must not fill the memory.
MANY_SAMPLES = 1 << 14


def boundary_map(size: int, before: int, after: int, boundary: Boundary) -> NDArray[np.int64]:
    """Where each position of a padded axis comes from: an index into the axis, or -1 for the fill value.

    `before` and `after` may exceed the size (patterns repeat, as in `numpy.pad`). The result has
    `before + size + after` entries and is read-only, as it is shared.

    Raises:
        BoundaryError: the axis is empty, and the boundary needs samples to continue from.

    >>> boundary_map(4, 3, 3, "reflect")
    array([3, 2, 1, 0, 1, 2, 3, 2, 1, 0])
    >>> boundary_map(4, 1, 1, "constant")
    array([-1,  0,  1,  2,  3, -1])
    """
    make = _kept_map if before + size + after <= MANY_SAMPLES else _map
    return make(size, before, after, boundary)


def _map(size: int, before: int, after: int, boundary: Boundary) -> NDArray[np.int64]:
    at = np.arange(-before, size + after, dtype=np.int64)
    if boundary == "constant" or (before <= 0 and after <= 0):
        at[(at < 0) | (at >= size)] = -1
    elif size == 0:
        raise BoundaryError(f"boundary {boundary!r}: need at least one sample to continue from, got none")
    elif boundary == "edge":
        at = at.clip(0, size - 1)
    elif boundary == "wrap":
        at %= size
    elif boundary == "symmetric":
        at %= 2 * size
        at = np.minimum(at, 2 * size - 1 - at)
    else:  # reflect; a single sample has nothing to reflect and repeats, as in numpy.pad
        period = max(2 * size - 2, 1)
        at %= period
        at = np.minimum(at, period - at) if size > 1 else at * 0
    at.flags.writeable = False
    return at


_kept_map = lru_cache(maxsize=256)(_map)
