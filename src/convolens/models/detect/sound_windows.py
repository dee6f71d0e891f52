"""A sound on its way through a detector: windows as wide as what the network takes at once, each half in the next.

So whatever lasts no longer than half a window is whole in one of them; what ends at an inner edge of a window was cut
off there, and is left to its neighbor, as between tiles. A window is given out as soon as it is there: of a sound that
is read from a file, no more than two of them are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.effects.sounds.heard import Heard, pictures_of
from convolens.effects.sounds.hearing import Hearing, background
from convolens.errors import FormatError, ShapeError
from convolens.media.pixels import as_pixels
from convolens.models.detect.tiles import Tile


def sound_windows(sound: Any, hearing: Hearing) -> Iterator[tuple[NDArray[np.uint8], Tile]]:
    """The windows of a sound, and where each is in the picture of the whole.

    Args:
        sound: a file as a `Heard`; or a picture of time and pitch, `(bands, times)`.
        hearing: the network's.

    Raises:
        FileError, FormatError: no sound, or silence.
        ShapeError: a picture of another height than the network's bands.
    """
    whole = isinstance(sound, Heard) and sound.start is None
    parts = pictures_of(sound.path, hearing) if whole else iter([_picture(sound, hearing)])
    heard = False
    for window, first in _cut(parts, hearing.columns):
        heard = heard or bool(window.any())
        yield window, Tile(first, 0, first + hearing.columns, hearing.bands)
    if not heard:
        raise FormatError(f"{sound if isinstance(sound, Heard) else 'picture'}: need a sound, got silence")


def _picture(sound: Any, hearing: Hearing) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = sound.picture() if isinstance(sound, Heard) else as_pixels(sound)
    picture = picture if picture.ndim == 2 else picture[:, :, 0]
    if len(picture) != hearing.bands:
        raise ShapeError(f"picture: need {hearing.bands} rows, one for each band that is heard, got {len(picture)}")
    return picture


def _cut(parts: Iterable[NDArray[np.uint8]], width: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Each window with its first column; the last ends where the sound does, a shorter sound before its background."""
    step, first = width // 2, 0
    held: NDArray[np.uint8] | None = None
    for part in parts:
        held = part if held is None else np.concatenate([held, part], axis=1)
        while held.shape[1] >= width + step:
            yield held[:, :width], first
            held, first = held[:, step:], first + step
    if held is None or not held.shape[1]:
        return
    missing = width - held.shape[1]
    if missing > 0:
        yield np.concatenate([held, np.repeat(background(held)[:, None], missing, axis=1)], axis=1), first
        return
    yield held[:, :width], first
    if missing < 0:
        yield held[:, -width:], first - missing
