"""Residual networks that learn: chains of convolutions and batch norms by the batch's statistics, beside the layers."""

from contextlib import contextmanager
from copy import deepcopy

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.layers.fusion.chains import Chain
from convolens.layers.fusion.learning import LearningConvolution
from convolens.layers.fusion.pooling import OverlappingPool
from convolens.layers.fusion.residual import LearningResidual
from convolens.settings import precision
from convolens.trunks.blocks import ResidualBlock, convolution


@contextmanager
def exactly():
    before = precision()
    precision("exact")
    try:
        yield
    finally:
        precision(before)


def small_network(kernels=(3, 3), *, bias=False, seed=0):
    """A stem with its overlapping pool, and two blocks, the second with a projection; all norms awake, learning."""
    torch.manual_seed(seed)
    first = [convolution(16, 16, kernel, bias=bias) for kernel in kernels]
    second = [
        convolution(16, 24, kernels[0], stride=2, bias=bias),
        *(convolution(24, 24, kernel, bias=bias) for kernel in kernels[1:]),
    ]
    projection = convolution(16, 24, 1, stride=2, bias=bias)
    layers = [
        convolution(3, 16, 7, stride=2, bias=bias),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        cl.layers.MaxPool2d(3, 2, 1),
        ResidualBlock(first, None),
        ResidualBlock(second, projection),
    ]
    network = nn.Sequential(*layers).train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
    return network


def pictures(count=3, side=50, seed=1):
    x = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def in_double(network, x):
    """The layers themselves, float64, whose batch norms are torch's."""
    exact = deepcopy(network).double()
    return exact, exact(x.double())


def alike(got, wanted):
    """A ReLU or a maximum may turn over by rounding, which a sum over all places hardly sees."""
    off = (got.double() - wanted).abs() / wanted.abs().max()
    return bool((off > 1e-4).double().mean() < 2e-3 and off.max() < 3e-2)


