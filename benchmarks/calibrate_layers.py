"""Measures what the methods of a network's layer cost: `python -m benchmarks.calibrate_layers`.

Every method runs layers of networks that people use and random ones, on two threads, as torch's own convolution takes
another way on one; the prices that come nearest go into the table that `benchmarks.calibrate` writes, under the
instruction set that runs. Time is by the clock, so that it needs a machine that does nothing else.

`python -m benchmarks.calibrate_layers int8` measures integers alone (`bf16` those products, `weights` the weights'
gradient by im2col and by torch), beside im2col in float32: the prices are scaled by what that costs in the table, so
that they fit the others, whatever machine those are of. `CONVOLENS_ISA` says which set they are of: `avx512_vnni` for
integers where the processor also has `avx512_bf16`.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

import convolens as cl
from benchmarks.calibrate import Measured, fitted, known, seconds_of, write
from benchmarks.layers import DEPTHWISE, SHAPES
from convolens import _core
from convolens.layers import core, costs, methods, packing
from convolens.layers.geometry import Geometry, conv_geometry
from convolens.layers.levels import Levels
from convolens.layers.planner import PARTS, THREADS, LayerSpec, Winograd
from convolens.settings import multiplies_bfloat16, multiplies_tiles

RANDOM_LAYERS, FEWER_LAYERS = 300, 60
MIN_FILTERS = 16  # below which im2col is another kind of work
MIN_PRODUCTS, MAX_PRODUCTS = 2e4, 1.5e9
MAX_MAP, MAX_WEIGHTS = 2e7, 5e6

Work = dict[str, list[Measured]]


def run() -> None:
    """Measures, and writes the table."""
    cl.threads(THREADS)
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    work: Work = defaultdict(list)
    with torch.no_grad():
        for geometry in geometries():
            measure(geometry, work)
    found = {kind: {"float32": [float(f"{rate:.4g}") for rate in fitted(kind, "float32", work[kind])]} for kind in work}
    write(found, whole=False)


def run_beside(name: str) -> None:
    """Measures one method on some of the layers; the prices are those of the table's machine."""
    cl.threads(THREADS)
    torch.manual_seed(0)
    work: Work = defaultdict(list)

    def timed(kind: str, amounts: costs.Amounts, call: Callable[[], Any]) -> None:
        work[kind].append((amounts, seconds_of(call, clock=perf_counter)))

    for geometry in geometries(count=RANDOM_LAYERS if name == "weights" else FEWER_LAYERS):
        if geometry.groups == 1 and geometry.weight_shape[0] >= MIN_FILTERS:
            x, weight, bias = (
                torch.randn(shape) for shape in (geometry.x_shape, geometry.weight_shape, geometry.weight_shape[:1])
            )
            x = core.in_order(x)
            tensors = (x, weight, bias, x)
            measure_im2col(geometry, tensors, timed)
            if name == "int8":
                measure_int8(geometry, tensors, timed)
            elif name == "bf16":
                for method, parts in PARTS.items():
                    if method == "bf16" or multiplies_tiles():
                        measure_bfloat16(geometry, method, parts, tensors, timed)
            else:
                maps = x, core.in_order(torch.randn(geometry.y_shape))
                measure_weight_gradient(geometry, maps, timed)
                kind = f"torch weight gradient, channels-last, {costs.torch_kind(geometry)}"
                timed(kind, costs.torch_amounts(geometry), partial(methods.torch_weight_gradient, *maps, geometry))
    rates = known()["im2col"]["float32"]
    here = [planned(rates, amounts) / seconds for amounts, seconds in work["im2col"]]
    scale = statistics.median(here)
    print(f"the table's machine takes {scale:.2f} of this one's time")
    for kind in work.keys() - {"im2col", "im2col packing"}:
        scaled = [(amounts, seconds * scale) for amounts, seconds in work[kind]]
        write({kind: {"float32": [float(f"{rate:.4g}") for rate in fitted(kind, "float32", scaled)]}}, whole=False)


def planned(rates: list[float], amounts: costs.Amounts) -> float:
    """What such amounts take by the table."""
    return sum(rate * amount for rate, amount in zip(rates, amounts, strict=True))


