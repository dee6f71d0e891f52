"""Training steps and single layers, against PyTorch in its better memory format; whole networks are `engines`.

`python -m benchmarks.layers accuracy` runs some of the parts: training, image_gradient, layers, layers_training,
accuracy.
"""

from __future__ import annotations

import copy
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import convolens as cl
from benchmarks.engines import STEP, case
from benchmarks.harness import Report, difference_in_all, largest_difference, machine, milliseconds, replace_section
from convolens.trunks import Trunk

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
# Channels, rows and columns, stride: MobileNet's layers of one 3×3 filter for each channel.
DEPTHWISE = [(32, 112, 1), (96, 112, 2), (144, 56, 1), (192, 28, 1), (384, 14, 1), (576, 14, 2), (960, 7, 1)]
LEAST_TRAINING_MS = 0.5  # of PyTorch's: what takes less is made of overheads


def run() -> None:
    chosen = sys.argv[1:] if __name__ == "__main__" and sys.argv[1:] else list(PARTS)
    for name in chosen:
        PARTS[name]()


def training() -> None:
    """Forward, backward and one SGD step, 224², batch 8; ours with its weights as they are, as `cl.train` has them."""
    note = "Each side in a process of its own, sleeping while it is another's turn; medians of nine turns."
    report = Report("layers", "Networks, training step", note)
    for name in ("vgg16", "resnet18", "resnet50"):
        # Through fifty layers two orders of summation lie further apart: PyTorch's float32 from its float64 by 4e-2,
        # ours by 3e-2, and with AMX, whose products err by 16 bits, by 8e-2.
        tolerance = 1e-1 if name == "resnet50" else 2e-2
        sides = [f"{STEP}{side}" for side in ("ours", "PyTorch", "PyTorch channels-last")]
        report.rows.append(case(name, 8, sides, tolerance, difference_in_all))
        print(report.rows[-1].markdown(), flush=True)
    report.write()


def image_gradient() -> None:
    """VGG19 to conv5_1 at 512², frozen: forward, and the gradient in the picture."""
    report = Report("layers", "Networks, gradient in the picture")
    ours, x = cl.trunk("vgg19").requires_grad_(False), torch.rand(1, 3, 512, 512)
    whole = ours.features[:30]  # type: ignore[index, union-attr]  # the 29th layer is conv5_1, the 30th its ReLU
    theirs, last = of_torch(whole), of_torch(whole).to(memory_format=torch.channels_last)
    x_last = x.contiguous(memory_format=torch.channels_last)
    calls = {"PyTorch": gradient(theirs, x), "PyTorch channels-last": gradient(last, x_last)}
    mine = gradient(lambda x: ours(x, taps=("conv5_1",))["conv5_1"], x_last)
    report.row("vgg19 to conv5_1, 512²", mine, calls, tolerance=2e-2, seconds=8, difference_of=difference_in_all)
    report.write()


def gradient(network: Callable[[Tensor], Tensor], picture: Tensor) -> Callable[[], Any]:
    """The gradient of the features' mean square in the picture."""

    def run() -> Any:
        x = picture.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        network(x).square().mean().backward()
        assert x.grad is not None
        return x.grad.numpy()

    return run


def layers() -> None:
    """One layer, batch 1, in the caller's own memory format."""
    report = Report("layers", "Single layers, inference")
    for name, layer, x in single_layers():
        name += whose(layer.requires_grad_(False), x)
        ours, calls = one_layer(layer, x, lambda layer, x: lambda: layer(x).numpy())
        report.row(name, ours, calls, tolerance=5e-5, seconds=0.3, repeats=as_in_a_network(calls))
    report.write()


def layers_training() -> None:
    """One layer, batch 8, forward and both gradients."""
    title, least = "Single layers, training", LEAST_TRAINING_MS
    report = Report("layers", title, f"Forward and gradients, batch 8; those that take PyTorch over {least} ms.")
    for name, layer, x in single_layers(batch=8):
        name += whose(layer, x)
        ours, calls = one_layer(layer, x, both_ways)
        if min(milliseconds(calls, seconds=0.05, repeats=3).values()) > least:
            report.row(name, ours, calls, tolerance=1e-3, seconds=0.4, repeats=as_in_a_network(calls))
    report.write()


def whose(layer: nn.Module, x: Tensor) -> str:
    """Says where a layer is torch's own code in both columns, so that the ratio is the noise of the measurement."""
    plan = cl.plan(x.contiguous(memory_format=torch.channels_last), layer)
    return " (left to torch)" if plan.method == "torch" else ""


