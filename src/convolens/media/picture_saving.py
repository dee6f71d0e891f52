"""Pillow writes pictures through Python here.

Given a file that has a number, Pillow's encoders write to it on their own, and take no notice of a write that found
room for a part alone: on a full disk a JPEG, TIFF or BMP would be cut short, and nobody told.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image


def save(image: Image.Image, path: Path, **options: Any) -> None:
    """Writes a picture in the format that the path's suffix names.

    Args:
        image: what to write.
        path: where to; what stands there is replaced.
        options: of Pillow's `save`.

    Raises:
        OSError: it cannot be written as a whole.
    """
    kind = Image.registered_extensions()[path.suffix.lower()]
    with _Unnumbered(io.FileIO(path, "w+")) as file:
        image.save(file, kind, **options)


class _Unnumbered(io.BufferedRandom):
    def fileno(self) -> int:
        raise io.UnsupportedOperation("this file is written through Python")