def geometries(seed: int = 0, count: int = RANDOM_LAYERS) -> Iterator[Geometry]:
    """Layers of known networks, then random ones."""
    for channels, size, filters, kernel, stride in SHAPES:
        yield conv_geometry((1, channels, size, size), (filters, channels, kernel, kernel), stride, kernel // 2, 1, 1)
    for channels, size, stride in DEPTHWISE:
        yield conv_geometry((1, channels, size, size), (channels, 1, 3, 3), stride, 1, 1, channels)
    yield from random_geometries(random.Random(seed), count)


def random_geometries(draw: random.Random, count: int) -> Iterator[Geometry]:
    """Layers of any sizes that do not take too long."""
    while count:
        geometry = a_geometry(draw)
        if geometry is not None:
            count -= 1
            yield geometry


def a_geometry(draw: random.Random) -> Geometry | None:
    """A layer of random sizes; None where it would be too small or too large to measure, or impossible."""
    kernel, stride = draw.choice([1, 1, 1, 3, 3, 3, 3, 5, 7]), draw.choice([1, 1, 1, 2])
    dilation = draw.choice([1] * 8 + [2, 6]) if kernel == 3 else 1
    batch, size = draw.choice([1, 1, 1, 2, 8, 16]), round(2 ** draw.uniform(1.6, 8.3))
    channels, filters, groups = some_channels(draw), some_channels(draw), 1
    if draw.random() < 0.1:
        groups = filters = channels
    elif draw.random() < 0.05 and channels % 4 == filters % 4 == 0:
        groups = 4
    padding = draw.choice([kernel // 2 * dilation, kernel // 2 * dilation, 0])
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        return None
    shapes = (batch, channels, size, size), (filters, channels // groups, kernel, kernel)
    geometry = conv_geometry(*shapes, stride, padding, dilation, groups)
    products = prod(geometry.y_shape) * prod(geometry.weight_shape[1:])
    largest_map = max(prod(geometry.x_shape), prod(geometry.y_shape))
    fits = largest_map < MAX_MAP and prod(geometry.weight_shape) < MAX_WEIGHTS
    return geometry if fits and MIN_PRODUCTS < products < MAX_PRODUCTS else None


def some_channels(draw: random.Random) -> int:
    """Mostly a multiple of 8, now and then any number, or very few."""
    if draw.random() < 0.2:
        return draw.choice([1, 2, 3, 3, 4, 6])
    return round(2 ** draw.uniform(3, 8)) if draw.random() < 0.3 else 8 * max(1, round(2 ** draw.uniform(0, 7.2)))


def measure(geometry: Geometry, work: Work) -> None:
    """The times of everything that can be done with such a layer, each beside its amounts."""
    x, weight, bias, g = (
        torch.randn(shape)
        for shape in (geometry.x_shape, geometry.weight_shape, geometry.weight_shape[:1], geometry.y_shape)
    )
    x_last, g_last = (t.contiguous(memory_format=core.LAST) for t in (x, g))

    def timed(kind: str, amounts: costs.Amounts, call: Callable[[], Any]) -> None:
        work[kind].append((amounts, seconds_of(call, clock=perf_counter)))

    for order, inside, above in (("channels-last", x_last, g_last), ("planes", x, g)):
        kind, amounts = f"{order}, {costs.torch_kind(geometry)}", costs.torch_amounts(geometry)
        timed(f"torch output, {kind}", amounts, lambda x=inside: methods.torch_output(x, weight, bias, geometry))
        timed(
            f"torch input gradient, {kind}",
            amounts,
            lambda g=above: methods.torch_input_gradient(g, weight, geometry),
        )
        timed(
            f"torch weight gradient, {kind}",
            amounts,
            lambda x=inside, g=above: methods.torch_weight_gradient(x, g, geometry),
        )
    by_core(geometry, (x_last, weight, bias, g_last), timed)
    timed("pass", costs.pass_amounts(geometry.y_shape), lambda: torch.relu_(g_last))
    timed("to channels-last", costs.reordering_amounts(geometry.x_shape), lambda: core.in_order(x))
    timed("to planes", costs.reordering_amounts(geometry.y_shape), lambda: core.like(g_last, g))


def by_core(geometry: Geometry, tensors: tuple[Tensor, ...], timed: Callable[..., None]) -> None:
    """The core's methods that can do such a layer."""
    x, weight, bias, _ = tensors
    epilogue = core.Epilogue(bias, relu=True)
    for tile in (4, 2):
        if Winograd(tile).refuses(LayerSpec(geometry)) is None:
            measure_winograd(geometry, tile, tensors, timed)
    if geometry.groups == 1:
        measure_im2col(geometry, tensors, timed)
        measure_weight_gradient(geometry, (x, tensors[-1]), timed)
        measure_int8(geometry, tensors, timed)
        for name, parts in PARTS.items() if multiplies_bfloat16() else ():
            measure_bfloat16(geometry, name, parts, tensors, timed)
    if geometry.weight_shape[1] == 1 and geometry.groups == geometry.weight_shape[0] > 1:
        filters = packing.packed_depthwise(weight)
        amounts = costs.im2col_amounts(geometry)
        timed("depthwise", amounts, lambda: core.depthwise_output(x, weight, geometry, epilogue, filters))
        amounts = costs.packing_amounts(prod(geometry.weight_shape))
        timed("depthwise packing", amounts, lambda: _core.depthwise_weights(core.view_of(weight), filters.data_ptr()))


def measure_im2col(geometry: Geometry, tensors: tuple[Tensor, ...], timed: Callable[..., None]) -> None:
    """A product with inputs gathered into rows."""
    x, weight, bias, _ = tensors
    epilogue, packed = core.Epilogue(bias, relu=True), packing.packed(weight)
    assert packed is not None
    amounts = costs.im2col_amounts(geometry)
    timed(costs.im2col_kind(geometry), amounts, lambda: core.im2col_output(x, weight, geometry, epilogue, packed))
    amounts = costs.packing_amounts(prod(geometry.weight_shape))
    timed("im2col packing", amounts, lambda: _core.im2col_weights(core.view_of(weight), packed.data_ptr()))


def measure_weight_gradient(geometry: Geometry, maps: tuple[Tensor, Tensor], timed: Callable[..., None]) -> None:
    """The gradient in the weight as such a product."""
    amounts = costs.weight_gradient_amounts(geometry)
    timed("im2col weight gradient", amounts, lambda: core.weight_gradient(*maps, geometry))


def measure_int8(geometry: Geometry, tensors: tuple[Tensor, ...], timed: Callable[..., None]) -> None:
    """The same in 8-bit integers."""
    x, weight, bias, _ = tensors
    epilogue, packed, levels = core.Epilogue(bias, relu=True), packing.in_levels(weight), Levels(0.03, -127)
    assert packed is not None
    amounts = costs.int8_amounts(geometry)
    timed("int8", amounts, lambda: core.int8_output(x, weight, geometry, levels, epilogue, packed))
    amounts = costs.packing_amounts(prod(geometry.weight_shape) // 4)
    timed("int8 packing", amounts, lambda: _core.int8_weights(core.view_of(weight), packed.data_ptr()))


def measure_bfloat16(
    geometry: Geometry, name: str, parts: int, tensors: tuple[Tensor, ...], timed: Callable[..., None]
) -> None:
    """Products of bfloat16."""
    x, weight, bias, _ = tensors
    epilogue, packed = core.Epilogue(bias, relu=True), packing.in_bfloat16(weight, parts)
    assert packed is not None
    amounts = costs.bfloat16_amounts(geometry)
    timed(name, amounts, lambda: core.bfloat16_output(x, weight, geometry, parts, epilogue, packed))
    amounts = costs.packing_amounts(prod(geometry.weight_shape) * parts // 2)
    timed(f"{name} packing", amounts, lambda: _core.bfloat16_weights(core.view_of(weight), parts, packed.data_ptr()))


def measure_winograd(geometry: Geometry, tile: int, tensors: tuple[Tensor, ...], timed: Callable[..., None]) -> None:
    """Winograd's algorithm on tiles of one size, and its gradients."""
    x, weight, bias, g = tensors
    name, epilogue, packed = f"winograd{tile}", core.Epilogue(bias, relu=True), packing.transformed(weight, tile)
    rotated = packing.transformed(weight, tile, rotated=True)
    forward = costs.winograd_amounts(geometry, tile)
    backward = costs.winograd_amounts(geometry, tile, backward=True)
    timed(f"{name} output", forward, lambda: core.winograd_output(x, weight, geometry, tile, epilogue, packed))
    timed(f"{name} input gradient", backward, lambda: core.winograd_input_gradient(g, weight, geometry, tile, rotated))
    amounts = costs.packing_amounts(packed.numel())
    timed(f"{name} packing", amounts, lambda: _core.winograd_weights(core.view_of(weight), tile, packed.data_ptr()))
    if tile == 4:
        timed("winograd weight gradient", forward, lambda: core.winograd_weight_gradient(x, g, geometry))


if __name__ == "__main__":
    run_beside(sys.argv[1]) if sys.argv[1:] in (["int8"], ["bf16"], ["weights"]) else run()