def as_in_a_network(calls: Mapping[str, Callable[[], Any]]) -> int:
    """How many calls follow one another: a few ms of them. A lone call's time is that of cores woken from sleep."""
    return 1 + int(5 / min(milliseconds(calls, seconds=0.02).values()))


def both_ways(layer: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Forward and backward of a layer; the first of a network has no gradient in the picture. Gives the weight's."""
    x = x.detach().requires_grad_(x.shape[1] > 3)  # the same memory for everyone: where it lies can cost half the time
    y = layer(x).detach()
    upstream = y * y  # the same numbers for everyone, in the order in memory that the layer gives

    def run() -> Any:
        x.grad = None
        layer.zero_grad()
        layer(x).backward(upstream)
        return layer.weight.grad.numpy()  # type: ignore[union-attr, operator]

    return run


def single_layers(batch: int = 1) -> Iterator[tuple[str, nn.Conv2d, Tensor]]:
    """Each shape: its name, our layer, an input."""
    torch.manual_seed(0)
    for channels, size, filters, kernel, stride in SHAPES:
        name = f"{channels}×{size}² → {filters}, {kernel}×{kernel}" + (f" step {stride}" if stride > 1 else "")
        layer = cl.layers.Conv2d(channels, filters, kernel, stride, kernel // 2)
        yield name, layer, torch.randn(batch, channels, size, size)
    for channels, size, stride in DEPTHWISE:
        name = f"{channels}×{size}², 3×3, each its own" + (f" step {stride}" if stride > 1 else "")
        layer = cl.layers.Conv2d(channels, channels, 3, stride, 1, groups=channels)
        yield name, layer, torch.randn(batch, channels, size, size)


def one_layer(
    layer: nn.Module, x: Tensor, call: Callable[[nn.Module, Tensor], Callable[[], Any]]
) -> tuple[Callable[[], Any], dict[str, Callable[[], Any]]]:
    """Ours, channels-last, and torch's in both memory formats; all on the same numbers."""
    x_last, ours = x.contiguous(memory_format=torch.channels_last), layer.to(memory_format=torch.channels_last)
    theirs = of_torch(ours).to(memory_format=torch.contiguous_format)
    calls = {"PyTorch": call(theirs, x), "PyTorch channels-last": call(of_torch(ours), x_last)}
    return call(ours, x_last), calls


def accuracy() -> None:
    """The largest error of every shape's output against float64, as a share of the largest output."""
    errors: dict[str, list[float]] = {"fast": [], "exact": [], "PyTorch": []}
    with torch.no_grad():
        for _, layer, x in single_layers():
            wanted, last = of_torch(layer).double()(x.double()), x.contiguous(memory_format=torch.channels_last)
            for mode in ("fast", "exact"):
                cl.precision(mode)
                errors[mode].append(largest_difference(layer(last), wanted))
            errors["PyTorch"].append(largest_difference(of_torch(layer)(x), wanted))
    cl.precision("fast")
    exceeding = sum(exact > max(5e-6, eager) for exact, eager in zip(errors["exact"], errors["PyTorch"], strict=True))
    lines = ["| | median | largest |", "|---|---|---|"]
    lines += [f"| {name} | {np.median(found):.1e} | {max(found):.1e} |" for name, found in errors.items()]
    shapes = len(errors["fast"])
    last_line = f"Of {shapes} shapes, exact errs by more than 5e-6 and more than PyTorch on {exceeding}."
    title = "Single layers, accuracy"
    text = "\n".join(
        [f"## {title}", "", machine(), "", "`python -m benchmarks.layers accuracy`", "", *lines, "", last_line]
    )
    print(text)
    replace_section(title, text + "\n")


class LastMap(nn.Module):
    """A trunk that gives its last tap's map."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, x: Tensor) -> Tensor:
        """The map."""
        (last,) = self.trunk(x).values()
        return last


def network(name: str) -> nn.Module:
    """A trunk's layers in a row, for engines that want one tensor in and out."""
    return in_a_row(a_trunk(name)).eval()


def in_a_row(trunk: Trunk) -> nn.Module:
    """The same layers, called one after another."""
    return nn.Sequential(OrderedDict(trunk.named_children()))


def a_trunk(name: str) -> Trunk:
    """With random weights; no norm is left trivial."""
    torch.manual_seed(0)
    trunk = cl.trunk(name)
    for layer in trunk.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.3, 0.7)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return trunk


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


PARTS: dict[str, Callable[[], None]] = {
    "training": training,
    "image_gradient": image_gradient,
    "layers": layers,
    "layers_training": layers_training,
    "accuracy": accuracy,
}

if __name__ == "__main__":
    run()
