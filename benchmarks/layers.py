"""Networks and layers: inference, training steps, and single layers against PyTorch in its better memory format."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import convolens as cl
from benchmarks.harness import Report
from benchmarks.network_peers import peers, without_gradients

# Channels, rows and columns, filters, kernel, stride: the distinct layers of VGG16, ResNet18/50, MobileNet and SSD300.
SHAPES = [
    *[(3, 224, 64, 3, 1), (64, 224, 64, 3, 1), (64, 112, 128, 3, 1), (128, 112, 128, 3, 1), (128, 56, 256, 3, 1)],
    *[(256, 56, 256, 3, 1), (256, 28, 512, 3, 1), (512, 28, 512, 3, 1), (512, 14, 512, 3, 1)],
    *[(3, 224, 64, 7, 2), (64, 56, 64, 3, 1), (128, 28, 128, 3, 1), (256, 14, 256, 3, 1), (512, 7, 512, 3, 1)],
    *[(64, 56, 128, 3, 2), (128, 28, 256, 3, 2), (256, 14, 512, 3, 2), (64, 56, 128, 1, 2), (128, 28, 256, 1, 2)],
    *[(64, 56, 64, 1, 1), (64, 56, 256, 1, 1), (256, 56, 64, 1, 1), (256, 56, 128, 1, 1), (128, 56, 128, 3, 2)],
    *[(128, 28, 512, 1, 1), (256, 56, 512, 1, 2), (512, 28, 128, 1, 1), (512, 28, 256, 1, 1), (256, 28, 256, 3, 2)],
    *[(256, 14, 1024, 1, 1), (512, 28, 1024, 1, 2), (1024, 14, 256, 1, 1), (1024, 14, 512, 1, 1), (512, 14, 512, 3, 2)],
    *[(512, 7, 2048, 1, 1), (1024, 14, 2048, 1, 2), (2048, 7, 512, 1, 1)],
    *[(3, 224, 32, 3, 2), (32, 112, 16, 1, 1), (16, 112, 96, 1, 1), (96, 56, 24, 1, 1), (24, 56, 144, 1, 1)],
    *[(144, 28, 32, 1, 1), (32, 28, 192, 1, 1), (192, 14, 64, 1, 1), (64, 14, 384, 1, 1), (384, 14, 96, 1, 1)],
    *[(96, 14, 576, 1, 1), (576, 7, 160, 1, 1), (160, 7, 960, 1, 1), (960, 7, 320, 1, 1), (320, 7, 1280, 1, 1)],
    *[(64, 300, 64, 3, 1), (256, 75, 256, 3, 1), (512, 38, 512, 3, 1), (512, 19, 512, 3, 1), (1024, 19, 1024, 1, 1)],
    *[(1024, 19, 256, 1, 1), (256, 19, 512, 3, 2), (512, 38, 84, 3, 1)],
]


def run() -> None:
    networks()
    training()
    layers()


def networks() -> None:
    """Inference, fused, 224²."""
    report = Report("layers", "Networks, inference")
    for name, batch in (("vgg16", 1), ("vgg16", 8), ("resnet50", 1), ("resnet50", 8), ("resnet18", 1), ("resnet18", 8)):
        model, x = network(name), torch.randn(batch, 3, 224, 224)
        fused = cl.fuse(model)
        ours = without_gradients(lambda fused=fused, x=x: fused(x).numpy())
        report.row(f"{name}, batch {batch}", ours, peers(of_torch(model), x), tolerance=5e-5, seconds=2)
    report.write()


def training() -> None:
    """Forward, backward and one SGD step, 224², batch 8."""
    report = Report("layers", "Networks, training step")
    for name in ("vgg16", "resnet18"):
        ours, x = network(name).train().to(memory_format=torch.channels_last), torch.randn(8, 3, 224, 224)
        theirs, last = of_torch(ours).to(memory_format=torch.contiguous_format), of_torch(ours)
        x_last = x.contiguous(memory_format=torch.channels_last)
        calls = {"PyTorch": step(theirs, x), "PyTorch channels-last": step(last, x_last)}
        report.row(f"{name}, batch 8", step(ours, x_last), calls, tolerance=1e-3, seconds=6)
    report.write()


def layers() -> None:
    """One layer, batch 1, in the caller's own memory format."""
    report = Report("layers", "Single layers, inference")
    for channels, size, filters, kernel, stride in SHAPES:
        ours = cl.layers.Conv2d(channels, filters, kernel, stride, kernel // 2).requires_grad_(False)
        ours = ours.to(memory_format=torch.channels_last)
        theirs, last = of_torch(ours).to(memory_format=torch.contiguous_format), of_torch(ours)
        x = torch.randn(1, channels, size, size)
        x_last = x.contiguous(memory_format=torch.channels_last)
        calls = {
            "PyTorch": lambda layer=theirs, x=x: layer(x).numpy(),
            "PyTorch channels-last": lambda layer=last, x=x_last: layer(x).numpy(),
        }
        name = f"{channels}×{size}² → {filters}, {kernel}×{kernel}" + (f" step {stride}" if stride > 1 else "")
        report.row(name, lambda layer=ours, x=x_last: layer(x).numpy(), calls, tolerance=5e-5, seconds=0.3)
    report.write()


def network(name: str) -> nn.Module:
    """A trunk's layers in a row, for engines that want one tensor in and out; no norm is left trivial."""
    torch.manual_seed(0)
    model = nn.Sequential(OrderedDict(cl.trunk(name).named_children())).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.3, 0.7)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return model


def of_torch(model: nn.Module) -> nn.Module:
    """A copy with torch's own convolutions and pooling in place of ours."""
    model = copy.deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, cl.layers.Conv2d):
            layer.__class__ = nn.Conv2d
        if isinstance(layer, cl.layers.MaxPool2d):
            layer.__class__ = nn.MaxPool2d
    return model


def step(model: nn.Module, x: Tensor) -> Callable[[], Any]:
    """One training step towards small features; gives the first convolution's gradient."""
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    first = next(model.parameters())

    def run() -> Any:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        assert first.grad is not None
        return first.grad.numpy().copy()

    return run
