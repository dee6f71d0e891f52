"""A picture's brightness: what is left of it in grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.effects.pictures.picture import as_floats, check_picture
from convolens.errors import ShapeError

_LUMA = np.array([0.2126, 0.7152, 0.0722])  # how bright red, green and blue look (ITU-R BT.709)


def brightness(image: NDArray[Any]) -> NDArray[Any]:
    """Grey floats with white at 1, of `(H, W)`, `(H, W, 1)`, RGB or RGBA; opacity is ignored.

    Raises:
        ShapeError: not a picture.
        DtypeError: not real numbers.
    """
    check_picture(image)
    white = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
    gray: NDArray[Any] = as_floats(image) / white
    if gray.ndim == 2:
        return gray
    if gray.shape[2] not in (1, 3, 4):
        raise ShapeError(f"image: need 1, 3 or 4 channels, got {gray.shape[2]}")
    mixed: NDArray[Any] = gray[:, :, 0] if gray.shape[2] == 1 else gray[:, :, :3] @ _LUMA.astype(gray.dtype)
    return mixed
