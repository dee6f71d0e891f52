"""How near each layer of a network comes to what the processor's multiplications alone would take.

The limit of a 3×3 layer of stride 1 is the arithmetic of Winograd's F(4×4), a quarter of the definition's; of any
other layer the definition's: at the pace of the faster of torch's own products of two large matrices, MKL's (`sgemm`,
which has no AVX-512 on AMD's processors) and oneDNN's (as a 1×1 convolution), measured in turn with the layers. Layers
are timed inside the whole network, where weights and maps come from wherever they then lie.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

import convolens as cl
from benchmarks.harness import machine, replace_section, title_here
from benchmarks.layers import network
from convolens.layers.fusion.fused import Fused
from convolens.layers.fusion.kept import Convolution

CASES = [(name, batch) for name in ("vgg16", "resnet50") for batch in (1, 8)]
ROUNDS = 9
SIDE = 2048  # of the matrices
TITLE = "Networks, how near the limit"


def run() -> None:
    lines = ["| network | limit, ms | takes, ms | of the limit |", "|---|---|---|---|"]
    tables = []
    with torch.inference_mode():
        for name, batch in CASES:
            whole, by_layer, limits = measured(name, batch)
            limit = sum(limits.values())
            lines.append(f"| {name}, batch {batch} | {limit:.1f} | {whole:.1f} | **{limit / whole:.0%}** |")
            print(lines[-1], flush=True)
            tables.append(table(name, batch, by_layer, limits))
    text = "\n".join([f"{(__doc__ or '').strip()}", "", machine(), "", "`python -m benchmarks limits`", "", *lines, ""])
    title = title_here(TITLE)
    replace_section(title, f"## {title}\n\n" + "\n".join([text, *tables]))


def measured(name: str, batch: int) -> tuple[float, dict[str, float], dict[str, float]]:
    """Milliseconds of the whole network, and by kind of layer what it takes in all and its limit."""
    fused, x = cl.fuse(network(name)), torch.randn(batch, 3, 224, 224)
    whole: list[float] = []
    taken: dict[str, list[float]] = defaultdict(list)
    paces: list[float] = []
    a = torch.randn(SIDE, SIDE)
    pixels = a.reshape(1, SIDE // 32, 32, SIDE).permute(0, 3, 1, 2)
    products = [lambda: a @ a, lambda: torch.conv2d(pixels, a[..., None, None])]
    layers: dict[str, float] = {}
    fused(x)
    for product in products:
        product()
    for _ in range(ROUNDS):
        whole.append(_milliseconds(lambda: fused(x)))
        paces.append(2 * SIDE**3 / min(map(_milliseconds, products)))
        with one_by_one(fused) as found:
            fused(x)
        for kind, once in _summed(found, 0).items():
            taken[kind].append(once)
        layers = _summed(found, 1)
    pace = statistics.median(paces)  # operations a millisecond
    by_layer = {kind: statistics.median(times) for kind, times in taken.items()}
    return statistics.median(whole), by_layer, {kind: operations / pace for kind, operations in layers.items()}


@contextmanager
def one_by_one(fused: nn.Module) -> Iterator[list[tuple[str, float, float]]]:
    """Within it layers are called from Python, each noted with its kind, milliseconds and least operations."""
    found: list[tuple[str, float, float]] = []
    forward, repeated = Convolution.forward, Fused._run

    def timed(self: Convolution, x: Tensor, *others: Tensor, **named: bool) -> Tensor:
        start = time.perf_counter()
        y = forward(self, x, *others, **named)
        kind, operations = _kind(self.layer, x)
        found.append((kind, 1e3 * (time.perf_counter() - start), operations))
        return y

    Convolution.forward = timed  # type: ignore[method-assign]
    Fused._run = lambda self, x: self.layers.forward(x)  # type: ignore[method-assign]
    try:
        yield found
    finally:
        Convolution.forward, Fused._run = forward, repeated  # type: ignore[method-assign]


def _kind(layer: nn.Conv2d, x: Tensor) -> tuple[str, float]:
    """What is alike of layers, and the operations that one of them cannot do without."""
    n, channels, height, width = x.shape
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    outputs = n * (height // stride) * (width // stride)
    products = outputs * layer.out_channels * channels // layer.groups * kernel**2
    by_winograd = kernel == 3 and stride == 1 and layer.groups == 1
    step = f" step {stride}" if stride > 1 else ""
    name = f"{channels}×{height}² → {layer.out_channels}, {kernel}×{kernel}{step}"
    return name, 2 * products / (4 if by_winograd else 1)


def _summed(found: list[tuple[str, float, float]], which: int) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for kind, *numbers in found:
        sums[kind] += numbers[which]
    return dict(sums)


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def table(name: str, batch: int, by_layer: dict[str, float], limits: dict[str, float]) -> str:
    """One network's layers, those of one kind together."""
    lines = [f"| {name}, batch {batch}: layers of a kind | limit, ms | take, ms | of the limit |", "|---|---|---|---|"]
    for kind, took in by_layer.items():
        lines.append(f"| {kind} | {limits[kind]:.2f} | {took:.2f} | {limits[kind] / took:.0%} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    run()
