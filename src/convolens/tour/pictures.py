"""The tour's photos: they come with scikit-image, as files in its folder, and are read without importing it."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from convolens.errors import need_package
from convolens.media.files import need_file


def photo(name: str) -> Path:
    """Where scikit-image keeps a picture, by its file name: `coffee.png`.

    Raises:
        MissingExtraError: scikit-image is not installed.
        FileError: it carries no such picture.
    """
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise need_package("scikit-image", "tour", f"photo {name}")
    return need_file(Path(package.origin).parent / "data" / name, "a photo of scikit-image's")


def bring(name: str) -> None:
    """Copies a photo into the working directory, where commands and Python lines find it."""
    shutil.copyfile(photo(name), name)
