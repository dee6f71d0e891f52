"""What the campaign reads: for each format its seeds, made here, how they are changed, and who reads them."""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch

import convolens as cl
from convolens.errors import ConvolensError
from convolens.media.kernels import read_kernel
from convolens.models.classify import Classifier
from convolens.models.heads import PooledHead
from convolens.trunks.registry import describe_weights
from convolens.trunks.weights.hdf5 import open_hdf5
from tests.fuzz.mutators import changed, changed_json, damaged

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        suffix: of its files.
        seeds: whole files, the same each time.
        change: one changed file, of a seed and the dice.
        read: reads a file; a result that is wrong is an `AssertionError`.
    """

    suffix: str
    seeds: Callable[[], list[bytes]]
    change: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path], object]


@cache
def model_seeds() -> list[bytes]:
    """A classifier as it is saved, small."""
    trunk = cl.trunk("resnet18", width=1 / 16, device="cpu")
    head = PooledHead([trunk.channels(trunk.taps[-1])], 2)
    with TemporaryDirectory() as folder:
        Classifier(trunk, head, taps=trunk.taps[-1:], class_names=("a", "b")).save(f"{folder}/a.safetensors")
        return [Path(folder, "a.safetensors").read_bytes()]


def change_safetensors(data: bytes, luck: random.Random) -> bytes:
    """Damage anywhere, or a header that still is one and states something else."""
    if luck.random() < 0.3:
        return damaged(data, luck)
    (length,) = struct.unpack("<Q", data[:8])
    header = changed_json(data[8 : 8 + length], luck)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def read_model(path: Path) -> None:
    """Loads a model and predicts with it; its scores must be probabilities."""
    model = cl.load(path, device="cpu")
    scores = model.predict(PICTURE).scores
    assert np.isfinite(scores).all(), scores
    assert model.multi_label or abs(sum(scores) - 1) < 1e-4, scores


@cache
def torch_seeds() -> list[bytes]:
    """State dicts as zip and as bare pickle, alone and beside settings."""
    state = {"module.layer1.0.conv1.weight": torch.ones(2, 2, 1, 1), "module.b": torch.zeros(3, dtype=torch.int64)}
    script = {"state_dict": state, "epoch": 3, "args": argparse.Namespace(lr=np.float64(0.1), out=Path("a"))}
    found = []
    for content in (state, script):
        for zipped in (True, False):
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=zipped)
            found.append(stream.getvalue())
    return found


@cache
def hdf5_seeds() -> list[bytes]:
    """The layouts of Keras 2 and 3, the second with packed arrays."""
    with TemporaryDirectory() as folder:
        with h5py.File(f"{folder}/2.h5", "w") as file:
            file["block1_conv1/kernel:0"] = np.ones((3, 3, 3, 4), np.float32)
            file["block1_conv1"].attrs["weight_names"] = [b"kernel:0"]
        with h5py.File(f"{folder}/3.h5", "w") as file:
            numbers = np.ones((3, 3, 3, 4), np.float32)
            file.create_dataset("layers/block1_conv1/vars/0", data=numbers, compression="gzip", shuffle=True)
        return [Path(folder, name).read_bytes() for name in ("2.h5", "3.h5")]


def read_hdf5(path: Path) -> None:
    """Reads all arrays, then what network they are of."""
    with open_hdf5(path) as file:
        assert all(file.read(name).shape == shape for name, shape in file.shapes.items())
    with contextlib.suppress(ConvolensError):  # the seeds are no whole network
        describe_weights(path)


def kernel_seeds() -> list[bytes]:
    """Arrays as numpy.save leaves them, in its versions of the format."""
    found = []
    for version in ((1, 0), (2, 0), (3, 0)):
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.ones((3, 5), np.float32), version=version)
        found.append(stream.getvalue())
    return found


def change_npy(data: bytes, luck: random.Random) -> bytes:
    """Damage anywhere, or another header in the first version's frame."""
    if luck.random() < 0.5:
        return damaged(data, luck)
    header = {"descr": "<f4", "fortran_order": False, "shape": [3, 5]}
    text = repr(changed(header, luck)).replace("[3, 5]", "(3, 5)").encode(errors="surrogatepass")[:60_000]
    text = damaged(text, luck) if luck.random() < 0.3 else text
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(60)


def read_npy(path: Path) -> None:
    """Reads a kernel; it must be finite and no larger than its file."""
    weights = read_kernel(path)
    assert np.isfinite(weights).all(), weights
    assert weights.size <= path.stat().st_size, weights.shape


def kernel_texts() -> list[bytes]:
    """Rows of numbers."""
    return [b"1, 2 3 # first\n\n4 5 6\n", b"0.5\t1e3\n-1\t2\n"]


FORMATS = {
    "model": Format(".safetensors", model_seeds, change_safetensors, read_model),
    "safetensors": Format(".safetensors", model_seeds, change_safetensors, describe_weights),
    "pth": Format(".pth", torch_seeds, damaged, describe_weights),
    "hdf5": Format(".h5", hdf5_seeds, damaged, read_hdf5),
    "npy": Format(".npy", kernel_seeds, change_npy, read_npy),
    "text kernel": Format(".txt", kernel_texts, damaged, read_npy),
}
