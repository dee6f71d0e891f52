"""Weights that are larger than the budget of memory are refused before a number is read."""

import h5py
import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import MemoryRefused
from convolens.trunks.weights.checkpoint import read_checkpoint
from convolens.trunks.weights.tensor_file import write_tensor_file


def in_safetensors(path, count):
    path.touch()
    write_tensor_file(path, {"a.weight": torch.zeros(count)}, {})


def in_pickle(path, count):
    torch.save({"a.weight": torch.zeros(count)}, path)


def in_old_pickle(path, count):
    torch.save({"a.weight": torch.zeros(count)}, path, _use_new_zipfile_serialization=False)


def in_packed_hdf5(path, count):
    with h5py.File(path, "w") as file:
        file.create_dataset("block1_conv1/kernel", data=np.zeros(count, np.float32), chunks=(10_000,), compression=9)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.safetensors", in_safetensors), ("a.pth", in_pickle), ("a.pth", in_old_pickle), ("a.h5", in_packed_hdf5)],
    ids=["safetensors", "pth", "old pth", "packed HDF5"],
)
def test_weights_over_the_budget_are_refused(tmp_path, name, write):
    write(tmp_path / name, 500_000)
    cl.memory_limit("1.5MB")
    try:
        with pytest.raises(MemoryRefused, match=rf"{name}: need 2(\.\d+)? MB of memory, got a budget of 1.5 MB"):
            read_checkpoint(tmp_path / name)
    finally:
        cl.memory_limit("auto")
