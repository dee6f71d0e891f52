import pytest
import torch

from convolens.trunks import trunk
from convolens.trunks.blocks import ResidualBlock, convolution


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
def test_at_initialisation_gradients_reach_the_stem_finite_and_not_vanishing(name):
    network = trunk(name).train()
    batch = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network(batch)[network.taps[-1]].square().mean().backward()
    gradient = network.conv1.weight.grad
    assert gradient.isfinite().all()
    assert 1e-6 < gradient.norm() < 1e3
