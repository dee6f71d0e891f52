from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.layers import Conv2d, MaxPool2d, core
from convolens.layers.fusion import chains
from convolens.layers.fusion.chains import Chain
from convolens.settings import precision


def chain_layers(pool, *, padding_mode="zeros", ceil_mode=False, channels=(3, 32, 32, 48, 20)):
    """Two stages with pooling between them and behind; weights frozen."""
    torch.manual_seed(0)
    layers = []
    for stage, (inputs, outputs) in enumerate(pairwise(channels)):
        layers += [Conv2d(inputs, outputs, 3, padding=1, padding_mode=padding_mode), nn.ReLU(inplace=True)]
        if stage % 2:
            layers.append(pool(2, ceil_mode=ceil_mode))
    nn.ModuleList(layers).requires_grad_(False)
    return layers


def maps_of(layers, x, wanted):
    """By chains, one up to each map that is wanted."""
    found, first = [], 0
    for end in wanted:
        found.append(Chain(layers[first : end + 1])(found[-1] if found else x))
        first = end + 1
    return found


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
    layers = chain_layers(pool, padding_mode=padding_mode, ceil_mode=ceil_mode)
    x = torch.randn(2, 3, 91, 77, generator=torch.Generator().manual_seed(1))
    exact = x.double().requires_grad_()
    before = precision()
    precision("exact")
    try:
        ours = x.clone().requires_grad_()
        assert Chain(layers).runs_on(ours)
        maps = maps_of(layers, ours, wanted)
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
    layers, x = chain_layers(average), torch.randn(1, 3, 40, 40)
    kept = x.clone()
    plain = Chain(layers)(x)
    last = Chain(layers)(x.to(memory_format=torch.channels_last))
    assert plain.is_contiguous() and last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain, last, rtol=0, atol=0)
    torch.testing.assert_close(x, kept, rtol=0, atol=0)


def test_a_map_that_is_kept_is_not_written_over_by_the_next_run():
    layers = chain_layers(average)
    first = maps_of(layers, torch.ones(1, 3, 300, 300), (1, 9))
    copies = [one.clone() for one in first]
    maps_of(layers, torch.zeros(1, 3, 300, 300), (1, 9))
    for one, copy in zip(first, copies, strict=True):
        torch.testing.assert_close(one, copy, rtol=0, atol=0)


def test_gradients_of_gradients_go_by_the_layers_themselves():
    layers = chain_layers(average)
    x = torch.randn(1, 3, 24, 24, requires_grad=True)

    def again(value):
        for layer in layers:
            value = layer(value)
        return value

    (first,) = torch.autograd.grad(Chain(layers)(x).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    (wanted,) = torch.autograd.grad(again(x).square().sum(), x, create_graph=True)
    (wanted_second,) = torch.autograd.grad(wanted.square().sum(), x)
    torch.testing.assert_close(second, wanted_second, rtol=1e-4, atol=1e-4 * wanted_second.abs().max().item())


def trainable(layers, *positions):
    """The layers, of which some convolutions are trainable; all of them by default."""
    for at, layer in enumerate(layers):
        layer.requires_grad_(at in positions or not positions)
    return layers


@pytest.mark.parametrize("pool", [average, maximum])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("wanted", [(1, 6, 9), (3, 4), (6,)])
@pytest.mark.parametrize("learn", [(), (2,), (0, 5)])
@pytest.mark.parametrize("x_learns", [False, True])
def test_gradients_in_the_weights_are_those_of_the_layers_in_double(pool, ceil_mode, wanted, learn, x_learns):
    layers = trainable(chain_layers(pool, ceil_mode=ceil_mode), *learn)
    x = torch.randn(2, 3, 45, 38, generator=torch.Generator().manual_seed(1))
    before = precision()
    precision("exact")
    try:
        ours, exact = x.clone().requires_grad_(x_learns), x.double().requires_grad_(x_learns)
        assert Chain(layers).runs_on(ours)
        maps = maps_of(layers, ours, wanted)
        want = in_double(layers, exact, wanted)
        upstream = [torch.randn_like(one) for one in want]
        asked = [at for at, one in enumerate(want) if one.requires_grad]
        parameters = [p for layer in layers for p in layer.parameters() if p.requires_grad]
        above = [upstream[at].float() for at in asked]
        got = torch.autograd.grad(
            [maps[at] for at in asked], [*parameters, *[ours] * x_learns], above, allow_unused=True
        )
        expected = torch.autograd.grad(
            [want[at] for at in asked],
            [*parameters, *[exact] * x_learns],
            [one.double() for one in above],
            allow_unused=True,
        )
    finally:
        precision(before)
    for one, other in zip(got, expected, strict=True):
        if one is None or other is None:  # past the last map
            assert one is other
            continue
        assert one.shape == other.shape
        # A ReLU or a maximum may turn over by rounding, which a sum over all places hardly sees.
        off = (one.double() - other.double()).abs() / other.abs().max()
        assert (off > 1e-4).double().mean() < 1e-3
        assert off.max() < 1e-2


def test_a_training_step_is_the_layers_own_and_can_be_taken_again():
    layers = trainable(chain_layers(maximum))
    x = torch.randn(2, 3, 24, 24)

    def again(value):
        for layer in layers:
            value = layer(value)
        return value

    y = Chain(layers)(x)
    weights = [p for layer in layers for p in layer.parameters()]
    first = torch.autograd.grad(y.square().sum(), weights, create_graph=True)
    wanted = torch.autograd.grad(again(x).square().sum(), weights, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), weights)
    wanted_second = torch.autograd.grad(sum(g.square().sum() for g in wanted), weights)
    for one, other in zip([*first, *second], [*wanted, *wanted_second], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * other.abs().max().item())


