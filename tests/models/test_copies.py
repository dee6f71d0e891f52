"""A copy of a module is a module like it: what it has prepared or kept for speed does not stand in the way."""

import copy
import pickle

import pytest
import torch

import convolens as cl
from tests.models.every_module import MODULES, batch_for, tensors_in

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda module: pickle.loads(pickle.dumps(module))}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", MODULES)
def test_a_copy_gives_the_same_bits_before_and_after_the_module_ran(name, kind):
    module, batch = MODULES[name]().eval(), batch_for(name)
    early = COPIES[kind](module)
    expected = tensors_in(module(batch))
    late = COPIES[kind](module)
    for copied in (early, late):
        assert type(copied) is type(module) and not copied.training
        assert copied.state_dict().keys() == module.state_dict().keys()
        for one, other in zip(tensors_in(copied(batch)), expected, strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", MODULES)
def test_a_copy_has_weights_of_its_own(name, kind):
    module, batch = MODULES[name]().eval(), batch_for(name)
    with torch.no_grad():
        expected = [one.clone() for one in tensors_in(module(batch))]
        copied = COPIES[kind](module)
        for parameter in copied.parameters():
            parameter.mul_(1.5).add_(0.1)
        assert not any(torch.equal(one, other) for one, other in zip(tensors_in(copied(batch)), expected, strict=True))
        assert all(torch.equal(one, other) for one, other in zip(tensors_in(module(batch)), expected, strict=True))


@pytest.mark.parametrize("task", ["classifier", "localizer"])
def test_a_fused_copy_is_not_saved(task, tmp_path):
    model = getattr(cl, task)(cl.trunk("resnet18", stem="small", width=0.0625), classes=2)
    with pytest.raises(cl.errors.WeightsError, match="need the model itself to save, got a fused copy"):
        cl.fuse(model).save(tmp_path / "model.safetensors")
    assert not any(tmp_path.iterdir())
