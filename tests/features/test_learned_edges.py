from pathlib import Path

import h5py
import numpy as np
import pytest
import skimage
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from convolens.features import learned_edges as edges
from convolens.features.learned_edges import learned_edges
from convolens.trunks.weights import loading as weights
from convolens.trunks.weights.table import WEIGHTS

pytestmark = pytest.mark.weights

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"


def convolve(maps, group):
    """A Keras convolution by its definition: (H, W, I) maps, (3, 3, I, O) kernel, zeros around."""
    kernel, bias = group["vars/0"][:].astype(float), group["vars/1"][:].astype(float)
    reach = kernel.shape[0] // 2
    padded = np.pad(maps, ((reach, reach), (reach, reach), (0, 0)))
    windows = sliding_window_view(padded, kernel.shape[:2], axis=(0, 1))
    return np.einsum("yxikl,klio->yxo", windows, kernel, optimize=True) + bias


def halve(maps):
    height, width, _ = maps.shape
    padded = np.pad(maps, ((0, height % 2), (0, width % 2), (0, 0)), constant_values=-np.inf)
    return sliding_window_view(padded, (2, 2), axis=(0, 1))[::2, ::2].max(axis=(3, 4))


def stretch(values, size, axis):
    """Linear interpolation with half-pixel centres along one axis."""
    count = values.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, count - 1)
    share = np.expand_dims(at - low, 1 - axis)
    return values.take(low, axis) * (1 - share) + values.take(high, axis) * share


def edges_by_definition(picture):
    maps = picture[..., ::-1].astype(float) - (104.00699, 116.66877, 122.67892)
    sides = []
    with h5py.File(weights.get(WEIGHTS["vgg16/hed"])) as file:
        for block in range(1, 6):
            maps = maps if block == 1 else halve(maps)
            layers = file[f"block{block}/layers"]
            for name in sorted(name for name in layers if name.startswith("conv")):
                maps = np.maximum(convolve(maps, layers[name]), 0)
            side = convolve(maps, file[f"dsn{block}"])[..., 0]
            sides.append(stretch(stretch(side, picture.shape[0], 0), picture.shape[1], 1))
        fused = convolve(np.stack(sides, axis=2), file["fuse"])[..., 0]
    return 1 / (1 + np.exp(-fused))


@pytest.mark.parametrize("rows", [slice(100, 137), slice(60, 108)])
def test_learned_edges_are_heds_layers_computed_by_definition(rows):
    crop = np.asarray(Image.open(ASTRONAUT).convert("RGB"))[rows, 200:245]
    found = learned_edges(crop)
    assert found.dtype == np.float32
    expected = edges_by_definition(crop)
    assert expected.max() - expected.min() > 0.5  # the crop has edges and flat parts
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_gray_and_tiny_pictures_have_edges_too():
    assert learned_edges(np.zeros((1, 1))).shape == (1, 1)
    ring = np.hypot(*np.mgrid[-32:32, -32:32]) < 16
    found = learned_edges(ring.astype(np.float32))
    distance = np.abs(np.hypot(*np.mgrid[-32:32, -32:32]) - 16)
    assert found[distance < 1].mean() > 4 * found[distance > 8].mean()


@pytest.mark.parametrize(("height", "width"), [(200, 101), (97, 160)])
def test_tiles_make_the_same_edges_as_the_whole_picture(height, width, monkeypatch):
    picture = np.asarray(Image.open(ASTRONAUT).convert("RGB"))[:height, :width]
    whole = edges.learned_edges(picture)
    monkeypatch.setattr(edges, "TILE", 64)
    np.testing.assert_allclose(edges.learned_edges(picture), whole, atol=2e-4)
