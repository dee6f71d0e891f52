from itertools import pairwise

import pytest
import torch
from torch import nn

from convolens.layers import Conv2d, MaxPool2d, core, frozen
from convolens.settings import precision


def row(pool, *, padding_mode="zeros", ceil_mode=False, channels=(3, 32, 32, 48, 20)):
    """Two stages with pooling between them and behind; weights frozen."""
    torch.manual_seed(0)
    layers = []
    for stage, (inputs, outputs) in enumerate(pairwise(channels)):
        layers += [Conv2d(inputs, outputs, 3, padding=1, padding_mode=padding_mode), nn.ReLU(inplace=True)]
        if stage % 2:
            layers.append(pool(2, ceil_mode=ceil_mode))
    nn.ModuleList(layers).requires_grad_(False)
    return layers


def average(side, ceil_mode):
    return nn.AvgPool2d(side, ceil_mode=ceil_mode, count_include_pad=False)


def maximum(side, ceil_mode):
    return MaxPool2d(side, ceil_mode=ceil_mode)


def in_double(layers, x, wanted):
    """torch's own layers, float64."""
    value, found = x, {}
    for at, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
            padded = nn.functional.pad(value, (1, 1, 1, 1), mode)
            value = nn.functional.conv2d(padded, layer.weight.double(), layer.bias.double())
        elif isinstance(layer, nn.ReLU):
            value = torch.relu(value)
        elif isinstance(layer, nn.AvgPool2d):
            value = layer(value)
        else:
            value = nn.functional.max_pool2d(value, 2, ceil_mode=layer.ceil_mode)
        if at in wanted:
            found[at] = value
    return [found[at] for at in wanted]


@pytest.mark.parametrize("pool", [average, maximum])
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("wanted", [(1, 6, 9), (3, 4), (9,)])
def test_maps_and_their_gradient_are_those_of_the_layers_in_double(pool, padding_mode, ceil_mode, wanted):
    layers = row(pool, padding_mode=padding_mode, ceil_mode=ceil_mode)
    x = torch.randn(2, 3, 91, 77, generator=torch.Generator().manual_seed(1))
    exact = x.double().requires_grad_()
    before = precision()
    precision("exact")
    try:
        ours = x.clone().requires_grad_()
        assert frozen.can_run(layers, ours)
        maps = frozen.run(layers, ours, wanted, lambda _: [])
        want = in_double(layers, exact, wanted)
        upstream = [torch.randn_like(one) for one in want]
        (got,) = torch.autograd.grad(maps, ours, [g.float() for g in upstream])
    finally:
        precision(before)
    for one, other in zip(maps, want, strict=True):
        torch.testing.assert_close(one.double(), other, atol=1e-5 * other.abs().max().item(), rtol=0)
    (wanted_gradient,) = torch.autograd.grad(want, exact, upstream)
    # A ReLU or a maximum may turn over by rounding: in a few places, and by little.
    off = (got.double() - wanted_gradient).abs() / wanted_gradient.abs().max()
    assert (off > 1e-5).double().mean() < 1e-3
    assert off.max() < 1e-2


def test_results_are_in_the_inputs_order_and_the_input_stays():
    layers, x = row(average), torch.randn(1, 3, 40, 40)
    kept = x.clone()
    plain = frozen.run(layers, x, (9,), lambda _: [])[0]
    last = frozen.run(layers, x.to(memory_format=torch.channels_last), (9,), lambda _: [])[0]
    assert plain.is_contiguous() and last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain, last, rtol=0, atol=0)
    torch.testing.assert_close(x, kept, rtol=0, atol=0)


def test_a_map_that_is_kept_is_not_written_over_by_the_next_run():
    layers = row(average)
    first = frozen.run(layers, torch.ones(1, 3, 300, 300), (1, 9), lambda _: [])
    copies = [one.clone() for one in first]
    frozen.run(layers, torch.zeros(1, 3, 300, 300), (1, 9), lambda _: [])
    for one, copy in zip(first, copies, strict=True):
        torch.testing.assert_close(one, copy, rtol=0, atol=0)


def test_gradients_of_gradients_go_by_the_layers_themselves():
    layers = row(average)
    x = torch.randn(1, 3, 24, 24, requires_grad=True)

    def again(value):
        for layer in layers:
            value = layer(value)
        return [value]

    (first,) = torch.autograd.grad(frozen.run(layers, x, (9,), again)[0].square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    (wanted,) = torch.autograd.grad(again(x)[0].square().sum(), x, create_graph=True)
    (wanted_second,) = torch.autograd.grad(wanted.square().sum(), x)
    torch.testing.assert_close(second, wanted_second, rtol=1e-4, atol=1e-4 * wanted_second.abs().max().item())


def test_what_is_not_a_frozen_row_on_the_cpu_is_left_to_the_layers():
    x = torch.randn(1, 3, 24, 24)
    assert frozen.can_run(row(average), x)
    assert not frozen.can_run(list(nn.ModuleList(row(average)).requires_grad_(True)), x)
    assert not frozen.can_run(list(nn.ModuleList(row(average)).double()), x.double())
    assert not frozen.can_run([nn.BatchNorm2d(3).requires_grad_(False)], x)
    hooked = row(average)
    hooked[2].register_forward_hook(lambda *_: None)
    assert not frozen.can_run(hooked, x)


@pytest.mark.parametrize("count", [0, 1, 17, 1 << 16])
def test_signs_and_the_gate_that_they_are(count):
    y, g = torch.randn(count), torch.randn(count)
    signs = core.signs(y)
    assert torch.equal(signs.bool(), y > 0)
    assert torch.equal(core.gate(g.clone(), signs), g * (y > 0))


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (1, 33, 8, 8), (1, 1, 2, 3)])
def test_averages_and_their_gradient_are_torchs(shape, ceil_mode):
    x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
    wanted = nn.functional.avg_pool2d(x, 2, ceil_mode=ceil_mode, count_include_pad=False)
    got = core.average(x.detach(), 2, core.recycled(tuple(wanted.shape)))
    torch.testing.assert_close(got, wanted.detach())
    g = torch.randn_like(wanted)
    (gradient,) = torch.autograd.grad(wanted, x, g)
    torch.testing.assert_close(core.average_gradient(g, 2, core.recycled(shape)), gradient)
