"""The cost model of a layer's methods: the amounts of each kind of work in float32, of which `planning` has the prices.

Torch's own convolution is several programs that suit several shapes (`torch_kind`), so that it has as many prices.
"""

from __future__ import annotations

from math import ceil, prod

from convolens.layers.geometry import Geometry

Amounts = tuple[float, ...]
Shape = tuple[int, ...]

# Numbers of a map past which it does not stay in the caches, and past which its memory is new at every call.
_CACHED = 1 << 18
_POOLED = 1 << 23

# Filters are computed this many at once; torch rounds channels up to a vector as well, but for a first layer's.
_WINOGRAD_FILTERS = 16
_PANEL = 32
_BFLOAT16_DEPTH = 64
_INT8_DEPTH = 4
_VECTOR = 16
_FIRST_CHANNELS = 4
_FEW = 8


def winograd_amounts(geometry: Geometry, tile: int, *, backward: bool = False) -> Amounts:
    """A call; products of tiles; tiles transformed, of the input and of the output; weights read; outputs; tiles.

    The gradient in the input, `backward`, is the same with filters and channels exchanged.
    """
    filters, channels, *_ = geometry.weight_shape
    n, _, height, width = geometry.y_shape
    if backward:
        filters, channels = channels, filters
        n, _, height, width = geometry.x_shape
    tiles, cells = n * ceil(height / tile) * ceil(width / tile), (tile + 2) ** 2
    products = tiles * cells * channels * _whole(filters, _WINOGRAD_FILTERS)
    transformed = tiles * cells * channels, tiles * cells * filters
    return 1.0, products, *transformed, cells * channels * filters, n * height * width * filters, tiles


def im2col_kind(geometry: Geometry) -> str:
    """Whether so few filters are computed that most of a panel is none."""
    return "im2col" if geometry.weight_shape[0] >= _VECTOR else "im2col, few filters"


def im2col_amounts(geometry: Geometry) -> Amounts:
    """A call; products; inputs gathered; outputs; weights read; places."""
    filters, *depth = geometry.weight_shape
    places, gathered = prod(geometry.y_shape) // filters, prod(depth)
    products = places * gathered * _whole(filters, _PANEL)
    return 1.0, products, places * gathered, places * filters, gathered * filters, places


def weight_gradient_amounts(geometry: Geometry) -> Amounts:
    """A call; products; numbers brought into order; weights; rows of the kernel over all places."""
    filters, *depth = geometry.weight_shape
    places, gathered = prod(geometry.y_shape) // filters, prod(depth)
    products = places * _whole(gathered, _PANEL) * filters
    return 1.0, products, places * (gathered + filters), gathered * filters, places * depth[1]


def bfloat16_amounts(geometry: Geometry) -> Amounts:
    """A call; products; inputs gathered; outputs; weights read; places."""
    filters, *depth = geometry.weight_shape
    places, gathered = prod(geometry.y_shape) // filters, prod(depth)
    products = places * _whole(gathered, _BFLOAT16_DEPTH) * _whole(filters, _PANEL)
    return 1.0, products, places * gathered, places * filters, gathered * filters, places


def int8_amounts(geometry: Geometry) -> Amounts:
    """A call; products; inputs gathered; inputs rounded; outputs; weights read; places."""
    filters, *depth = geometry.weight_shape
    places, gathered, inputs = prod(geometry.y_shape) // filters, prod(depth), prod(geometry.x_shape)
    products = places * _whole(gathered, _INT8_DEPTH) * _whole(filters, _PANEL)
    return 1.0, products, places * gathered, inputs, places * filters, gathered * filters, places


def packing_amounts(weights: int) -> Amounts:
    """A call; weights written in the order that a method reads them."""
    return 1.0, float(weights)


def torch_kind(geometry: Geometry) -> str:
    """Which of torch's programs computes such a layer."""
    filters, channels, rows, columns = geometry.weight_shape
    single = (rows, columns) == (1, 1)
    if geometry.groups > 1:
        return "depthwise" if channels == 1 and filters == geometry.groups and not single else "grouped"
    kernel = "single" if single else "window"
    if channels < _FEW:
        return "first" if channels in (1, 3) and not single else f"few channels, {kernel}"
    if filters < _FEW:
        return f"few filters, {kernel}"
    return kernel if geometry.stride == (1, 1) else f"{kernel} with a stride"


def torch_amounts(geometry: Geometry) -> Amounts:
    """A call; products; inputs and outputs; weights; of the maps what caches do not hold, and what is new memory.

    Then rows of the kernel over all places, and pictures.
    """
    filters, channels, rows, columns = geometry.weight_shape
    x, y, groups = prod(geometry.x_shape), prod(geometry.y_shape), geometry.groups
    places = y // filters
    wide = _whole(channels, _VECTOR if channels > _FIRST_CHANNELS else _FIRST_CHANNELS)
    products = places * rows * columns * wide * _whole(filters // groups, _VECTOR) * groups
    maps = (y * (y > _CACHED), x * (x > _CACHED), y * (y > _POOLED), x * (x > _POOLED))
    return 1.0, products, x, y, prod(geometry.weight_shape), *maps, places * rows, geometry.y_shape[0]


def reordering_amounts(shape: Shape) -> Amounts:
    """A call; numbers brought to another order; of them what caches do not hold, and what is new memory."""
    numbers = prod(shape) if shape[1] > 1 and shape[2] * shape[3] > 1 else 0  # else both orders are one
    return float(numbers > 0), numbers, numbers * (numbers > _CACHED), numbers * (numbers > _POOLED)


def pass_amounts(shape: Shape) -> Amounts:
    """A call; numbers read and written once; of them what caches do not hold."""
    numbers = prod(shape)
    return 1.0, numbers, numbers * (numbers > _CACHED)


def _whole(count: int, unit: int) -> int:
    """The count rounded up to whole units."""
    return ceil(count / unit) * unit
