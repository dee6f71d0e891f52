"""What `cl.plan` says of a layer is what the layer then does."""

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.layers import core, methods

LAYERS = {
    "winograd4": cl.layers.Conv2d(64, 32, 3, padding=1),
    "patches": cl.layers.Conv2d(128, 128, 1),
    "torch": cl.layers.Conv2d(8, 8, 3, groups=4),
}


@pytest.fixture
def taken(monkeypatch):
    """The methods that layers ran by."""
    found = []

    def noting(name, function):
        return lambda *args, **kwargs: found.append(name(*args)) or function(*args, **kwargs)

    monkeypatch.setattr(methods, "by_core", noting(lambda method, *_: method, methods.by_core))
    monkeypatch.setattr(torch, "conv2d", noting(lambda *_: "torch", torch.conv2d))
    return found


@pytest.mark.parametrize("method", LAYERS)
def test_the_plan_of_a_layer_is_what_runs(method, taken):
    layer = LAYERS[method].requires_grad_(False)
    x = torch.ones(1, layer.in_channels, 24, 20).contiguous(memory_format=torch.channels_last)
    assert cl.plan(x, layer).method == method
    layer(x)
    assert taken == [method]


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("method", LAYERS)
def test_a_layers_method_is_chosen_once_a_call(method, channels_last, trainable, monkeypatch):
    layer = LAYERS[method].requires_grad_(trainable)
    x = torch.ones(1, layer.in_channels, 24, 20, requires_grad=True)
    if channels_last:
        x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    chosen, choose = [], methods.choose
    monkeypatch.setattr(methods, "choose", lambda *args, **kwargs: chosen.append(args) or choose(*args, **kwargs))
    y = cl.layers.conv2d(x, layer.weight, layer.bias, padding=layer.padding, groups=layer.groups)
    assert len(chosen) == 1
    y.sum().backward()
    assert len(chosen) == 1
    with torch.no_grad():
        cl.layers.conv2d(x, layer.weight, layer.bias, padding=layer.padding, groups=layer.groups)
    assert len(chosen) == 2


def test_weights_that_are_being_learned_are_not_packed(taken):
    layer = cl.layers.Conv2d(128, 128, 1)
    x = torch.ones(1, 128, 24, 20).contiguous(memory_format=torch.channels_last)
    assert "learned" in cl.plan(x, layer).refusals["patches"]
    layer(x)
    with torch.no_grad():
        assert cl.plan(x, layer).method == "patches"
        layer(x)
    assert taken == ["torch", "patches"]


def test_the_table_has_a_line_for_each_method_and_a_star_at_the_chosen_one():
    x = torch.ones(2, 64, 24, 20)
    plan = cl.plan(x, LAYERS["winograd4"])
    head, *lines = plan.explain().splitlines()
    assert head.split() == ["method", "10⁶", "products", "weights", "MB", "error", "bound"]
    assert [line[2:].split()[0] for line in lines] == list(methods.METHODS)
    assert [line[0] for line in lines] == ["*", " ", " ", " ", " "]
    assert "winograd2   not taken: cl.precision is 'fast'" in plan.explain()
    # 2 pictures of 6 × 5 tiles of 36 products, and 9 products an output.
    assert lines[0].split()[2:4] == [f"{2 * 6 * 5 * 36 * 64 * 32 / 1e6:.2f}", f"{36 * 64 * 32 * 4 / 1e6:.2f}"]
    assert lines[-1].split()[1:3] == [f"{2 * 24 * 20 * 9 * 64 * 32 / 1e6:.2f}", f"{9 * 64 * 32 * 4 / 1e6:.2f}"]


def test_other_dtypes_are_torchs_and_exact_precision_takes_smaller_tiles():
    layer = cl.layers.Conv2d(64, 32, 3)
    x = torch.ones(1, 64, 24, 20)
    assert cl.plan(x.double(), cl.layers.Conv2d(64, 32, 3, dtype=torch.float64)).method == "torch"
    cl.precision("exact")
    try:
        assert cl.plan(x, layer).method == "winograd2"
    finally:
        cl.precision("fast")


def test_padding_of_another_mode_is_seen_through():
    layer = cl.layers.Conv2d(64, 32, 3, padding=1, padding_mode="reflect")
    assert cl.plan(torch.ones(1, 64, 24, 20), layer).geometry.y_shape == tuple(layer(torch.ones(1, 64, 24, 20)).shape)


def test_what_does_not_fit_is_refused_as_by_the_layer():
    with pytest.raises(cl.errors.ShapeError, match="channels"):
        cl.plan(torch.ones(1, 3, 24, 20), LAYERS["winograd4"])


def test_a_layer_of_torchs_own_has_no_plan():
    with pytest.raises(cl.errors.ConvolensError):
        cl.plan(torch.ones(1, 3, 24, 20), nn.Conv2d(3, 3, 3))
    assert not core.runs_on(torch.ones(1).double())
