"""Layers in 8-bit integers: which are, when, and what they give beside float32."""

import random

import pytest
import torch
from torch import nn

import convolens as cl
from convolens import _core
from convolens.layers import Conv2d, core, methods
from convolens.layers.geometry import conv_geometry
from convolens.layers.levels import Levels, give_levels, given_levels, measuring
from tests.instruction_sets import forget_choices
from tests.layers.fusion.test_program import by_layers

NEAR = 0.03  # of the largest output


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), Conv2d(32, 256, 1), nn.ReLU(), nn.MaxPool2d(2),
        Conv2d(256, 64, 1), nn.ReLU(), Conv2d(64, 96, 3, 2, 1), nn.ReLU(), Conv2d(96, 24, 1),
    ).eval()  # fmt: skip


@pytest.fixture
def quantized():
    model = network()
    with torch.no_grad(), measuring(model) as seen:
        model(torch.randn(4, 3, 48, 48))
    give_levels(model, {name: one.levels() for name, one in seen.items() if name != "0"})
    return model


@pytest.fixture
def used(monkeypatch):
    """How often the core convolved in integers."""
    calls, convolve = [], _core.int8_convolution

    class Counting:
        def __getattr__(self, name):
            return getattr(_core, name)

        def int8_convolution(self, *arguments):
            calls.append(arguments)
            convolve(*arguments)

    monkeypatch.setattr(core, "_core", Counting())
    return calls


@pytest.fixture(autouse=True)
def _integers_are_always_fastest(monkeypatch):
    monkeypatch.setattr("convolens.layers.costs.int8_amounts", lambda geometry: (0.0,) * 7)
    forget_choices()
    yield
    forget_choices()


def apart(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def test_layers_with_levels_are_computed_in_integers_and_near(quantized, used):
    x, plain = torch.randn(2, 3, 40, 44), network()
    with torch.no_grad():
        wanted, found = plain(x), quantized(x)
    assert len(used) == 4  # all but the first
    assert 1e-5 < apart(found, wanted) < NEAR
    with torch.no_grad():
        used.clear()
        assert apart(cl.fuse(quantized)(x), found) < 1e-2  # a level apart here and there: norms are folded there
    assert len(used) == 4


def test_they_are_not_where_a_gradient_follows(quantized, used):
    x = torch.randn(1, 3, 24, 24, requires_grad=True)
    y = quantized(x)
    y.sum().backward()
    assert not used
    torch.testing.assert_close(y, network()(x))
    torch.testing.assert_close(x.grad, torch.autograd.grad(network()(x).sum(), x)[0])


def test_exact_precision_leaves_them_to_float32(quantized, used):
    x = torch.randn(1, 3, 24, 24)
    before = cl.precision()
    try:
        cl.precision("exact")
        with torch.no_grad():
            torch.testing.assert_close(quantized(x), network()(x))
    finally:
        cl.precision(before)
    assert not used


def test_the_plan_says_why_not_and_that_it_is(quantized):
    x, layer = torch.randn(1, 32, 24, 24).contiguous(memory_format=torch.channels_last), quantized[3]
    assert "cannot: not quantized (cl.quantize), or a gradient follows" in cl.plan(x, network()[3]).explain()
    with torch.no_grad():
        assert cl.plan(x, layer).method == "int8"
    assert cl.plan(x, layer).method != "int8"


def test_other_dtypes_and_weights_that_are_not_finite_are_torchs(quantized, used):
    with torch.no_grad():
        double = quantized.double()(torch.randn(1, 3, 24, 24).double())
        assert double.dtype == torch.float64
        assert not used
        layer = Conv2d(32, 32, 1)
        layer.levels = Levels(0.1, -127)
        layer.weight[0, 0] = torch.inf
        assert not torch.isfinite(layer(torch.randn(1, 32, 9, 9))[:, 0]).any()


def test_levels_reach_over_what_was_seen_but_for_a_few_large_numbers():
    layer = Conv2d(1, 1, 1)
    with torch.no_grad(), measuring(layer) as seen:
        for seed in range(3):
            layer(torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(seed)).relu())
    found = seen[""].levels()
    assert found.lowest == 0
    assert 3.0 < found.step * 255 < 5.0
    with torch.no_grad(), measuring(layer) as seen:
        one = torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
        one[0, 0, 0, 0] = 12.0
        layer(one)
    found = seen[""].levels()
    assert found.step * (found.lowest + 255) < 12.0
    assert found.step * found.lowest < -3.0


