"""A small module of every kind that a user gets, each with a batch for it."""

import torch

import convolens as cl


def _trunk():
    return cl.trunk("resnet18", width=0.25)


def _shared():
    trunk = _trunk()
    return cl.share_trunk(trunk, {"a": cl.classifier(trunk, classes=2), "b": cl.classifier(trunk, classes=3)}).eval()


MODULES = {
    "vgg": lambda: cl.trunk("vgg11"),
    "resnet": _trunk,
    "classifier": lambda: cl.classifier("vgg11", classes=3, taps=("conv2_1", "conv3_1")),
    "published classifier": lambda: cl.classifier("resnet18", classes=3, head="original"),
    "localizer": lambda: cl.localizer(_trunk(), classes=("cat", "dog")),
    "detector": lambda: cl.detector(_trunk(), size=96, classes=("cat", "dog")),
    "scanner": lambda: cl.convolutionalize(cl.classifier("vgg11", classes=3, taps="conv3_1"), 32),
    "shared trunk": _shared,
    "wrapped": lambda: cl.wrap_module(cl.classifier(_trunk(), classes=3), "trunk.layer2.1"),
}


def batch_for(name, count=2):
    sides = (96, 96) if name == "detector" else (64, 80)
    return torch.rand(count, 3, *sides, generator=torch.Generator().manual_seed(count))


def tensors_in(outputs):
    """The output's tensors, in order."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    parts = outputs.values() if isinstance(outputs, dict) else outputs
    return [tensor for part in parts for tensor in tensors_in(part)]
