"""The tour's photos and digits: files in the folders of scikit-image and scikit-learn, read without importing them."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from convolens.errors import need_package
from convolens.media.files import AnyPath, need_file, writing


def photo(name: str) -> Path:
    """Where scikit-image keeps a picture, by its file name: `coffee.png`.

    Raises:
        MissingExtraError: scikit-image is not installed.
        FileError: it carries no such picture.
    """
    folder = _folder_of("skimage", "scikit-image", f"photo {name}")
    return need_file(folder / "data" / name, "a photo of scikit-image's")


def handwritten_digits() -> Path:
    """Where scikit-learn keeps its handwritten digits: a line for each, 8 × 8 pixels from 0 to 16 and the meaning.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        FileError: it carries none.
    """
    folder = _folder_of("sklearn", "scikit-learn", "digits")
    return need_file(folder / "datasets" / "data" / "digits.csv.gz", "scikit-learn's digits")


def _folder_of(package: str, distribution: str, purpose: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise need_package(distribution, "tour", purpose)
    return Path(found.origin).parent


def bring(name: str) -> None:
    """Copies a photo into the working directory, where commands and Python lines find it."""
    copy_whole(photo(name), name)


def copy_whole(source: AnyPath, target: AnyPath) -> None:
    """Copies a file, as a whole or not at all. Errors as in `media.files.writing`."""
    with writing(target) as draft:
        shutil.copyfile(source, draft)
