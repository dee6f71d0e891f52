"""Kernels from files: saved arrays and rows of numbers."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from random import Random

import numpy as np

from convolens.media.images import write_image
from convolens.media.kernels import read_kernel
from tests.fuzz.form import Format
from tests.fuzz.mutators import changed, damaged
from tests.fuzz.pictures import RGB
from tests.fuzz.trees import change_text


def npy_seeds() -> list[bytes]:
    """Arrays as numpy.save leaves them, in its versions of the format, of several dtypes and orders."""
    found = []
    arrays = (np.ones((3, 5), np.float32), np.ones((2, 2), ">i2"), np.asfortranarray(np.eye(3)), np.ones(4, bool))
    for version, array in zip(((1, 0), (2, 0), (3, 0), (1, 0)), arrays, strict=True):
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array, version=version)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, a=arrays[0])
    return [*found, stream.getvalue()]


def change_npy(data: bytes, luck: Random) -> bytes:
    """Damage anywhere, or another header in the first version's frame."""
    if luck.random() < 0.5:
        return damaged(data, luck)
    header = {"descr": luck.choice(("<f4", ">f8", "|b1", "<f2", "<c8", "|O", "<U3", [["a", "<f4"]])),
              "fortran_order": luck.random() < 0.3, "shape": [3, 5]}  # fmt: skip
    text = repr(changed(header, luck)).replace("[3, 5]", "(3, 5)").encode(errors="surrogatepass")[:60_000]
    text = damaged(text, luck) if luck.random() < 0.3 else text
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(60)


def read(path: Path) -> None:
    """Reads a kernel; it must be finite and no larger than its file."""
    weights = read_kernel(path)
    assert weights.dtype == np.float64, weights.dtype
    assert np.isfinite(weights).all(), weights
    assert weights.ndim in (1, 2), weights.shape
    assert 0 < weights.size <= path.stat().st_size, weights.shape


def text_seeds() -> list[bytes]:
    """Rows of numbers."""
    return [b"1, 2 3 # first\n\n4 5 6\n", b"0.5\t1e3\n-1\t2\n", b"1\n"]


COMMANDS = (
    lambda path, out: ["convolve", path.with_name("photo.png"), path, out / "a.png", "--normalize", "--explain"],
    lambda path, out: ["convolve", path.with_name("photo.png"), path, out / "a.tiff", "--boundary", "wrap"],
)


def stage(folder: Path) -> None:
    """A picture to convolve."""
    write_image(folder / "photo.png", RGB)


FORMATS = {
    "npy": Format("case.npy", npy_seeds, change_npy, read, stage, commands=COMMANDS),
    "text kernel": Format("case.txt", text_seeds, change_text, read, stage, commands=COMMANDS),
}
