import pytest
import torch

from convolens.errors import ArgumentError
from convolens.trunks import TRUNKS
from convolens.trunks.blocks import ResidualBlock, convolution
from convolens.trunks.registry import trunk


def test_a_block_with_its_last_norm_zeroed_returns_its_non_negative_input_exactly():
    block = ResidualBlock([convolution(8, 4, 1), convolution(4, 4, 3), convolution(4, 8, 1)], None).eval()
    block.start_as_identity()
    x = torch.rand(2, 8, 9, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), x)


def test_with_its_last_norm_awake_a_block_changes_its_input():
    block = ResidualBlock([convolution(8, 8, 3), convolution(8, 8, 3)], None).eval()
    x = torch.rand(2, 8, 9, 7, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(block(x), x)


@pytest.mark.parametrize("name", ["resnet18", "resnet152"])
def test_at_initialization_gradients_reach_the_stem_finite_and_not_vanishing(name):
    network = trunk(name).train()
    batch = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network(batch)[network.taps[-1]].square().mean().backward()
    gradient = network.conv1.weight.grad
    assert gradient.isfinite().all()
    assert 1e-6 < gradient.norm() < 1e3


def test_a_narrower_network_has_so_many_features_everywhere_and_is_built_again_from_its_options():
    narrow = trunk("resnet18", width=0.375)
    assert [narrow.channels(tap) for tap in ("stem", "layer1.1", "layer4.1")] == [24, 24, 192]
    again = TRUNKS["resnet18"](**narrow.options)
    again.load_state_dict(narrow.state_dict())
    batch = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    taps = narrow.taps[-1:]
    assert torch.equal(narrow.eval()(batch, taps)[taps[0]], again.eval()(batch, taps)[taps[0]])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "width", "message"),
    [
        ("resnet18", 0.0, "width: need a number from 0.0625 to 8, got 0.0"),
        ("resnet18", float("nan"), "width: need a number from 0.0625 to 8, got nan"),
        ("resnext50_32x4d", 0.3, "width: need a number of features that 32 groups divide, got 38 in a stage"),
    ],
)
def test_a_width_that_cannot_be_built_is_refused(name, width, message):
    with pytest.raises(ArgumentError, match=message):
        trunk(name, width=width)
