"""Kernels from files: rows of numbers, a saved array, a picture, a sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError
from convolens.media.audio import read_audio
from convolens.media.files import AnyPath, need_file
from convolens.media.images import read_image

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff")
_TEXTS = (".txt", ".csv", ".tsv", ".dat")


def read_kernel(path: AnyPath) -> NDArray[np.float64]:
    """The weights in a file, one axis for a sound or a single row, two for a picture or rows.

    A text file has numbers apart by blanks or commas. A picture counts as grey from 0 to 1, colours meaned; a sound
    of several channels as their mean. A `.npy` file is read without unpickling anything.

    Raises:
        FileError: nothing is there.
        FormatError: it holds no weights.
    """
    file = need_file(path, "a kernel")
    suffix = file.suffix.lower()
    if suffix in SOUNDS:
        samples, _ = read_audio(file)
        mean: NDArray[np.float64] = samples.reshape(len(samples), -1).mean(axis=1, dtype=np.float64)
        return mean
    if suffix == ".npy" or suffix in _TEXTS:
        rows = _saved(file) if suffix == ".npy" else _written(file)
        return rows[0] if rows.ndim == 2 and len(rows) == 1 else rows
    picture = read_image(file)
    grey = picture[..., :3].mean(axis=2) if picture.ndim == 3 else picture
    weights: NDArray[np.float64] = grey / float(np.iinfo(picture.dtype).max)
    return weights


def _saved(file: Any) -> NDArray[np.float64]:
    try:
        return _checked(np.load(file, allow_pickle=False), file)
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"{file}: need an array saved by numpy.save, of numbers; {error}") from error


def _written(file: Any) -> NDArray[np.float64]:
    try:
        lines = file.read_text().replace(",", " ").splitlines()
        rows = [[float(word) for word in line.split("#")[0].split()] for line in lines]
        return _checked(np.array([row for row in rows if row]), file)
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{file}: need rows of numbers, equally long; {error}") from error


def _checked(weights: NDArray[Any], file: Any) -> NDArray[np.float64]:
    if weights.dtype.kind not in "buif" or weights.ndim not in (1, 2) or weights.size == 0:
        raise FormatError(f"{file}: need one or two axes of real numbers, got {weights.dtype} {weights.shape}")
    return weights.astype(np.float64)
