"""Models as the modules that they are: what other tools do to modules of torch gives the same answers."""

import copy
import pickle

import pytest
import torch
from jaxtyping import config

import convolens as cl
from tests.export.conftest import NAMES, decided, picture, trunk

CROPPED = {"resize": 48, "crop": 40}
MODELS = {
    "classifier": lambda: decided(cl.classifier(trunk(**CROPPED), classes=NAMES, taps=["layer1.0", "layer2.0"])),
    "original head": lambda: decided(cl.classifier(trunk(**CROPPED), classes=NAMES, head="original")),
    "several labels": lambda: decided(cl.classifier(trunk(**CROPPED), classes=NAMES, multi_label=True)),
    "localizer": lambda: decided(cl.localizer(trunk(stretch=48), classes=NAMES, taps="layer2.0", hidden=8), 0.05),
    "detector": lambda: decided(
        cl.detector(trunk(), classes=NAMES, size=96, width=0.0625, taps=["layer2.1", "layer3.1"])
    ),
    "trunk": lambda: trunk(**CROPPED).eval(),
}


def tensors(found):
    """All that a model gave, whatever it is wrapped in."""
    if isinstance(found, torch.Tensor):
        return [found]
    values = found.values() if isinstance(found, dict) else found
    return [tensor for one in values for tensor in tensors(one)]


@pytest.fixture(params=MODELS)
def case(request):
    """A model, a batch and its exact answers, without beartype, which is no part of the model."""
    before = config.jaxtyping_disable
    cl.precision("exact")  # torch computes what is recorded
    config.update("jaxtyping_disable", True)
    model = MODELS[request.param]().eval()
    batch = model.preprocess([picture(60, 80), picture(60, 80, seed=1)])
    with torch.no_grad():
        yield model, batch, tensors(model(batch))
    config.update("jaxtyping_disable", before)
    cl.precision("fast")


def need_same(found, expected, **tolerance):
    found = tensors(found)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance or {"rtol": 1e-4, "atol": 1e-5})


def test_a_deep_copy_and_a_pickle_are_the_same_model(case):
    model, batch, expected = case
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        need_same(other(batch), expected, rtol=0, atol=0)
        assert other.preprocess([picture(60, 80)]).equal(model.preprocess([picture(60, 80)]))
        assert getattr(other, "class_names", None) == getattr(model, "class_names", None)
    for parameter in other.parameters():
        parameter.data.zero_()
    need_same(model(batch), expected, rtol=0, atol=0)  # nothing is shared


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_traced(case):
    model, batch, expected = case
    traced = torch.jit.trace(model, batch, strict=False)
    need_same(traced(batch), expected)
    with pytest.raises(AssertionError):
        need_same(traced(batch.flip(0)), expected)  # it computes, rather than remembers


def test_exported(case):
    model, batch, expected = case
    program = torch.export.export(model, (batch,), strict=False, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    need_same(program.module()(batch), expected)
    one = program.module()(batch[:1])
    need_same(one, [tensor[:1] for tensor in expected])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.compile:DeprecationWarning")
def test_compiled(case):
    model, batch, expected = case
    torch._dynamo.reset()
    compiled = torch.compile(model)
    need_same(compiled(batch), expected)
    need_same(compiled(batch[:1]), [tensor[:1] for tensor in expected])
