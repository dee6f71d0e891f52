"""What torch's layers refuse, ours refuse by an error that is of torch's kind too, and of ours."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import convolens as cl
from convolens import errors

X, WEIGHT = torch.zeros(1, 4, 5, 5), torch.zeros(2, 4, 3, 3)
REFUSED = [
    ("other channels", lambda at: at.conv2d(X, WEIGHT[:, :3]), errors.ShapeError),
    ("a line", lambda at: at.conv2d(X[0, 0, 0], WEIGHT), errors.ShapeError),
    ("groups that do not divide", lambda at: at.conv2d(X, WEIGHT, groups=3), errors.ShapeError),
    ("a bias of another length", lambda at: at.conv2d(X, WEIGHT, torch.zeros(3)), errors.ShapeError),
    ("a larger window", lambda at: at.conv2d(X, torch.zeros(2, 4, 7, 7)), errors.ShapeError),
    ("another dtype", lambda at: at.conv2d(X, WEIGHT.double()), errors.DtypeError),
    ("no stride", lambda at: at.conv2d(X, WEIGHT, stride=0), errors.ArgumentError),
    ("padding beyond half a pool's window", lambda at: at.max_pool2d(X, 2, padding=2), errors.ArgumentError),
    ("a pool's window that is larger", lambda at: at.max_pool2d(X, 9), errors.ShapeError),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("call", "error"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_torch_refuses_is_refused_by_an_error_of_the_same_kind(call, error):
    with pytest.raises((RuntimeError, ValueError)) as torchs:
        call(functional)
    with pytest.raises(error) as ours:
        call(cl.layers)
    assert isinstance(ours.value, RuntimeError if isinstance(torchs.value, RuntimeError) else ValueError)


@pytest.mark.bad_input
def test_a_module_refuses_what_torchs_does():
    for kind in (nn.Conv2d, cl.layers.Conv2d):
        with pytest.raises(ValueError, match="channels"):
            kind(3, 4, 3, groups=2)
