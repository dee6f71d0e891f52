"""Receptive fields: the analytic box is the box of pixels whose gradient is not zero."""

import pytest
import torch

from convolens.errors import ArgumentError
from convolens.trunks import TRUNKS, trunk


def open_network(name, **options):
    """A trunk in which no path is switched off: averages for pooling, every weight 1/fan-in, norms the identity."""
    network = trunk(name, pooling="average", **options).double()
    for key, value in network.state_dict().items():
        if value.dim() == 4:
            value.fill_(1 / value[0].numel())
        elif key.endswith(("running_var", "weight")):
            value.fill_(1)
        else:
            value.zero_()
    return network


def gradient_box(network, tap, row, column, height, width):
    picture = torch.ones(1, 3, height, width, dtype=torch.float64, requires_grad=True)
    feature = network(picture, taps=(tap,))[tap][0, 0, row, column]
    (gradient,) = torch.autograd.grad(feature, picture)
    ys, xs = gradient[0].abs().amax(0).nonzero(as_tuple=True)
    return xs.min().item(), ys.min().item(), xs.max().item() + 1, ys.max().item() + 1


def corners_and_middle(rows, columns):
    return {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2), (0, columns - 1)}


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("name", TRUNKS)
def test_the_clipped_box_is_where_the_gradient_lives_in_small_pictures(name, ceil_mode):
    network = open_network(name, ceil_mode=ceil_mode)
    height, width = 37, 66
    for tap in network.taps[:: max(1, len(network.taps) // 6)]:
        for row, column in corners_and_middle(*network.map_size(tap, height, width)):
            box = network.trace(tap, row, column, clip=(height, width))
            assert box == gradient_box(network, tap, row, column, height, width), (tap, row, column)


def test_vgg16s_fields_are_the_published_ones():
    network = trunk("vgg16")
    sizes = {tap: network.receptive_field(tap).size for tap in ("conv1_1", "conv2_2", "conv4_3", "conv5_3", "pool5")}
    assert sizes == {"conv1_1": 3, "conv2_2": 14, "conv4_3": 92, "conv5_3": 196, "pool5": 212}
    assert [network.stride(f"pool{stage}") for stage in range(1, 6)] == [2, 4, 8, 16, 32]


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
