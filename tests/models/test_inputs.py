"""What every task is given: where it shall run."""

from contextlib import suppress

import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, DeviceError
from convolens.models.inputs import class_names_of, running_on
from convolens.trunks.options import pick_device


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


def test_auto_is_what_a_surrounding_choice_says():
    with torch.device("meta"):
        assert pick_device("auto") == torch.device("meta")


@pytest.mark.parametrize(
    "make",
    [
        lambda device: cl.trunk("resnet18", device=device),
        lambda device: cl.classifier("resnet18", classes=2, device=device),
        lambda device: cl.localizer("resnet18", classes=2, device=device),
        lambda device: cl.detector("resnet18", classes=2, size=64, width=0.125, device=device),
    ],
)
def test_whatever_makes_a_network_puts_it_on_the_requested_device(make):
    assert {parameter.device.type for parameter in make("cpu").parameters()} == {"cpu"}
    with pytest.raises(DeviceError, match="device: need auto, cpu, cuda"):
        make("abacus")


def test_a_model_is_where_it_was_after_a_run_elsewhere(monkeypatch):
    model = torch.nn.Linear(1, 1)
    monkeypatch.setattr("convolens.models.inputs.pick_device", torch.device)
    with running_on(model, "auto"):
        assert model.weight.device.type == "cpu"
    moved = []
    monkeypatch.setattr(model, "to", moved.append)
    with suppress(KeyError), running_on(model, "meta"):
        assert moved == [torch.device("meta")]
        raise KeyError  # as what runs there may
    assert moved == [torch.device("meta"), torch.device("cpu")]
    with pytest.raises(ArgumentError, match="device: need auto for what is no torch module, got 'cpu'"):
        running_on(object(), "cpu").__enter__()


def test_a_number_of_classes_names_them():
    model = cl.classifier("resnet18", classes=3, taps="layer1.1", device="cpu")
    assert model.class_names == ("class 0", "class 1", "class 2")
    assert model.head.linear.out_features == 3


@pytest.mark.parametrize(("classes", "got"), [(1, "class 0"), (0, "none"), (("a", "a"), "a, a"), ("a", "a")])
def test_too_few_classes_or_one_twice_are_refused(classes, got):
    with pytest.raises(ArgumentError, match=f"classes: need at least 2, by name, each once, or by number, got {got}$"):
        class_names_of(classes, 2)