def test_gradients_are_handed_over_while_those_of_earlier_layers_are_still_to_come(monkeypatch):
    def gradients(handed_over):
        """The same gradients as `torch.autograd` gives them, and in which order they came and ops were done."""
        monkeypatch.setattr(chains, "HANDED_OVER", handed_over)
        layers, events = chain_layers(maximum), []
        nn.ModuleList(layers).requires_grad_(True)
        layers[0].requires_grad_(False)
        convolutions = [one for one in layers if isinstance(one, nn.Conv2d)]
        for at, layer in enumerate(convolutions[1:], 1):
            layer.weight.register_post_accumulate_grad_hook(lambda _, at=at: events.append(f"gradient {at}"))
        chain = Chain(layers)
        for at, op in enumerate(chain._ops):
            done = op.backward
            op.backward = lambda *given, at=at, done=done: (events.append(f"op {at}"), done(*given))[1]
        x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        x = x.contiguous(memory_format=torch.channels_last)
        y = chain(x)
        again = torch.autograd.grad(y.square().sum(), convolutions[2].weight, retain_graph=True)[0]
        events.clear()
        y.square().sum().backward()
        order = list(events)
        found = [value.grad for layer in layers for value in layer.parameters() if value.requires_grad]
        assert torch.equal(again, convolutions[2].weight.grad)
        (slope,) = torch.autograd.grad(chain(x).square().sum(), convolutions[1].weight, create_graph=True)
        found += torch.autograd.grad(slope.square().sum(), [convolutions[1].weight, convolutions[3].weight])
        return found, order

    alone, at_the_end = gradients(1 << 40)
    in_pieces, meanwhile = gradients(1)
    assert at_the_end == ["op 3", "op 2", "op 1", "gradient 1", "gradient 2", "gradient 3"]
    assert meanwhile == ["op 3", "gradient 3", "op 2", "gradient 2", "op 1", "gradient 1"]
    assert all(torch.equal(one, another) for one, another in zip(alone, in_pieces, strict=True))


def test_backward_is_by_the_weights_that_forward_was_by():
    trunk = cl.trunk("vgg11")
    others = {name: (p.detach() * 1.1).requires_grad_() for name, p in trunk.named_parameters()}
    x, tap = torch.randn(1, 3, 32, 32), "conv3_2"
    want = deepcopy(trunk)
    want.load_state_dict(others)

    def gradients(network, leaves):
        (first,) = torch.autograd.grad(network.square().sum(), leaves, create_graph=True)
        return first, torch.autograd.grad(first.square().sum(), leaves)[0]

    by_others = torch.func.functional_call(trunk, others, (x, tap))[tap]
    got = gradients(by_others, others["features.0.weight"])
    wanted = gradients(want(x, tap)[tap], want.features[0].weight)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * other.abs().max().item())


def test_a_weight_that_two_layers_share_has_a_gradient_from_each_once():
    layers = trainable(chain_layers(maximum, channels=(3, 32, 32, 32, 20)))
    layers[5].weight = layers[2].weight
    x = torch.randn(1, 3, 24, 24)
    (got,) = torch.autograd.grad(Chain(layers)(x).square().sum(), layers[2].weight, create_graph=True)
    (wanted,) = torch.autograd.grad(nn.Sequential(*layers)(x).square().sum(), layers[2].weight)
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max().item())


