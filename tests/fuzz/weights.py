"""Weights: what torch and Keras leave, in the layouts that are met."""

from __future__ import annotations

import argparse
import contextlib
import io
import pickletools
import zipfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch

from convolens.errors import ConvolensError
from convolens.trunks.registry import describe_weights
from convolens.trunks.weights.checkpoint import read_checkpoint
from convolens.trunks.weights.hdf5 import open_hdf5
from convolens.trunks.weights.pickles import read_pickled
from tests.fuzz.blocks import change_hdf5
from tests.fuzz.form import Format
from tests.fuzz.mutators import damaged
from tests.fuzz.networks import model_seeds, network
from tests.fuzz.trees import change_header, change_json


@cache
def torch_seeds() -> list[bytes]:
    """State dicts as zip and as bare pickle, alone and beside settings, of shared and of odd tensors."""
    whole = torch.ones(4, 4)
    state = OrderedDict({"module.layer1.0.conv1.weight": torch.ones(2, 2, 1, 1), "module.b": torch.zeros(3).long()})
    odd = {"half": torch.ones(2).half(), "part": whole[1:, ::2], "all": whole, "none": torch.empty(0),
           "bool": whole > 0,
           "parameter": torch.nn.Parameter(torch.ones(2)), "complex": torch.ones(1, dtype=torch.complex64)}  # fmt: skip
    script = {"state_dict": state, "epoch": 3, "args": argparse.Namespace(lr=np.float64(0.1), out=Path("a"))}
    trunk = {name: value for name, value in network().trunk.state_dict().items() if name.startswith(("conv1", "bn1"))}
    found = []
    for content in (state, script, odd, {"model": trunk, "optimizer": {"state": {0: {"step": 1}}}}):
        for zipped in (True, False):
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=zipped)
            found.append(stream.getvalue())
    return found


def change_pth(data: bytes, luck: Random) -> bytes:
    """The bytes; or an entry of the archive, whose directory and checksums fit again."""
    if luck.random() < 0.3 or data[:2] != b"PK":
        return _change_pickle(data, luck) if data[:2] != b"PK" and luck.random() < 0.5 else damaged(data, luck)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [[one.filename, archive.read(one)] for one in archive.infolist()]
    at = luck.randrange(len(entries))
    way = luck.random()
    if way < 0.7:
        at = next(n for n, (name, _) in enumerate(entries) if name.endswith("data.pkl")) if way < 0.5 else at
        entries[at][1] = (_change_pickle if way < 0.4 else damaged)(entries[at][1], luck)
    elif way < 0.8:
        entries[at][0] = luck.choice(
            ("../a", "archive/data/9", "archive/byteorder", "archive/.data/x", "é", "a/code/b")
        )
    elif way < 0.9:
        del entries[at]
    else:
        entries.append(list(luck.choice(entries)))
    stream = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if luck.random() < 0.05 else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def _change_pickle(data: bytes, luck: Random) -> bytes:
    """One of its instructions dropped, doubled, or with another argument."""
    try:
        places = [at for _, _, at in pickletools.genops(data) if at is not None]
    except Exception:  # several behind one another, as the bare layout has, or damaged
        return damaged(data, luck)
    number = luck.randrange(len(places) - 1)
    begin, end = places[number], places[number + 1]
    way = luck.randrange(4)
    if way == 0:
        return data[:begin] + data[end:]
    if way == 1:
        return data[:end] + data[begin:end] + data[end:]
    if way == 2:
        return data[:begin] + luck.choice(_INSTRUCTIONS) + data[end:]
    return data[:begin] + damaged(data[begin:end], luck) + data[end:]


_INSTRUCTIONS = (
    *(b"N", b"\x88", b"K\x00", b"M\xff\xff", b"J\xff\xff\xff\x7f", b"\x8a\x09" + b"\xff" * 8 + b"\x00"),
    *(b"G\x7f\xf0" + bytes(6), b"Q", b"2"),
    *(b"X\x00\x00\x00\x00", b"X\x01\x00\x00\x00a", b"]", b"}", b")", b"(", b"0", b"R", b"b", b"s", b"u", b"e"),
    *(b"cos\nsystem\n", b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"h\x00", b"q\x00"),
)  # fmt: skip


def read_pth(path: Path) -> None:
    """What it holds, then of what network."""
    content = read_pickled(path)
    for value in content.values() if isinstance(content, dict) else ():
        if isinstance(value, torch.Tensor) and value.dtype.is_floating_point:
            value.sum()  # its numbers are memory of its own
    read_weights(path)


def read_weights(path: Path) -> None:
    """What it says; and sometimes, as that takes long, of what network."""
    read_checkpoint(path)
    if path.stat().st_size % 32 == 0:
        describe_weights(path)


@cache
def hdf5_seeds() -> list[bytes]:
    """The layouts of Keras 2 and 3, the second with packed arrays; names in attributes; the newest of HDF5's own."""
    numbers = np.ones((3, 3, 3, 4), np.float32)
    with TemporaryDirectory() as folder:
        with h5py.File(f"{folder}/a.h5", "w") as file:
            file["block1_conv1/kernel:0"] = numbers
            file["block1_conv1"].attrs["weight_names"] = [b"kernel:0"]
        with h5py.File(f"{folder}/b.h5", "w") as file:
            file.create_dataset("layers/block1_conv1/vars/0", data=numbers, compression="gzip", shuffle=True)
        with h5py.File(f"{folder}/c.h5", "w", libver="latest") as file:
            file["model_weights/block1_conv1/block1_conv1/kernel:0"] = numbers
            file["model_weights/block1_conv1/block1_conv1/bias:0"] = np.zeros(4, np.float16)
            file["model_weights"].attrs["layer_names"] = ["block1_conv1"]
            file.create_dataset("text", data="a")
            file.create_dataset("chunked", data=np.ones((40, 40)), chunks=(8, 8), fletcher32=True)
        return [Path(folder, name).read_bytes() for name in ("a.h5", "b.h5", "c.h5")]


def read_hdf5(path: Path) -> None:
    """Reads all arrays, then what network they are of."""
    with open_hdf5(path) as file:
        assert all(file.read(name).shape == shape for name, shape in file.shapes.items())
    with contextlib.suppress(ConvolensError):  # the seeds are no whole network
        read_checkpoint(path)


FORMATS = {
    "safetensors": Format("case.safetensors", model_seeds, change_header(change_json), read_weights),
    "pth": Format("case.pth", torch_seeds, change_pth, read_pth),
    "hdf5": Format("case.h5", hdf5_seeds, change_hdf5, read_hdf5, turns=1),
}
