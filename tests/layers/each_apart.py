"""Layers one by one, each in a process of its own that glibc's heap checks watch: a fault in one ends that one alone.

    python -m tests.layers.each_apart ours|torch dangerous|around|all
    python -m tests.layers.each_apart train resnet|ssd float32|bfloat16 STEPS

As torch's memory faults depend on the processor, `environment` makes it take the way of a lesser one. Prints a line for
each layer whose process died or whose numbers are wrong, and how many were run.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import astuple, dataclass
from itertools import product

import torch
from torch import Tensor, nn

import convolens as cl
from benchmarks.layers import DEPTHWISE, SHAPES

# What a processor with no more than these instructions takes, of oneDNN's, torch's and our own kernels.
CAPABILITIES = {
    "avx512": {},
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "CONVOLENS_ISA": "avx2"},
    "baseline": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "CONVOLENS_ISA": "baseline"},
}
ORDERS = {"last": torch.channels_last, "planes": torch.contiguous_format}
ALLOWED = 2e-4  # of the largest: Winograd's gradients in float32 stay below it
STEPS = 3  # what writes outside its memory need not be seen the first time


def environment(capability: str) -> dict[str, str]:
    """The environment in which a child takes that way, and its heap is checked (where glibc's checker is at hand)."""
    checked = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **checked, **CAPABILITIES[capability]}


@dataclass(frozen=True)
class Layer:
    """A convolution and its input's sizes."""

    channels: int
    filters: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    groups: int
    batch: int
    size: tuple[int, int]


def dangerous() -> list[Layer]:
    """Some of those whose backward corrupts memory in plain torch 2.13, channels-last: on AVX2, then on AVX-512."""
    small = [Layer(c, f, (1, 1), 2, 0, 1, 8, (16, 16)) for c, f in ((1, 4), (3, 8), (4, 4), (4, 8), (4, 32), (6, 12))]
    return small + [Layer(c, f, (1, 1), 2, 0, 1, 2, (88, 88)) for c, f in ((3, 8), (8, 8), (12, 1), (15, 17))]


def around() -> list[Layer]:
    """Their neighbours on both sides of the rule; sizes are multiples of the strides, or nothing is seen."""
    near = product((1, 3, 4, 6, 7, 8, 9, 12, 15, 16, 17, 20), (1, 8, 32), (2, 3), (18, 90))
    return [Layer(c, f, (1, 1), stride, 0, 1, 8, (side, side)) for c, f, stride, side in near]


def everything() -> list[Layer]:
    """The 67 layers of the benchmark, 300 random small ones, and what surrounds the dangerous ones."""
    known = [Layer(c, f, (k, k), stride, k // 2, 1, 1, (side, side)) for c, side, f, k, stride in SHAPES]
    known += [Layer(c, c, (3, 3), stride, 1, c, 1, (side, side)) for c, side, stride in DEPTHWISE]
    draw = random.Random(7)
    return known + [_random(draw) for _ in range(300)] + around()


def _random(draw: random.Random) -> Layer:
    channels, filters, rows = draw.randint(1, 16), draw.randint(1, 16), draw.randint(1, 7)
    columns = draw.choice([rows, rows, draw.randint(1, 7)])
    common = [g for g in range(1, 17) if channels % g == filters % g == 0]
    size = draw.randint(rows, 24), draw.randint(columns, 24)
    padding = draw.choice([0, 0, rows // 2, rows - 1])
    groups, stride, batch = draw.choice([*common, 1, 1]), draw.randint(1, 3), draw.randint(1, 9)
    return Layer(channels, filters, (rows, columns), stride, padding, groups, batch, size)


def wrong(layer: Layer, order: torch.memory_format, kind: type[nn.Conv2d]) -> list[str]:
    """The results of forward and backward that are not those of float64."""
    torch.manual_seed(1)
    channels, filters, kernel, stride, padding, groups, batch, size = astuple(layer)
    module = kind(channels, filters, kernel, stride, padding, groups=groups).to(memory_format=order)
    picture, above = torch.randn(batch, channels, *size), None
    for _ in range(STEPS):
        x = picture.clone(memory_format=order).requires_grad_()
        module.zero_grad()
        y = module(x)
        above = torch.ones_like(y) / 2 + (y.detach() > 0)
        y.backward(above)
    got = {"y": y, "grad_x": x.grad, **{f"grad_{name}": p.grad for name, p in module.named_parameters()}}
    truth = _truth(module, picture, above)
    return [name for name, value in got.items() if not _close(value, truth[name])]


def _truth(module: nn.Conv2d, picture: Tensor, above: Tensor) -> dict[str, Tensor | None]:
    exact = nn.Conv2d(
        module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding, groups=module.groups
    ).double()  # fmt: skip
    exact.load_state_dict(module.state_dict())
    x = picture.double().requires_grad_()
    y = exact(x)
    y.backward(above.double().contiguous())
    return {"y": y, "grad_x": x.grad, **{f"grad_{name}": p.grad for name, p in exact.named_parameters()}}


def _close(value: Tensor, truth: Tensor) -> bool:
    error = (value.detach().double() - truth.detach()).abs().max() / truth.detach().abs().max().clamp_min(1e-6)
    return bool(error < ALLOWED)  # NaN is not


def apart(layer: Layer, order: str, kind: type[nn.Conv2d]) -> str:
    """What is wrong with one layer, in a process of its own; empty where nothing is."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(write, " ".join(wrong(layer, ORDERS[order], kind)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as answer:
        found = answer.read()
    _, status = os.waitpid(child, 0)
    died = f"died of signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "raised"
    return f"{found} wrong" if found else died if status else ""


def train(name: str, precision: str, steps: str) -> None:
    """Steps of a network whose projections have 4 channels, each against the same random target."""
    torch.manual_seed(0)
    if name == "ssd":
        network = cl.detector("resnet18", size=64, classes=["a", "b"], width=0.0625)
    else:
        network = cl.classifier(cl.trunk("resnet18", width=0.0625), classes=["a", "b"])
    x = torch.randn(4, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.train().parameters(), lr=1e-3)
    for _ in range(int(steps)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = network(x)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = sum((output.float() - 1).square().mean() for output in outputs)
        loss.backward()
        optimizer.step()
    assert loss.isfinite()
    print(f"{steps} steps, loss {loss.item():.3g}: done")


def survey(who: str, which: str) -> None:
    kind = {"ours": cl.layers.Conv2d, "torch": nn.Conv2d}[who]
    layers = {"dangerous": dangerous, "all": everything, "around": around}[which]()
    wrong(Layer(8, 8, (3, 3), 1, 1, 1, 1, (8, 8)), torch.contiguous_format, kind)  # what is loaded at first use, once
    for layer, order in product(layers, ORDERS):
        found = apart(layer, order, kind)
        if found:
            print(layer, order, found, flush=True)
    print(f"{len(layers)} layers in {len(ORDERS)} orders: done", flush=True)


if __name__ == "__main__":
    (train if sys.argv[1] == "train" else survey)(*sys.argv[2 if sys.argv[1] == "train" else 1 :])