@pytest.mark.parametrize("kernels", [(3, 3), (1, 3, 1)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("x_learns", [False, True])
def test_values_gradients_and_running_statistics_are_the_layers_in_double(kernels, bias, x_learns):
    network = small_network(kernels, bias=bias)
    x = pictures().requires_grad_(x_learns)
    exact, wanted = in_double(network, x.detach().requires_grad_(x_learns))
    with exactly():
        chain = Chain(list(network))
        assert [type(op) for op in chain._ops] == [
            LearningConvolution,
            OverlappingPool,
            LearningResidual,
            LearningResidual,
        ]
        assert chain.runs_on(x)
        got = chain(x)
        g = torch.randn_like(got)
        names = [name for name, _ in network.named_parameters()]
        found = torch.autograd.grad(got, [*network.parameters(), *[x] * x_learns], g)
    assert alike(got.detach(), wanted.detach())
    expected = torch.autograd.grad(wanted, list(exact.parameters()), g.double())
    for name, one, other in zip(names, found, expected, strict=False):
        # What a bias before a norm adds the norm takes away: its gradient is nothing but rounding.
        assert alike(one, other) or other.abs().max() < 1e-12, name
    for (name, one), other in zip(network.named_buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-4, atol=1e-6, msg=name)


def test_the_gradient_in_the_input_is_the_layers():
    network, x = small_network(), pictures()
    ours, theirs = x.clone().requires_grad_(), x.double().requires_grad_()
    g = None
    with exactly():
        got = Chain(list(network))(ours)
        g = torch.randn_like(got)
        got.backward(g)
    deepcopy(network).double()(theirs).backward(g.double())
    assert alike(ours.grad, theirs.grad)


@pytest.mark.parametrize("learning", ["conv1.weight", "bn2.weight", "bn1.bias", "downsample.0.weight"])
def test_gradients_are_those_of_what_learns_alone(learning):
    block = ResidualBlock([convolution(16, 24, 3, bias=False), convolution(24, 24, 3, bias=False)],
                          convolution(16, 24, 1, bias=False)).train()  # fmt: skip
    nn.init.ones_(block.bn2.weight)
    block.requires_grad_(False)
    chosen = block.get_parameter(learning).requires_grad_()
    x = torch.randn(2, 16, 12, 12).contiguous(memory_format=torch.channels_last)
    exact = deepcopy(block).double()
    chain = Chain([block])
    assert chain.runs_on(x)
    y = chain(x)
    g = torch.randn_like(y)
    (got,) = torch.autograd.grad(y, [chosen], g)
    (wanted,) = torch.autograd.grad(exact(x.double()), [exact.get_parameter(learning)], g.double())
    assert alike(got, wanted)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_follow_as_torchs_do(momentum):
    ours = nn.Sequential(convolution(3, 8, 3), nn.BatchNorm2d(8, momentum=momentum), nn.ReLU()).train()
    theirs = deepcopy(ours)
    chain = Chain(list(ours))
    for seed in range(3):
        x = pictures(2, 9, seed)
        assert chain.runs_on(x)
        with torch.set_grad_enabled(seed != 1):  # statistics are followed whether or not a gradient is wanted
            chain(x)
            theirs(x)
    for one, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert int(ours[1].num_batches_tracked) == 3


@pytest.mark.parametrize("options", [{"affine": False}, {"momentum": 0.0}, {"eps": 1e-3}])
def test_norms_of_other_kinds_have_the_layers_gradients(options):
    torch.manual_seed(0)
    layers = [convolution(3, 17, 3), nn.BatchNorm2d(17, **options), nn.ReLU()]
    network = nn.Sequential(*layers, convolution(17, 5, 1), nn.BatchNorm2d(5, **options), nn.ReLU()).train()
    x = pictures(2, 7).requires_grad_()
    exact, wanted = in_double(network, x.detach().requires_grad_())
    got = Chain(list(network))(x)
    g = torch.randn_like(got)
    found = torch.autograd.grad(got, network[0].weight, g)[0]
    assert alike(found, torch.autograd.grad(wanted, exact[0].weight, g.double())[0])
    for one, other in zip(network.buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-4, atol=1e-6)


def test_a_network_that_turns_to_measuring_is_read_anew():
    trunk = cl.trunk("resnet18", width=0.25).train()
    x = pictures(2, 64)
    trunk(x)
    before = [one.clone() for one in trunk.buffers()]
    trunk.eval()
    with torch.no_grad():
        first, second = (trunk(x)[trunk.taps[-1]] for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(one, other) for one, other in zip(before, trunk.buffers(), strict=True))
    exact = deepcopy(trunk).double()(x.double())[trunk.taps[-1]]
    assert alike(first, exact)


def test_gradients_of_gradients_are_the_layers():
    network, x = small_network(), pictures(2, 40)
    weights = [network[0].weight, network[5].downsample[0].weight, network[4].bn1.weight]

    def norms(value, network):
        return torch.autograd.grad(value.square().sum(), weights_of(network), create_graph=True)

    def weights_of(network):
        return [network[0].weight, network[5].downsample[0].weight, network[4].bn1.weight]

    first = norms(Chain(list(network))(x), network)
    second = torch.autograd.grad(sum(one.square().sum() for one in first), weights)
    exact = deepcopy(network).double()
    wanted = norms(exact(x.double()), exact)
    wanted_second = torch.autograd.grad(sum(one.square().sum() for one in wanted), weights_of(exact))
    for one, other in zip((*first, *second), (*wanted, *wanted_second), strict=True):
        assert (one.double() - other).norm() < 1e-2 * other.norm()


def test_a_single_place_has_no_variance_and_is_refused_as_by_torch():
    layers = [convolution(3, 8, 3), nn.BatchNorm2d(8).train(), nn.ReLU()]
    x = pictures(1, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        Chain(layers)(x)


def test_what_a_chain_must_not_run_goes_by_the_layers():
    x = pictures(2, 40)
    assert Chain(list(small_network())).runs_on(x)
    for change in (
        lambda n: n[4].bn1.register_forward_hook(lambda *_: None),
        lambda n: n[4].bn1.eval(),  # one learns, another does not
        lambda n: n[5].downsample.__setitem__(1, nn.BatchNorm2d(24, track_running_stats=False)),
        lambda n: n.double(),
    ):
        network = small_network()
        change(network)
        assert not Chain(list(network)).runs_on(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not Chain(list(small_network())).runs_on(x)


def test_a_step_takes_a_network_where_the_layers_take_it():
    trunk = cl.trunk("resnet18", width=0.25).train()
    by_layers = deepcopy(trunk)
    by_layers.layer1[0].relu.register_forward_hook(lambda *_: None)  # so that layers are called one by one
    x = pictures(4, 64)
    for network in (trunk, by_layers):
        network(x)[network.taps[-1]].square().mean().backward()
        torch.optim.SGD(network.parameters(), 0.1).step()
    assert any(type(op) is LearningResidual for chain in trunk._chains._parsed.values() for op in chain._ops or [])
    for (name, one), other in zip(trunk.named_parameters(), by_layers.parameters(), strict=True):
        assert (one - other).norm() < 1e-3 * other.norm() + 1e-5, name


def test_nothing_is_held_after_backward():
    network, x = small_network(), pictures()
    y = Chain(list(network))(x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