def test_zero_is_a_level_and_nothing_seen_is_no_fault():
    assert Levels.between(-1.0, 1.0).lowest in (-127, -128)
    assert Levels.between(0.0, 0.0) == Levels(1.0, 0)
    assert Levels.between(-2.0, -1.0).lowest == -255


def test_copies_have_the_levels_and_they_can_be_taken(quantized):
    import copy

    assert given_levels(copy.deepcopy(quantized)) == given_levels(quantized)
    assert set(given_levels(quantized)) == {"3", "6", "8", "10"}
    give_levels(quantized, {})
    assert given_levels(quantized) == {}


def test_autocast_keeps_its_dtype(quantized, used):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert quantized(torch.randn(1, 3, 24, 24)).dtype == torch.bfloat16
    assert not used


def test_another_modules_levels_are_its_own():
    model = network()
    model.levels = 3
    assert given_levels(model) == {}


def test_padding_and_dilation_as_torch_has_them():
    torch.manual_seed(1)
    x = torch.randn(2, 48, 19, 23)
    for options in ({"padding": 2, "dilation": 2}, {"stride": 2}, {"padding": "same"}, {"padding": (0, 1)}):
        layer = Conv2d(48, 40, 3, **options)
        with torch.no_grad():
            wanted = layer(x)
            layer.levels = Levels.between(float(x.min()), float(x.max()))
            assert apart(layer(x), wanted) < NEAR
            geometry = conv_geometry(x.shape, layer.weight.shape, layer.stride, layer.padding, layer.dilation, 1)
        assert methods.choose(geometry, channels_last=False, inference=True, has_levels=True) == "int8"


def test_maps_between_layers_in_integers_are_stored_as_levels_and_change_no_bit(quantized):
    fused, x = cl.fuse(quantized), torch.randn(2, 3, 48, 47)
    first = fused(x)  # layer by layer, and written down
    (program,) = fused._row._programs.values()
    assert program.stored_as_levels >= 3  # of a convolution to pooling, behind it, and between two convolutions
    assert torch.equal(fused(x), first)
    assert torch.equal(fused(3 * x), by_layers(fused, 3 * x))  # beyond the last level


def test_where_nan_is_met_the_layers_are_run_one_by_one(quantized):
    fused, x = cl.fuse(quantized), torch.randn(2, 3, 48, 48)
    fused(x)
    x[1, 0, 20:23, 7] = torch.nan
    found = fused(x)
    assert torch.isnan(found[1]).any() and not torch.isnan(found[0]).any()
    torch.testing.assert_close(found, by_layers(fused, x), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("seed", range(8))
def test_stored_levels_change_no_bit_whatever_the_sizes(seed):
    draw = random.Random(seed)
    first, second, third, fourth = (draw.choice((1, 5, 16, 33, 64, 70, 130)) for _ in range(4))
    kernel, stride, dilation = draw.choice((1, 2, 3)), draw.choice((1, 2)), draw.choice((1, 2))
    net = nn.Sequential(
        Conv2d(draw.choice((1, 3)), first, 3, padding=1), nn.ReLU(),
        Conv2d(first, second, kernel, stride, kernel // 2 * dilation, dilation), *[nn.ReLU()] * draw.choice((0, 1)),
        nn.MaxPool2d(draw.choice((2, 3)), draw.choice((1, 2)), draw.choice((0, 1))),
        Conv2d(second, third, 1), nn.ReLU(),
        Conv2d(third, fourth, draw.choice((1, 3))),
    ).eval()  # fmt: skip
    x = torch.randn(draw.choice((1, 3)), net[0].in_channels, draw.randrange(20, 40), draw.randrange(20, 40))
    with torch.no_grad(), measuring(net) as seen:
        net(x)
    give_levels(net, {name: one.levels() for name, one in seen.items() if name != "0"})
    fused = cl.fuse(net)
    wanted = fused(x)
    assert all(one.stored_as_levels for one in fused._row._programs.values() if one is not None)
    assert torch.equal(fused(x), wanted)
