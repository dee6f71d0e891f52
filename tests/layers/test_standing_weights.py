"""Weights that stand while a model is evaluated are looked at once; between two evaluations every change is seen."""

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import _core
from convolens.layers import packing
from convolens.models.inputs import evaluating


@pytest.fixture
def model():
    return cl.classifier("resnet18", classes=["cat", "dog"])


@pytest.fixture
def looked_at(monkeypatch):
    calls = []

    class Counting:
        def __getattr__(self, name):
            return getattr(_core, name)

        def fingerprint(self, *arguments):
            calls.append(arguments)
            return _core.fingerprint(*arguments)

    monkeypatch.setattr(packing, "_core", Counting())
    return calls


def test_each_weight_is_looked_at_once_in_a_call_and_again_in_the_next(model, looked_at):
    photos = [np.full((40 + 8 * at, 50, 3), 99, np.uint8) for at in range(3)]  # three sizes, so three batches
    model.predict(photos[:1])
    once = len(looked_at)
    assert once > 10
    looked_at.clear()
    model.predict(photos)
    assert len(looked_at) <= 2 * once  # layers of another size may read their weights in another order
    looked_at.clear()
    batch = torch.rand(1, 3, 48, 48)
    with evaluating(model):
        first = model(batch)
        looked_at.clear()
        assert torch.equal(model(batch), first)
    assert not looked_at


def test_changes_between_two_calls_are_seen_however_they_are_made(model):
    photo = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    before = model.predict(photo).scores[0]
    weight, norm = model.trunk.conv1.weight, model.trunk.bn1
    weight.data.numpy()[:] *= 3  # no version counts it
    changed = model.predict(photo).scores[0]
    assert changed != before
    norm.running_mean.numpy()[:] += 1
    assert model.predict(photo).scores[0] != changed


def test_a_change_that_torch_counts_is_seen_at_once(model):
    weight, batch = model.trunk.conv1.weight, torch.rand(1, 3, 48, 48)
    with torch.no_grad(), packing.standing_weights():
        before = model(batch)
        weight.mul_(2)
        assert not torch.equal(model(batch), before)
        model.trunk.bn1.running_var.mul_(2)
        model.trunk.bn1.running_mean.add_(1)
        after = model(batch)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), after)


def test_weights_that_are_made_at_each_call_are_not_kept(model):
    weight_norm = torch.nn.utils.parametrizations.weight_norm
    for name in ("conv1", "conv2"):
        weight_norm(getattr(model.trunk.layer1[0], name))
    batch = torch.rand(1, 3, 48, 48)
    with torch.no_grad(), packing.standing_weights():
        for _ in range(3):
            model(batch)
        kept = len(packing._standing.get().made)
        model(batch)
        assert len(packing._standing.get().made) == kept


def test_nothing_is_kept_once_it_is_over(model):
    with torch.no_grad(), packing.standing_weights():
        model(torch.rand(1, 3, 48, 48))
        standing = packing._standing.get()
        assert standing.made
    assert not standing.made


def test_what_a_suspended_evaluation_leaves_behind_does_not_serve(model):
    def suspended():
        with packing.standing_weights():
            yield model(torch.rand(1, 3, 48, 48))

    first, second = suspended(), suspended()
    with torch.no_grad():
        next(first), next(second)
    first.close()  # in the order in which they began, not in that of a stack
    second.close()
    batch = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        before = model(batch)
        model.trunk.conv1.weight.data.numpy()[:] *= 3
        assert not torch.equal(model(batch), before)
