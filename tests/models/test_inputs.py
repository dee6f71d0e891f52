"""What every task is given: where it shall run."""

import pytest
import torch

from convolens.errors import DeviceError
from convolens.models.inputs import pick_device


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("meta", "device: need one that computes, got 'meta', which holds no numbers; use cpu"),
        ("abacus", "device: need auto, cpu, cuda, cuda:1 or such that torch knows, got 'abacus'"),
        ("cpu:x", "device: need auto, cpu, cuda, cuda:1 or such that torch knows, got 'cpu:x'"),
    ],
)
def test_a_device_that_cannot_be_used_is_named(device, message):
    with pytest.raises(DeviceError, match=f"^{message}"):
        pick_device(device)


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    for there, expected in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device("auto") == torch.device(expected)