def test_what_is_not_a_number_reaches_every_gradient():
    layers = trainable(chain_layers(maximum))
    x = torch.randn(1, 3, 24, 24)
    x[0, 0, 5, 5] = float("nan")
    Chain(layers)(x).square().sum().backward()
    assert not any(p.grad.isfinite().all() for layer in layers[:3] for p in layer.parameters())


def test_nothing_is_held_after_backward():
    layers = trainable(chain_layers(maximum))
    loss = Chain(layers)(torch.randn(1, 3, 24, 24)).sum()
    node = loss.grad_fn.next_functions[0][0]
    assert len(node.saved_tensors) > 10
    loss.backward()
    assert not [name for name, value in vars(node).items() if isinstance(value, torch.Tensor)]
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        _ = node.saved_tensors


def test_weights_changed_between_forward_and_backward_are_told():
    layers = trainable(chain_layers(maximum))
    y = Chain(layers)(torch.randn(1, 3, 24, 24))
    with torch.no_grad():
        layers[2].weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_is_not_such_a_chain_on_the_cpu_is_left_to_the_layers():
    x = torch.randn(1, 3, 24, 24)
    assert Chain(chain_layers(average)).runs_on(x)
    assert Chain(trainable(chain_layers(average))).runs_on(x)
    assert not Chain(list(nn.ModuleList(chain_layers(average)).double())).runs_on(x.double())
    assert not Chain([nn.BatchNorm2d(3).requires_grad_(False)]).runs_on(x)
    for change in (nn.LeakyReLU(), type("Mine", (nn.ReLU,), {})(), nn.ReLU()):
        layers = chain_layers(average)
        layers[3] = change
        assert Chain(layers).runs_on(x) == (type(change) is nn.ReLU)
    mine = chain_layers(average)
    mine[2].__class__ = type("Mine", (Conv2d,), {})
    assert not Chain(mine).runs_on(x)
    mine = chain_layers(average)
    mine[2].forward = lambda value: value
    assert not Chain(mine).runs_on(x)
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert not Chain(chain_layers(average)).runs_on(x)
    handle.remove()
    hooked = chain_layers(average)
    hooked[2].register_forward_hook(lambda *_: None)
    assert not Chain(hooked).runs_on(x)


def test_a_trunks_maps_lead_to_one_another():
    trunk = cl.trunk("vgg11")
    maps = trunk(torch.randn(1, 3, 64, 64), taps=("conv2_1", "conv3_2"))
    (gradient,) = torch.autograd.grad(maps["conv3_2"].sum(), maps["conv2_1"])
    assert gradient.shape == maps["conv2_1"].shape and gradient.any()


def test_chains_that_train_in_other_ways_are_left_to_the_layers():
    x = torch.randn(1, 3, 24, 24)
    assert Chain(chain_layers(average, padding_mode="replicate")).runs_on(x)
    assert not Chain(trainable(chain_layers(average, padding_mode="replicate"))).runs_on(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not Chain(trainable(chain_layers(average))).runs_on(x)
    computed = trainable(chain_layers(average))
    nn.utils.parametrizations.weight_norm(computed[2])
    assert not Chain(computed).runs_on(x)


@pytest.mark.parametrize("count", [0, 1, 17, 1 << 16])
def test_the_mask_of_a_relu_and_what_it_does_to_a_gradient(count):
    y, g = torch.randn(count), torch.randn(count)
    y[count // 2 :: 7] = float("nan")
    mask = core.relu_mask(y)
    assert torch.equal(mask.bool(), ~(y <= 0))
    assert torch.equal(core.apply_mask(g.clone(), mask), g * ~(y <= 0))


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (1, 33, 8, 8), (1, 1, 2, 3)])
def test_averages_and_their_gradient_are_torchs(shape, ceil_mode):
    x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
    wanted = nn.functional.avg_pool2d(x, 2, ceil_mode=ceil_mode, count_include_pad=False)
    got = core.average(x.detach(), 2, tuple(wanted.shape[2:]))
    torch.testing.assert_close(got, wanted.detach())
    g = torch.randn_like(wanted)
    (gradient,) = torch.autograd.grad(wanted, x, g)
    torch.testing.assert_close(core.average_gradient(g, 2, shape), gradient)
