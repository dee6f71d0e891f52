"""Chains are parsed once, and again as soon as anything that parsing reads is another."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.layers import Conv2d
from convolens.layers.fusion import chains

TAPS = ("conv2_1", "pool3")  # two chains
X = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def trunk():
    torch.manual_seed(0)
    return cl.trunk("vgg11").requires_grad_(False)


@pytest.fixture
def parses(monkeypatch):
    """How many times layers were parsed."""
    found, parse = [], chains.parse
    monkeypatch.setattr(chains, "parse", lambda layers: found.append(layers) or parse(layers))
    return found


class Twice(Conv2d):
    def forward(self, value):
        return 2 * super().forward(value)


def twice_of(layer):
    """The layer in a class derived from it."""
    other = Twice(layer.in_channels, layer.out_channels, 3, padding=1).requires_grad_(False)
    other.load_state_dict(layer.state_dict())
    return other


def assert_right(trunk, x=X):
    """The trunk's map is that of its layers, called one after another."""
    wanted = trunk.features[:11](x)
    torch.testing.assert_close(trunk(x, TAPS)["pool3"], wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())


def test_once_whatever_the_size_the_mode_and_which_weights_are_trainable(trunk, parses):
    assert_right(trunk)
    assert len(parses) == 2
    for change in (trunk.eval, trunk.train, trunk.requires_grad_, lambda: trunk.requires_grad_(False)):
        change()
        assert_right(trunk)
        assert_right(trunk, torch.cat([X, X], 3))
    assert len(parses) == 2


CHANGES = {
    "a hook": lambda trunk: trunk.features[0].register_forward_hook(lambda *args: 2 * args[-1]),
    "a hook before": lambda trunk: trunk.features[3].register_forward_pre_hook(lambda _, args: (2 * args[0],)),
    "a hook on a ReLU": lambda trunk: trunk.features[1].register_forward_hook(lambda *args: 2 * args[-1]),
    "another layer": lambda trunk: setattr(trunk.features, "0", Conv2d(3, 64, 3, padding=1)),
    "a derived layer": lambda trunk: setattr(trunk.features, "0", twice_of(trunk.features[0])),
    "another class": lambda trunk: setattr(trunk.features[0], "__class__", Twice),
    "other layers": lambda trunk: setattr(trunk, "features", copy.deepcopy(trunk.features).apply(halved)),
    "a forward": lambda trunk: setattr(trunk.features[1], "forward", lambda value: value.abs()),
    "a computed weight": lambda trunk: nn.utils.parametrizations.weight_norm(trunk.features[0].requires_grad_()),
    "an option": lambda trunk: setattr(trunk.features[0], "padding_mode", "replicate"),
    "an option of a pool": lambda trunk: setattr(trunk.features[10], "ceil_mode", True),
}


def halved(layer):
    if isinstance(layer, nn.Conv2d):
        layer.weight.data.mul_(0.5)


@pytest.mark.parametrize("change", CHANGES)
def test_again_where_something_changed(trunk, parses, change):
    trunk(X, TAPS)
    CHANGES[change](trunk)
    assert_right(trunk)
    assert len(parses) in (3, 4)  # one chain anew, or both
    before = len(parses)
    assert_right(trunk)
    assert len(parses) == before


def test_a_hook_is_called_for_as_long_as_it_is_there(trunk, parses):
    plain, calls = trunk(X, TAPS)["pool3"], []
    handle = trunk.features[0].register_forward_hook(lambda *_: calls.append(1))
    trunk(X, TAPS)
    handle.remove()
    assert torch.equal(trunk(X, TAPS)["pool3"], plain)
    assert len(calls) == 1
    assert len(parses) == 4


def test_other_weights_are_seen_without_parsing(trunk, parses):
    trunk(X, TAPS)
    trunk.features[0].weight = nn.Parameter(trunk.features[0].weight * 1.5)
    assert_right(trunk)
    trunk.features[3].bias = None
    assert_right(trunk)
    doubled = {name: 2 * value for name, value in trunk.state_dict().items()}
    got, plain = torch.func.functional_call(trunk, doubled, (X, TAPS))["pool3"], trunk(X, TAPS)["pool3"]
    wanted = copy.deepcopy(trunk)
    wanted.load_state_dict(doubled)
    torch.testing.assert_close(got, wanted(X, TAPS)["pool3"], rtol=1e-4, atol=1e-4 * got.max().item())
    assert_right(trunk)
    assert not torch.equal(got, plain)
    assert len(parses) == 4  # the copy's two


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trunk: pickle.loads(pickle.dumps(trunk))])
def test_a_copy_runs_by_its_own_layers(trunk, copied):
    before = trunk(X, TAPS)["pool3"]
    other = copied(trunk)
    assert torch.equal(other(X, TAPS)["pool3"], before)
    other.apply(halved)
    assert_right(other)
    assert torch.equal(trunk(X, TAPS)["pool3"], before)


def test_a_trunk_that_is_no_chain_is_looked_at_once(parses):
    trunk = cl.trunk("resnet18", width=0.25).eval()
    for _ in range(2):
        trunk(X)
    assert len(parses) == 1


def test_chains_keep_no_trunk_and_no_layer_alive():
    trunk = cl.trunk("vgg11")
    trunk(X, TAPS)
    gone = weakref.ref(trunk.features[0])
    trunk.features[0] = twice_of(trunk.features[0])
    trunk(X, TAPS)
    gc.collect()
    assert gone() is None
    gone = weakref.ref(trunk.features[3])
    del trunk
    gc.collect()
    assert gone() is None


def test_layers_of_groups_and_of_the_same_size_are_chained_too():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3, padding="same"), nn.ReLU(), Conv2d(32, 32, 5, padding=2, groups=32), nn.ReLU(),
              nn.AvgPool2d(2), Conv2d(32, 40, 4, padding="same", groups=4), nn.ReLU()]  # fmt: skip
    chain, x = chains.Chain(layers), X.clone().requires_grad_()
    assert chain.runs_on(x)
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    got, wanted = chain(x), nn.Sequential(*layers)(x)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    upstream = torch.randn_like(wanted)
    for one, other in zip(*(torch.autograd.grad(y, [x, *parameters], upstream) for y in (got, wanted)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
