"""Our own parsers of headers and small files: each gives a result or a `ConvolensError`, soon, in little memory.

What a parser of sounds and pictures raises is told by the guard that the readers call it in, so that guard is here too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from convolens.data.json_file import read_json
from convolens.data.xml_file import read_xml
from convolens.data.yaml_file import read_yaml
from convolens.errors import ConvolensError
from convolens.media import audio_mp3, audio_ogg, audio_parts, picture_jxl, picture_png, picture_tiff
from convolens.media.audio_headers import mended
from convolens.media.decoding import decoding
from convolens.media.kernels import read_kernel
from convolens.models.model_file import is_model_file, read_model_file
from convolens.trunks.weights.checkpoint import read_checkpoint
from convolens.trunks.weights.pickles import read_pickled
from convolens.trunks.weights.tensor_file import read_tensor_file

FOLDER = Path(tempfile.mkdtemp(prefix="convolens-guided-"))


def _file(data: bytes, suffix: str) -> Path:
    path = FOLDER / f"input{suffix}"
    path.write_bytes(data)
    return path


def sound(data: bytes) -> None:
    """Headers of sounds, and what stands beside the samples."""
    path = _file(data, ".wav")
    with decoding(path, "sound"):
        mended(path)


def parts(data: bytes) -> None:
    """Tags and chunks of the format that the first byte names."""
    kinds = sorted(audio_parts._READERS)
    path = _file(data[1:], ".sound")
    with decoding(path, "sound"):
        audio_parts.read(path, kinds[data[0] % len(kinds)] if data else kinds[0])


def stream(data: bytes) -> None:
    """Frames of MP3 and pages of OGG."""
    with _file(data, ".mp3").open("rb") as file, decoding("a", "sound"):
        audio_mp3.extent(file)
    with _file(data, ".ogg").open("rb") as file, decoding("a", "sound"):
        audio_ogg.look(file)
        file.seek(0)
        audio_ogg.second_packet(file)


def picture(data: bytes) -> None:
    """Chunks of PNG, directories of TIFF, the size of a JPEG XL."""
    with decoding("a", "picture"):
        if data.startswith(picture_png.SIGNATURE):
            picture_png.readable(data)
        elif picture_tiff.is_tiff(data):
            list(picture_tiff.layouts(data))
        else:
            picture_jxl.size_of(data)


def tensors(data: bytes) -> None:
    """A safetensors file, as weights and as a model."""
    path = _file(data, ".safetensors")
    _texts, found = read_tensor_file(path)
    assert sum(value.nbytes for value in found.values()) <= len(data)
    if is_model_file(path):
        read_model_file(path)


def pickled(data: bytes) -> None:
    """A pickle that torch might have written."""
    read_pickled(_file(data, ".pth"))


def shards(data: bytes) -> None:
    """An index of several files of weights."""
    read_checkpoint(_file(data, ".safetensors.index.json"))


def kernel(data: bytes) -> None:
    """A kernel as an array of NumPy's and as text."""
    suffix = ".npy" if data.startswith(b"\x93") else ".txt"
    assert np.isfinite(read_kernel(_file(data, suffix))).all()


def description(data: bytes) -> None:
    """YAML, JSON and XML of data sets."""
    readers: tuple[Callable[[Path], Any], ...] = (
        read_yaml,
        lambda path: read_json(path, "annotations"),
        lambda path: read_xml(path, "annotations", most=1 << 20),
    )
    readers[data[0] % 3 if data else 0](_file(data[1:], ".txt"))


TARGETS: tuple[Callable[[bytes], None], ...] = (
    *(sound, parts, stream, picture, tensors, pickled, shards, kernel, description),
)


def one(data: bytes) -> None:
    """The target that the first byte names, on what follows; a typed error is an answer."""
    if not data:
        return
    with suppress(ConvolensError):
        TARGETS[data[0] % len(TARGETS)](data[1:])
