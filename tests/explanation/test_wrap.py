import numpy as np
import pytest
import torch
from torch import nn

import convolens as cl
from convolens.errors import ArgumentError, MethodError, ShapeError


class Small(nn.Module):
    """A network as others write them: a ReLU in place behind the tap, a shared pooling, an unused layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.deep = nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(8, 3)
        self.idle = nn.Conv2d(1, 1, 1)

    def forward(self, batch):
        return self.fc(self.relu(self.deep(self.relu(self.conv(batch)))).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def small():
    return Small().eval()


def test_a_wrapped_module_gives_what_the_module_gives(small):
    model = cl.wrap_module(small, "deep")
    batch = model.preprocess(np.zeros((9, 9, 3), np.uint8))
    assert torch.equal(model(batch), small(batch))
    assert not model.training
    assert model.passed_taps == model.taps == ("deep",)


def test_the_gradient_is_taken_before_what_changes_the_map_in_place(small, picture):
    model = cl.wrap_module(small, ("conv", "deep"))
    batch = model.preprocess(picture)
    before = small.deep(torch.relu(small.conv(batch))).detach().requires_grad_()
    score = small.fc(torch.relu(before).mean(dim=(2, 3)))[0, 2]
    (gradient,) = torch.autograd.grad(score, before)
    expected = (gradient * before).sum(dim=1)[0].detach().numpy()
    found = cl.explain(model, picture, target=2, method="hirescam")
    assert found.label == "2"
    np.testing.assert_allclose(found.grids["deep"], expected, rtol=1e-4, atol=1e-7)
    assert found.grids["deep"].min() < 0  # the map before the ReLU in place


@pytest.mark.parametrize("whole", [False, True])
def test_each_part_of_a_wrapped_module_stays_in_its_mode(whole, picture):
    module = Small().train(whole)
    module.deep.train(not whole)
    modes = {name: part.training for name, part in module.named_modules()}
    model = cl.wrap_module(module, "deep")
    assert model.training == whole
    with pytest.raises(ArgumentError, match=r"need it in evaluation mode, got .*training mode"):
        cl.explain(model, picture)
    assert {name: part.training for name, part in module.named_modules()} == modes
    model.eval()
    cl.explain(model, picture)
    assert not any(part.training for part in module.modules())


@pytest.mark.bad_input
def test_what_cannot_be_wrapped_or_tapped_is_named(small, picture):
    with pytest.raises(ArgumentError, match=r"taps: need names of submodules, got 'depe'; did you mean 'deep'\?"):
        cl.wrap_module(small, "depe")
    with pytest.raises(ArgumentError, match="taps: need at least one, got none"):
        cl.wrap_module(small, ())
    with pytest.raises(ShapeError, match=r"tap fc: need a map \(N, C, rows, columns\), got \(1, 3\)"):
        cl.explain(cl.wrap_module(small, "fc"), picture)
    with pytest.raises(ArgumentError, match="tap idle: need a submodule that runs, got one that was not called"):
        cl.explain(cl.wrap_module(small, "idle"), picture)
    with pytest.raises(ShapeError, match=r"module: need scores \(N, classes\), got \(1, 6, 24, 36\)"):
        cl.explain(cl.wrap_module(nn.Sequential(small.conv), "0").eval(), picture)
    with pytest.raises(ArgumentError, match=r"need some that the model passes \(deep\), got 'conv'"):
        cl.explain(cl.wrap_module(small, "deep"), picture, taps="conv")
    with pytest.raises(MethodError, match="cam: needs a head that pools deep"):
        cl.explain(cl.wrap_module(small, "deep"), picture, method="cam")
    with pytest.raises(ArgumentError, match=r"need one of the classes \(they have no names\), got 'grass'"):
        cl.explain(cl.wrap_module(small, "deep"), picture, target="grass")
    with pytest.raises(ArgumentError, match="evaluation mode, got training mode"):
        cl.explain(cl.wrap_module(Small(), "deep"), picture)


def test_a_failure_leaves_no_hook_behind(small, picture):
    with pytest.raises(ShapeError):
        cl.explain(cl.wrap_module(small, "fc"), picture)
    assert not any(module._forward_hooks for module in small.modules())
