"""What every trunk promises, for every line of TRUNKS. A newcomer is tested before its author writes a test."""

import weakref

import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, MemoryRefused, ShapeError
from convolens.trunks import TRUNKS
from convolens.trunks.registry import trunk
from convolens.trunks.trunk import BEFORE_RELU
from tests.trunks.each import EACH


@pytest.fixture(scope="module", params=EACH)
def network(request):
    made = trunk(request.param)
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # else a residual block starts as the identity
            torch.nn.init.ones_(layer.weight)
    return made


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("name", EACH)
def test_every_map_has_the_channels_and_the_size_that_the_trunk_announces(name, ceil_mode):
    with torch.device("meta"):
        network = TRUNKS[name](ceil_mode=ceil_mode, channels=5)
        for size in ((32, 33), (70, 47), (500, 333), (1024, 224)):
            for tap, found in network(torch.empty(1, 5, *size), taps=network.taps).items():
                assert found.shape == (1, network.channels(tap), *network.map_size(tap, *size)), tap


def test_maps_come_in_the_order_asked_for_and_equal_those_asked_for_alone(network):
    batch = noise(1, 3, 40, 40)
    first, *_, last = network.taps
    with torch.inference_mode():
        both = network(batch, taps=(last, first))
        assert list(both) == [last, first]
        for tap in both:
            torch.testing.assert_close(network(batch, taps=tap)[tap], both[tap], rtol=0, atol=0)
        torch.testing.assert_close(network(batch), {last: both[last]}, rtol=0, atol=0)


def test_nothing_deeper_than_the_deepest_tap_runs(network):
    ran = []
    hooks = [
        module.register_forward_hook(lambda module, *_: ran.append(module))
        for module in network.modules()
        if not list(module.children())
    ]
    middle = network.taps[len(network.taps) // 2]
    with torch.inference_mode():
        network(noise(1, 3, 32, 32), taps=(middle,))
        until_middle = len(ran)
        network(noise(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    assert 0 < until_middle < len(ran) - until_middle


def test_the_value_before_relu_becomes_the_tap_by_relu(network):
    names = [tap for tap in network.taps if network.steps[tap].before_relu]
    assert names
    asked = [tap + BEFORE_RELU for tap in names]
    batch = noise(1, 3, 32, 32)
    with torch.inference_mode():
        together = network(batch, taps=(*names, *asked))
        alone = network(batch, taps=names[-1])[names[-1]]
    for tap in names:
        before = together[tap + BEFORE_RELU]
        assert before.min() < 0
        torch.testing.assert_close(before.clamp(min=0), together[tap], rtol=0, atol=0)
    # Alone, blocks are run as one, their norms as a scale and a shift: the same but for rounding.
    torch.testing.assert_close(together[names[-1]], alone, rtol=1e-4, atol=1e-5)


def test_random_weights_are_finite_and_the_network_is_on_the_cpu_in_evaluation_mode(network):
    assert not network.training
    assert all(value.device.type == "cpu" and value.isfinite().all() for value in network.state_dict().values())


def test_another_number_of_channels_than_the_trunks_is_refused(network):
    with pytest.raises(ShapeError, match=r"batch: need \(N, 3, height, width\), got \(1, 5, 32, 32\)"):
        network(noise(1, 5, 32, 32))


def test_an_unknown_tap_is_named_with_the_known_ones(network):
    with pytest.raises(ArgumentError, match=rf"tap: need one of {network.taps[0]}, .*got 'conv9_9'"):
        network(noise(1, 3, 32, 32), taps=("conv9_9",))


@pytest.mark.bad_input
def test_a_batch_that_is_none_is_refused(network):
    with pytest.raises(ShapeError, match=r"batch: need \(N, 3, height, width\), got \(3, 32, 32\); see preprocess"):
        network(noise(3, 32, 32))
    with pytest.raises(DtypeError, match=r"batch: need a float tensor, got torch.uint8"):
        network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_gradients_reach_the_input(network):
    batch = noise(2, 3, 48, 32).requires_grad_()
    network(batch)[network.taps[-1]].square().sum().backward()
    assert batch.grad.isfinite().all()
    assert batch.grad.abs().sum() > 0


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, same, other = (trunk("resnet18", seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(value, same[key]) for key, value in first.items())
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


@pytest.mark.bad_input  # a tracer passes its proxies, which are no tensors
def test_a_fused_copy_has_the_same_maps_and_leaves_the_trunk_as_it_was(network):
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # statistics that folding must take up
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5, generator=torch.Generator().manual_seed(1))
            torch.nn.init.normal_(layer.running_mean, 0, 0.2, generator=torch.Generator().manual_seed(2))
    fused, batch = cl.fuse(network), noise(2, 3, 40, 33)
    with torch.inference_mode():
        expected, found = (one(batch, taps=network.taps) for one in (network, fused))
        again = fused(batch, taps=network.taps)  # buffers that are used again must not be those given out
    for tap, map_ in expected.items():
        torch.testing.assert_close(found[tap], map_, rtol=0, atol=1e-4 * map_.abs().max().item())
        assert torch.equal(found[tap], again[tap])
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in fused.modules())
    tap = next(name for name in network.taps if network.steps[name].before_relu)
    with pytest.raises(ArgumentError, match=rf"tap {tap}: has no ReLU \(or is fused with it\)"):
        fused(batch, taps=tap + BEFORE_RELU)


def test_maps_that_were_not_asked_for_are_let_go(network):
    alive = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: alive.append(weakref.ref(output)))
        for module in network.modules()
        if not list(module.children())
    ]
    middle = network.taps[len(network.taps) // 2]
    with torch.inference_mode():
        maps = network(noise(1, 3, 32, 32), taps=(middle,))
    for hook in hooks:
        hook.remove()
    kept = [reference() for reference in alive if reference() is not None]
    assert all(tensor.data_ptr() == maps[middle].data_ptr() for tensor in kept)
    assert len(alive) > 3


def test_maps_over_the_budget_are_refused_before_they_are_computed():
    small = trunk("vgg11")
    batch = torch.zeros(1, 3, 320, 320)
    cl.memory_limit("60MB")
    try:
        with pytest.raises(MemoryRefused, match=r"batch of \(1, 3, 320, 320\): need 78.65 MB of memory"):
            small(batch, taps="conv1_1")
    finally:
        cl.memory_limit("auto")
