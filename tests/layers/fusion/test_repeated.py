"""Chains that nobody differentiates, repeated by one call of the core: to the bit what their ops give one by one."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from torch import nn

import convolens as cl
from convolens.layers import core
from convolens.layers.fusion import program, repeated
from convolens.layers.fusion.program import Program
from convolens.layers.fusion.repeated import Repeated
from convolens.layers.packing import standing_weights
from convolens.models.classify import classifier


@pytest.fixture
def python_calls(monkeypatch):
    """Kernels that are called from Python, one by one."""
    calls, call = [], core._call
    monkeypatch.setattr(core, "_call", lambda *arguments: calls.append(arguments[0]) or call(*arguments))
    return calls


@pytest.fixture(params=["resnet18", "vgg11"])
def trunk(request):
    torch.manual_seed(0)
    trunk = cl.trunk(request.param).eval()
    for layer in trunk.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for one in (layer.weight, layer.running_var):
                nn.init.uniform_(one, 0.5, 1.5)
            nn.init.normal_(layer.running_mean)
    return trunk


def picture(*shape, seed=0):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def last(trunk, x):
    return trunk(x)[trunk.taps[-1]]


@torch.no_grad()
def one_by_one(trunk, x, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Repeated, "__call__", lambda self, x: None)
        return last(trunk, x)


@pytest.mark.parametrize("standing", [False, True])
def test_the_second_call_is_the_cores_alone_and_gives_the_same_bits(trunk, python_calls, monkeypatch, standing):
    for shape in ((2, 3, 64, 96), (1, 3, 96, 64), (2, 3, 64, 96)):
        x = picture(*shape)
        wanted = one_by_one(trunk, x, monkeypatch)
        last(trunk, x)
        python_calls.clear()
        if standing:
            with standing_weights():
                again = last(trunk, x)
        else:
            again = last(trunk, x)
        assert not python_calls
        assert torch.equal(again, wanted)
        other = picture(*shape, seed=1)
        assert torch.equal(last(trunk, other), one_by_one(trunk, other, monkeypatch))


CHANGES = {
    "a step of training": lambda t, w: w.data.add_(0.1),
    "under the version counter": lambda t, w: w.detach().numpy().__iadd__(np.float32(0.1)),
    "other weights": lambda t, w: t.load_state_dict({k: v + 0.1 for k, v in t.state_dict().items()}),
    "a bias or a norm's scale": lambda t, w: list(t.parameters())[1].detach().numpy().__iadd__(np.float32(0.1)),
    "other running statistics": lambda t, w: [b.add_(1) for b in list(t.buffers())[:1]],
    "moved": lambda t, w: t.share_memory(),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_became_others_are_seen(trunk, monkeypatch, change):
    x = picture(1, 3, 64, 64)
    first = [last(trunk, x) for _ in range(2)][-1]
    CHANGES[change](trunk, next(trunk.parameters()))
    wanted = one_by_one(trunk, x, monkeypatch)
    for _ in range(2):
        assert torch.equal(last(trunk, x), wanted)
    same = change == "moved" or (change == "other running statistics" and not list(trunk.buffers()))
    assert torch.equal(first, wanted) == same


def test_hooks_and_layers_in_anothers_place_are_called(trunk):
    x = picture(1, 3, 64, 64)
    last(trunk, x), last(trunk, x)
    seen = []
    layer = next(one for one in trunk.modules() if isinstance(one, nn.Conv2d))
    handle = layer.register_forward_hook(lambda *_: seen.append(1))
    last(trunk, x)
    assert seen == [1]
    handle.remove()
    last(trunk, x)
    assert seen == [1]


def test_a_result_is_not_written_over_by_the_next(trunk):
    x = picture(1, 3, 64, 64)
    last(trunk, x)
    first = last(trunk, x)
    kept = first.clone()
    last(trunk, picture(1, 3, 64, 64, seed=5))
    assert torch.equal(first, kept)


def test_gradients_and_learning_go_by_the_ops(trunk, python_calls):
    x = picture(2, 3, 64, 64)
    last(trunk, x), last(trunk, x)
    trunk.requires_grad_(False)
    y = trunk(x.requires_grad_())[trunk.taps[-1]]
    assert torch.autograd.grad(y.sum(), x)[0].any()
    trunk.requires_grad_(True).train()
    before = [one.clone() for one in trunk.buffers()]
    for _ in range(2):
        last(trunk, x.detach())
    assert all(not torch.equal(one, other) for one, other in zip(before, trunk.buffers(), strict=True))


def test_copies_and_pickles_have_programs_of_their_own(trunk):
    x = picture(1, 3, 64, 64)
    wanted = [last(trunk, x) for _ in range(2)][-1]
    for other in (copy.deepcopy(trunk), pickle.loads(pickle.dumps(trunk))):
        assert torch.equal(last(other, x), wanted)
        next(other.parameters()).data.zero_()
        assert not torch.equal(last(other, x), wanted)
    assert torch.equal(last(trunk, x), wanted)


def test_many_threads_at_once(trunk):
    inputs = [picture(1, 3, 64, 64 + 32 * (k % 2), seed=k) for k in range(4)]
    wanted = [last(trunk, x) for x in inputs]
    wrong = []

    def work(k):
        for _ in range(20):
            if not torch.equal(last(trunk, inputs[k]), wanted[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert not wrong


def test_a_quantized_model_predicts_by_maps_of_levels_and_gives_the_same_bits(monkeypatch):
    draw = np.random.default_rng(0)
    photos = draw.integers(0, 256, (4, 64, 64, 3), np.uint8)
    model = cl.quantize(classifier("resnet18", classes=["cat", "dog"]), photos, progress=False)
    stored = []
    monkeypatch.setattr(repeated, "Program", lambda *how: stored.append(Program(*how)) or stored[-1])
    first, again = (model.predict(photos[0]).scores for _ in range(2))
    assert stored[0].stored_as_levels > 0
    monkeypatch.setattr(Repeated, "__call__", lambda self, x: None)
    assert first == again == model.predict(photos[0]).scores


@pytest.mark.parametrize("pictures", [2, 3])
def test_the_first_layers_of_a_batch_run_for_a_few_pictures_after_the_others(pictures, monkeypatch):
    draw = np.random.default_rng(0)
    photos = draw.integers(0, 256, (5, 64, 64, 3), np.uint8)
    model = cl.quantize(classifier("resnet18", classes=["cat", "dog"]), photos, progress=False)
    monkeypatch.setattr(program, "_LARGE_MAP", 5 * 64 * 16 * 16 - 1)  # a batch of the first stage's maps
    monkeypatch.setattr(program, "_GROUP_MAP", pictures * 64 * 32 * 32)  # so many of the largest map
    monkeypatch.setattr(program, "_FASTER_THAN_MEMORY", tuple(program._KERNELS))  # on any processor
    groups, find = [], program._groups
    monkeypatch.setattr(program, "_groups", lambda steps: groups.append(find(steps)) or groups[-1])
    x = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    taps = ("layer1.1", "layer3.0")
    with torch.no_grad():
        found = [model.trunk(x, taps=taps) for _ in range(2)][-1]
        monkeypatch.setattr(Repeated, "__call__", lambda self, x: None)
        wanted = model.trunk(x, taps=taps)
    assert all(early > 0 and count == pictures for early, count in groups[:1])
    assert all(torch.equal(found[tap], wanted[tap]) for tap in taps)
