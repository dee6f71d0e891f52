"""A network of residual blocks in evaluation mode is run as one where nothing learns, and by its layers else."""

from copy import deepcopy

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.layers.fusion.chains import Chain, Chains
from convolens.trunks.blocks import ResidualBlock

TRUNKS = ["resnet18", "resnet50", "resnext50_32x4d"]


def with_norms_that_matter(network):
    """Statistics, scales (negative ones too) and shifts as trained ones could be."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            nn.init.uniform_(layer.running_var, 0.3, 2)
            nn.init.uniform_(layer.weight, -0.5, 1)
            nn.init.uniform_(layer.bias, -0.2, 0.2)
    return network.eval()


@pytest.fixture(scope="module", params=TRUNKS)
def trunk(request):
    return with_norms_that_matter(cl.trunk(request.param, width=0.25))


@torch.no_grad()
def in_float64(trunk, batch, **options):
    """By torch's own layers: of float64 nothing is fused."""
    return deepcopy(trunk).double()(batch.double(), **options)


@pytest.fixture
def fused(monkeypatch):
    """Of each chain that was run as one, how many operations it has."""
    count, run = [], Chain.__call__
    monkeypatch.setattr(Chain, "__call__", lambda self, x: count.append(len(self._ops)) or run(self, x))
    return count


@pytest.mark.parametrize("size", [(64, 64), (33, 47)])
def test_every_tap_is_that_of_the_layers(trunk, fused, size):
    batch = torch.randn(2, 3, *size)
    with torch.inference_mode():
        found = trunk(batch, taps=trunk.taps)
    assert len(fused) == len(trunk.taps)
    wanted = in_float64(trunk, batch, taps=trunk.taps)
    for tap in trunk.taps:
        largest = wanted[tap].abs().max()
        torch.testing.assert_close(found[tap].double(), wanted[tap], rtol=0, atol=float(5e-5 * largest))


def test_the_last_tap_alone_is_one_chain(trunk, fused):
    batch = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        (found,) = trunk(batch).values()
    assert fused == [len(trunk.taps)]  # an operation for each tap: the stem, its pooling, and every block
    (wanted,) = in_float64(trunk, batch).values()
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=float(5e-5 * wanted.abs().max()))


def block(channels=16):
    layers = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2)]
    return with_norms_that_matter(ResidualBlock(layers, nn.Conv2d(channels, channels, 1)))


def change_norm_by_data(block):
    block.bn1.running_var.data.mul_(2)


def put_hook_on_norm(block):
    block.bn2.register_forward_hook(lambda _, __, y: y * 2)


def put_hook_on_shortcut(block):
    block.downsample.register_forward_hook(lambda _, __, y: y - 1)


def let_a_norm_learn(block):
    block.bn1.train()


def replace_relu(block):
    block.relu = nn.LeakyReLU(0.3)


def add_to_projection(block):
    block.downsample.append(nn.Hardtanh(-0.1, 0.1))


def replace_weight(block):
    block.conv1.weight = nn.Parameter(block.conv1.weight * -1)


def replace_layer(block):
    block.conv2 = nn.Conv2d(16, 16, 3, padding=2, dilation=2, bias=False)


@pytest.mark.parametrize(
    "change",
    [
        change_norm_by_data, put_hook_on_norm, put_hook_on_shortcut, let_a_norm_learn, replace_relu, add_to_projection,
        replace_weight, replace_layer,
    ],
)  # fmt: skip
def test_a_change_of_any_kind_is_seen_at_the_next_run(change):
    kept, layer, x = Chains(), block(), torch.randn(2, 16, 12, 12)
    with torch.no_grad():
        before = kept.of("key", [layer])(x)
        change(layer)
        wanted = deepcopy(layer)(x)
        assert (wanted - before).abs().max() > 0.01
        chain = kept.of("key", [layer])
        got = chain(x) if chain.runs_on(x) else deepcopy(layer)(x)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_where_a_gradient_is_asked_for_the_layers_run():
    layer, x = block(), torch.randn(1, 16, 8, 8)
    chain = Chain([layer])
    assert not chain.runs_on(x)
    layer.requires_grad_(False)
    assert chain.runs_on(x)
    assert not chain.runs_on(x.clone().requires_grad_())
    with torch.no_grad():
        assert chain.runs_on(x.clone().requires_grad_())


def test_the_picture_has_a_gradient_through_a_frozen_network():
    trunk = with_norms_that_matter(cl.trunk("resnet18", width=0.25)).requires_grad_(False)
    batch = torch.randn(1, 3, 64, 64, requires_grad=True)
    (found,) = trunk(batch).values()
    (gradient,) = torch.autograd.grad(found.square().sum(), batch)
    assert float(gradient.abs().max()) > 0


def test_a_map_that_another_tap_gave_is_not_written_over():
    trunk = with_norms_that_matter(cl.trunk("resnet18", width=0.25))
    batch = torch.randn(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = trunk(batch, taps=trunk.taps)
        kept = {tap: value.clone() for tap, value in found.items()}
        trunk(batch.flip(3), taps=trunk.taps)
        again = trunk(batch, taps=trunk.taps)
    for tap, value in kept.items():
        assert torch.equal(found[tap], value)
        assert torch.equal(again[tap], value)


def test_a_block_derived_from_ours_runs_as_it_is():
    class Halved(ResidualBlock):
        def forward(self, x):
            return super().forward(x) / 2

    layer = Halved([nn.Conv2d(4, 4, 3, padding=1)], None).eval().requires_grad_(False)
    assert not Chain([layer]).runs_on(torch.randn(1, 4, 6, 6))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("pool", [None, nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1)])
def test_a_convolution_a_norm_a_relu_and_a_pooling_are_one(affine, bias, pool):
    layers = [nn.Conv2d(8, 24, 3, padding=1, bias=bias), nn.BatchNorm2d(24, affine=affine), nn.ReLU()]
    layers += [] if pool is None else [pool]
    network = nn.Sequential(*layers).requires_grad_(False)
    if affine:
        with_norms_that_matter(network)
    network.eval()[1].running_mean.uniform_(-1, 1)
    x = torch.randn(2, 8, 14, 14)
    chain = Chain(list(network))
    assert chain.runs_on(x)
    torch.testing.assert_close(chain(x), network(x), rtol=1e-4, atol=1e-5)


def test_torch_computes_what_the_core_cannot():
    """Groups: the norm and the ReLU are then passes of their own."""
    network = nn.Sequential(nn.Conv2d(8, 8, 3, groups=2), nn.BatchNorm2d(8), nn.ReLU()).requires_grad_(False)
    with_norms_that_matter(network)
    x = torch.randn(2, 8, 9, 9)
    torch.testing.assert_close(Chain(list(network))(x), network(x), rtol=1e-4, atol=1e-5)


def test_one_two_and_four_threads_give_the_same_bits(trunk):
    batch, before, found = torch.randn(2, 3, 64, 64), cl.threads(), []
    try:
        for count in (1, 2, 4):
            cl.threads(count)
            with torch.inference_mode():
                found.append(next(iter(trunk(batch).values())))
    finally:
        cl.threads(before)
    if trunk.name != "resnext50_32x4d":  # its groups are torch's
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])
