"""What `cl.plan` says of a layer is what the layer then does."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.errors import ArgumentError
from convolens.layers import core, methods, planner
from convolens.layers.geometry import conv_geometry
from convolens.layers.planner import TORCH_MARGIN, TORCH_MARGIN_IN_NETWORKS, LayerSpec, Method, Partial, plan_for
from convolens.planning import Cost
from tests.instruction_sets import HERE, using

WITH_BFLOAT16 = "avx512_bf16", "amx"
LAYERS = {
    "winograd4": cl.layers.Conv2d(64, 32, 3, padding=1),
    "im2col": cl.layers.Conv2d(128, 128, 1),
    "torch": cl.layers.Conv2d(8, 8, 3, groups=4),
}


@pytest.fixture(autouse=True)
def without_bfloat16():
    """Plans as a processor without bfloat16 makes them, but where a test asks for it."""
    with using(next(name for name in reversed(HERE) if name not in WITH_BFLOAT16)):
        yield


@contextmanager
def precision_of(mode):
    cl.precision(mode)
    try:
        yield
    finally:
        cl.precision("fast")


def with_set(name, *values):
    return pytest.param(name, *values, marks=pytest.mark.skipif(name not in HERE, reason=f"not run: no {name} here"))


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


@pytest.mark.parametrize(
    ("instructions", "mode", "gradient", "method"),
    [
        with_set("amx", "fast", False, "bf16x3"),
        with_set("amx", "fast", True, "bf16x3"),
        with_set("amx", "bfloat16", False, "bf16"),
        with_set("amx", "bfloat16", True, "bf16x3"),
        with_set("amx", "exact", False, "im2col"),
        with_set("avx512_bf16", "fast", False, "im2col"),
        with_set("avx512_bf16", "bfloat16", False, "bf16"),
        with_set("avx512_bf16", "bfloat16", True, "im2col"),
        with_set("avx512_bf16", "exact", False, "im2col"),
    ],
)
def test_bfloat16_is_taken_as_far_as_precision_allows(instructions, mode, gradient, method, taken):
    layer = torch.nn.Sequential(cl.layers.Conv2d(256, 256, 1), torch.nn.ReLU()).requires_grad_(False)
    x = torch.randn(1, 256, 24, 20).contiguous(memory_format=torch.channels_last).requires_grad_(gradient)
    with using(instructions), precision_of(mode):
        y = layer(x)
    assert taken == [method]
    wanted = torch.relu(
        torch.nn.functional.conv2d(x.detach().double(), layer[0].weight.double(), layer[0].bias.double())
    )
    assert (
        float((y.detach() - wanted).abs().max() / wanted.max()) < {"bf16": 1e-2, "bf16x3": 5e-5, "im2col": 5e-6}[method]
    )


@pytest.mark.parametrize(("instructions", "mode"), [with_set("amx", "fast"), with_set("avx512_bf16", "bfloat16")])
def test_a_first_layer_is_no_product_of_bfloat16(instructions, mode):
    x = torch.ones(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with using(instructions), precision_of(mode):
        plan = cl.plan(x, cl.layers.Conv2d(3, 64, 7, 2, 3).requires_grad_(False))
    refused = {one.name: one.refusal for one in plan.candidates if one.name in ("bf16", "bf16x3")}
    assert any("8 channels and more" in reason for reason in refused.values())
    assert not any(reason is None for reason in refused.values())


def test_bfloat16_is_refused_where_it_brings_nothing():
    with pytest.raises(ArgumentError, match="need a processor that multiplies bfloat16"):
        cl.precision("bfloat16")


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("method", LAYERS)
def test_the_method_of_each_of_a_layers_sums_is_chosen_once_a_call(method, channels_last, trainable, monkeypatch):
    layer = LAYERS[method].requires_grad_(trainable)
    x = torch.ones(1, layer.in_channels, 24, 20, requires_grad=True)
    if channels_last:
        x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    chosen, choose = [], methods.choose
    monkeypatch.setattr(methods, "choose", lambda *args, **kwargs: chosen.append(args) or choose(*args, **kwargs))
    y = cl.layers.conv2d(x, layer.weight, layer.bias, padding=layer.padding, groups=layer.groups)
    assert len(chosen) == 1
    y.sum().backward()
    gradients = 0 if cl.plan(x, layer).method == "torch" else 1 + trainable  # torch's own gradients ask nobody
    assert len(chosen) == 1 + gradients
    with torch.no_grad():
        cl.layers.conv2d(x, layer.weight, layer.bias, padding=layer.padding, groups=layer.groups)
    assert len(chosen) == 2 + gradients


def test_weights_that_are_being_learned_are_priced_with_their_packing():
    layer, x = cl.layers.Conv2d(256, 256, 3, padding=1), last(torch.ones(1, 256, 6, 6))
    learned = seconds_of(cl.plan(x, layer))
    fixed = seconds_of(cl.plan(x, layer.requires_grad_(False)))
    assert all(learned[name] > 1.02 * fixed[name] for name in ("winograd4", "winograd2", "im2col"))
    assert learned["torch"] == fixed["torch"]


def test_another_order_in_memory_is_priced_with_the_reordering():
    geometry = conv_geometry((1, 64, 112, 112), (64, 64, 3, 3), 1, 1, 1, 1)
    in_order, planes = (cost(LayerSpec(geometry, channels_last=order), "winograd4") for order in (True, False))
    assert planes.seconds > 1.05 * in_order.seconds
    assert planes.memory - in_order.memory == 2 * 64 * 112 * 112 * 4


def test_what_follows_is_priced_where_it_is_a_pass_of_its_own():
    geometry = conv_geometry((1, 64, 112, 112), (64, 64, 3, 3), 1, 1, 1, 1)
    alone, followed = LayerSpec(geometry), LayerSpec(geometry, epilogue=True)
    assert cost(followed, "torch").seconds > cost(alone, "torch").seconds
    assert cost(followed, "winograd4") == cost(alone, "winograd4")


def cost(spec, name):
    return next(c.cost for c in plan_for(spec).candidates if c.name == name)


def seconds_of(plan):
    return {c.name: c.cost.seconds for c in plan.candidates if c.cost}


def last(x):
    return x.contiguous(memory_format=torch.channels_last)


def test_the_cheapest_is_taken_and_a_gradient_has_a_plan_of_its_own():
    geometry = conv_geometry((4, 128, 56, 56), (128, 128, 3, 3), 1, 1, 1, 1)
    for partial in get_args(Partial):
        plan = plan_for(LayerSpec(geometry, partial))
        assert plan.cost.seconds <= TORCH_MARGIN * min(seconds_of(plan).values())
        assert ("im2col" in seconds_of(plan)) == (partial != "input gradient")
    large_steps = conv_geometry((4, 128, 56, 56), (128, 128, 3, 3), 2, 1, 1, 1)
    assert plan_for(LayerSpec(large_steps, "weight gradient")).method == "im2col"
    assert plan_for(LayerSpec(large_steps, "input gradient")).method == "torch"
    one_cell = conv_geometry((4, 128, 56, 56), (128, 128, 1, 1), 1, 0, 1, 1)
    assert "im2col" in seconds_of(plan_for(LayerSpec(one_cell, "input gradient")))


def test_inside_a_network_torchs_own_must_win_by_more():
    """Its idle threads go on spinning on cores that the next layer wants."""
    chosen = set()
    for channels, side in [(32, 56), (64, 56), (128, 56), (128, 28), (256, 28), (256, 14)]:
        for pictures in (1, 2, 4, 8):
            shapes = (pictures, channels, side, side), (2 * channels, channels, 3, 3)
            geometry = conv_geometry(*shapes, 2, 1, 1, 1)
            alone, followed = plan_for(LayerSpec(geometry)), plan_for(LayerSpec(geometry, epilogue=True))
            seconds = seconds_of(followed)
            wins = seconds.pop("torch") * TORCH_MARGIN_IN_NETWORKS < min(seconds.values())
            assert (followed.method == "torch") == wins
            chosen.add((alone.method, followed.method))
    assert ("torch", "im2col") in chosen


def test_the_plan_of_a_layer_is_of_the_class_of_a_kernels_plan():
    x, layer = torch.ones(2, 64, 24, 20), LAYERS["winograd4"]
    plan = cl.plan(x, layer)
    assert type(plan) is type(cl.plan(x, torch.ones(1, 1, 3, 3)))
    head, *lines = plan.explain().splitlines()
    assert head.split() == ["method", "predicted", "ms", "memory", "MB", "error", "bound"]
    assert [line[2:].split()[0] for line in lines] == list(get_args(Method))
    assert [line[:1] for line in lines if line[2:].split()[0] == plan.method] == ["*"]
    assert "cannot: not one filter for each channel" in plan.explain()
    packed = next(c.cost.memory for c in plan.candidates if c.name == "winograd4")
    assert packed == 4 * (36 * 64 * 32 + x.numel() + 2 * 32 * 24 * 20)


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
    assert cl.plan(torch.ones(1, 64, 24, 20), layer).problem.geometry.y_shape == tuple(
        layer(torch.ones(1, 64, 24, 20)).shape
    )


def test_what_does_not_fit_is_refused_as_by_the_layer():
    with pytest.raises(cl.errors.ShapeError, match="channels"):
        cl.plan(torch.ones(1, 3, 24, 20), LAYERS["winograd4"])


def test_a_layer_of_torchs_own_has_no_plan():
    with pytest.raises(cl.errors.ConvolensError):
        cl.plan(torch.ones(1, 3, 24, 20), nn.Conv2d(3, 3, 3))
    assert not core.runs_on(torch.ones(1).double())


@pytest.mark.parametrize("words", [{"mode": "same"}, {"method": "fft"}, {"measure": True}])
def test_a_layers_plan_takes_no_words_of_a_kernels(words):
    with pytest.raises(ArgumentError, match="kernel: need a layer alone"):
        cl.plan(torch.ones(1, 64, 24, 20), LAYERS["winograd4"], **words)


@pytest.mark.parametrize(("seconds", "expected"), [(0.95, "im2col"), (0.85, "torch")])
def test_torchs_own_must_be_faster_by_a_margin(seconds, expected, monkeypatch):
    prices = {"im2col": 1.0, "torch": seconds}
    methods_of = [
        SimpleNamespace(NAME=name, refuses=lambda _: None, cost=priced(price)) for name, price in prices.items()
    ]
    monkeypatch.setattr(planner, "ALGORITHMS", methods_of)
    spec = LayerSpec(conv_geometry((1, 8, 9, 9), (8, 8, 1, 1), 1, 0, 1, 1))
    assert plan_for.__wrapped__(spec).method == expected


def priced(seconds):
    return lambda _: Cost(seconds, 0.0, 5e-6)
