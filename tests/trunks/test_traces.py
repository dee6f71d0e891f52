"""Receptive fields: the analytic box is the box of pixels whose gradient is not zero.

No path may be switched off: pooling by averages, every weight 1/fan-in, norms the identity. Then all features of a map
are equal, and one feature says as much as 2048: each convolution is narrowed to one channel, with its own kernel,
stride and padding, so that the whole depth of every trunk is traced in milliseconds.
"""

import pytest
import torch
from torch import nn

from convolens.errors import ArgumentError
from convolens.trunks import TRUNKS
from convolens.trunks.registry import trunk
from tests.trunks.each import EACH

BORDER = 32


def open_network(name, **options):
    with torch.device("meta"):
        network = TRUNKS[name](pooling="average", **options)
    for path, layer in list(network.named_modules()):
        if hasattr(layer, "in_channels"):
            kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
            narrow = nn.Conv2d(1, 1, kernel, stride, padding, bias=False, dtype=torch.float64)
            nn.init.constant_(narrow.weight, 1 / narrow.weight.numel())
            network.set_submodule(path, narrow)
        elif isinstance(layer, nn.BatchNorm2d):
            network.set_submodule(path, nn.Identity())
    network.options["channels"] = 1
    return network


def watched_maps(network, taps, height, width):
    """A picture, and the maps at the taps as made from it."""
    picture = torch.ones(1, 1, height, width, dtype=torch.float64, requires_grad=True)
    return picture, network(picture, taps=taps)


def gradient_box(picture, map_, row, column):
    (gradient,) = torch.autograd.grad(map_[0, 0, row, column], picture, retain_graph=True)
    ys, xs = gradient[0, 0].nonzero(as_tuple=True)
    return xs.min().item(), ys.min().item(), xs.max().item() + 1, ys.max().item() + 1


@pytest.mark.parametrize("name", EACH)
def test_inside_a_picture_the_whole_box_is_where_the_gradient_lives(name):
    network = open_network(name)
    for tap in network.taps:
        size, stride, _ = network.receptive_field(tap)
        row = -(-size // stride)  # the first whose box lies inside
        height = size + (row + 2) * stride
        box = network.trace(tap, row, 0)
        assert 0 <= box[1] < box[3] <= height
        picture, maps = watched_maps(network, (tap,), height, BORDER)
        found = gradient_box(picture, maps[tap], row, 0)
        assert (found[1], found[3]) == (box[1], box[3]), tap
        picture, maps = watched_maps(network, (tap,), BORDER, height)
        lying = gradient_box(picture, maps[tap], 0, row)
        assert (lying[0], lying[2]) == (box[1], box[3]), tap


def assert_clipped_boxes_are_where_the_gradient_lives(network, taps, height, width):
    picture, maps = watched_maps(network, taps, height, width)
    for tap in taps:
        rows, columns = network.map_size(tap, height, width)
        for row, column in {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2), (0, columns - 1)}:
            box = network.trace(tap, row, column, clip=(height, width))
            assert box == gradient_box(picture, maps[tap], row, column), (tap, row, column)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("name", EACH)
def test_at_the_borders_the_clipped_box_is_where_the_gradient_lives(name, ceil_mode):
    network = open_network(name, ceil_mode=ceil_mode)
    assert_clipped_boxes_are_where_the_gradient_lives(network, network.taps, 37, 66)


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(64, 47), (32, 1500), (1501, 33), (224, 224)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("name", TRUNKS)
def test_at_the_borders_of_larger_pictures_too(name, ceil_mode, height, width):
    network = open_network(name, ceil_mode=ceil_mode)
    assert_clipped_boxes_are_where_the_gradient_lives(network, network.taps, height, width)


def test_vgg16s_fields_are_the_published_ones():
    network = trunk("vgg16")
    sizes = {tap: network.receptive_field(tap).size for tap in ("conv1_1", "conv2_2", "conv4_3", "conv5_3", "pool5")}
    assert sizes == {"conv1_1": 3, "conv2_2": 14, "conv4_3": 92, "conv5_3": 196, "pool5": 212}
    assert [network.stride(f"pool{stage}") for stage in range(1, 6)] == [2, 4, 8, 16, 32]


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 435), ("resnet34", 899), ("resnet50", 427), ("resnet101", 971), ("resnet152", 1451)]
)
def test_resnets_fields_are_the_published_ones(name, size):
    with torch.device("meta"):
        network = TRUNKS[name]()
    assert network.receptive_field(network.taps[-1]).size == size
    assert network.stride(network.taps[-1]) == 32


def test_unclipped_boxes_reach_past_the_border_and_move_by_the_stride():
    network = trunk("vgg16")
    assert network.trace("conv1_1", 0, 0) == (-1, -1, 2, 2)
    assert network.trace("pool1", 2, 5) == (8, 2, 14, 8)
    assert network.trace("pool1", 0, 0, clip=(10, 10)) == (0, 0, 4, 4)


def test_a_feature_outside_the_map_is_refused():
    with pytest.raises(
        ArgumentError, match=r"trace: need a feature of the 2×3 map of pool4 on 32×48 pixels, got row 2"
    ):
        trunk("vgg16").trace("pool4", 2, 0, clip=(32, 48))
