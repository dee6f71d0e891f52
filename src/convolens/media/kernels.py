"""Kernels from files: rows of numbers, a saved array, a picture, a sound."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError, MemoryRefused
from convolens.media.audio import read_audio
from convolens.media.audio_films import SUFFIXES as FILMS
from convolens.media.decoding import decoding
from convolens.media.files import AnyPath, need_file
from convolens.media.images import read_image
from convolens.memory import need_memory

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", *FILMS)
_TEXTS = (".txt", ".csv", ".tsv", ".dat")
_MAX_TEXT_BYTES = 64 << 20
_BYTES_A_WEIGHT = 9  # a double, and whether it is finite


def read_kernel(path: AnyPath) -> NDArray[np.float64]:
    """The weights in a file, one axis for a sound or a single row, two for a picture or rows.

    A text file has numbers separated by blanks or commas. A picture counts as grey from 0 to 1, the mean of its
    colours; a sound of several channels as their mean. A `.npy` file is read without unpickling anything.

    Raises:
        FileError: nothing is there.
        FormatError: it holds no weights, or some that are no finite numbers.
        MemoryRefused: it needs more than the budget of memory.
    """
    file = need_file(path, "a kernel")
    reader = _READERS.get(file.suffix.lower(), _read_picture)
    with decoding(file, "kernel"):
        weights = reader(file)
    if weights.dtype.kind not in "buif" or weights.ndim not in (1, 2) or weights.size == 0:
        raise FormatError(f"{file}: need one or two axes of real numbers, got {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all():
        raise FormatError(f"{file}: need finite weights, got NaN or infinity")
    weights = weights.astype(np.float64)
    return weights[0] if weights.ndim == 2 and len(weights) == 1 else weights


def _read_sound(file: Path) -> NDArray[Any]:
    samples, _ = read_audio(file)
    return samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float64)


def _read_picture(file: Path) -> NDArray[Any]:
    picture = read_image(file)
    need_memory(3 * _BYTES_A_WEIGHT * picture.shape[0] * picture.shape[1], file, "use a smaller kernel")
    gray = picture[..., :3].mean(axis=2) if picture.ndim == 3 else picture
    weights: NDArray[np.float64] = gray / float(np.iinfo(picture.dtype).max)
    return weights


def _read_npy(file: Path) -> NDArray[Any]:
    with file.open("rb") as stream:
        try:
            _check_size(stream, file)
            stream.seek(0)
            array: NDArray[Any] = np.load(stream, allow_pickle=False)
        except (FormatError, MemoryRefused):
            raise
        except Exception as error:  # NumPy parses the header as Python, with all that parsing can raise
            raise FormatError(f"{file}: need an array saved by numpy.save, of numbers; {error}") from error
    return array


def _check_size(stream: BinaryIO, file: Path) -> None:
    """Nothing is allocated from a header: the file must hold what its header claims.

    Raises:
        FormatError: it does not.
        ValueError: it has no such header.
    """
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    claimed, held = math.prod(shape) * dtype.itemsize, file.stat().st_size - stream.tell()
    if claimed > held:
        raise FormatError(f"{file}: need the {claimed} bytes of numbers that its header claims, got {held}")
    need_memory(claimed + _BYTES_A_WEIGHT * math.prod(shape), file, "use a smaller kernel")


def _refuse_archive(file: Path) -> NDArray[Any]:
    raise FormatError(f"{file}: need one array, got an archive of several; save that array with numpy.save")


def _read_text(file: Path) -> NDArray[Any]:
    size = file.stat().st_size
    if size > _MAX_TEXT_BYTES:
        raise FormatError(f"{file}: need at most {_MAX_TEXT_BYTES:,} bytes of text, got {size:,}; save it as .npy")
    try:
        lines = file.read_text().replace(",", " ").splitlines()
        rows = [[float(word) for word in line.split("#")[0].split()] for line in lines]
        return np.array([row for row in rows if row])
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{file}: need rows of numbers, equally long; {error}") from error


_READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _refuse_archive,
    **dict.fromkeys(_TEXTS, _read_text),
    **dict.fromkeys(SOUNDS, _read_sound),
}
