"""Where a window lies: a layer's stride, padding and dilation as plain integers, checked once, and what they give.

No arrays pass through here. Results are cached by their arguments: a network asks the same few questions every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Integral
from typing import Literal

from convolens.errors import LayerArgumentError, LayerShapeError

Pair = tuple[int, int]
Size = int | Pair
Padding = Size | Literal["same", "valid", "full"]
PADDINGS = ("same", "valid", "full")


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution's sizes: all its implementations need besides the numbers themselves.

    `before` and `after` are the rows and columns of zeros added at the top left and the bottom right.
    """

    x_shape: tuple[int, int, int, int]
    weight_shape: tuple[int, int, int, int]
    y_shape: tuple[int, int, int, int]
    stride: Pair
    before: Pair
    after: Pair
    dilation: Pair
    groups: int
    _hash: int = field(init=False, repr=False, compare=False)  # asked for at every call of every layer

    def __post_init__(self) -> None:
        sizes = (self.x_shape, self.weight_shape, self.y_shape, self.stride, self.before, self.after, self.dilation)
        object.__setattr__(self, "_hash", hash((sizes, self.groups)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def symmetric(self) -> bool:
        """Whether both sides are padded alike, as torch's own convolution needs."""
        return self.before == self.after


def is_pointwise(geometry: Geometry) -> bool:
    """Whether each output sees one place, and all places are seen: its gradient in x is such a layer too."""
    one_cell = geometry.weight_shape[2:] == geometry.stride == (1, 1)
    return one_cell and geometry.before == geometry.after == (0, 0)


def adjoint_of(geometry: Geometry) -> Geometry:
    """The geometry of a pointwise layer's gradient in x, of one group."""
    filters, channels, *cell = geometry.weight_shape
    return conv_geometry(geometry.y_shape, (channels, filters, *cell), 1, 0, 1, 1)


def pair(value: object, subject: str, minimum: int) -> Pair:
    """`(rows, columns)` from a whole number or a pair of them, as torch.nn takes them.

    Raises:
        ArgumentError: not whole numbers, or below `minimum`.

    >>> pair(3, "stride", 1), pair((1, 2), "stride", 1)
    ((3, 3), (1, 2))
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    whole = all(isinstance(v, Integral) and not isinstance(v, bool) and minimum <= int(v) < 1 << 31 for v in values)
    if not whole or len(values) not in (1, 2):
        raise LayerArgumentError(
            f"{subject}: need a whole number of at least {minimum}, or a pair of them, got {value!r}"
        )
    return int(values[0]), int(values[-1])


def paddings(padding: object, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """The zeros `(rows, columns)` before and after, from a number, a pair or a word.

    `"same"` keeps the size, `"valid"` adds nothing, `"full"` reaches every output that sees any input. Where `"same"`
    needs an odd number of zeros the odd one comes after, as in torch.nn.

    Raises:
        ArgumentError: an unknown word, a negative or fractional number, or `"same"` with a stride.

    >>> paddings("same", (3, 4), (1, 1), (1, 1))
    ((1, 1), (1, 2))
    """
    overhang = (dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1))
    if not isinstance(padding, str):
        both = pair(padding, "padding", 0)
        return both, both
    if padding not in PADDINGS:
        words = ", ".join(repr(word) for word in PADDINGS)
        raise LayerArgumentError(f"padding: need a whole number, a pair of them or one of {words}, got {padding!r}")
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "full":
        return overhang, overhang
    if stride != (1, 1):
        raise LayerArgumentError(f"padding 'same': need stride 1, got {stride}; give the padding as a number")
    before = (overhang[0] // 2, overhang[1] // 2)
    return before, (overhang[0] - before[0], overhang[1] - before[1])


@lru_cache(maxsize=4096)
def conv_geometry(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
) -> Geometry:
    """The geometry of a convolution of `(N, C, H, W)` with `(F, C / groups, rows, columns)`.

    Raises:
        ShapeError: channels, filters and groups do not fit, an axis is empty, or the kernel is larger than the padded
            input.
        ArgumentError: a stride, padding, dilation or number of groups that cannot be used.
    """
    n, c, h, w = x_shape
    filters, per_group, rows, columns = weight_shape
    strides, spacing = pair(stride, "stride", 1), pair(dilation, "dilation", 1)
    before, after = paddings(padding, (rows, columns), strides, spacing)
    _check_groups(c, filters, per_group, groups, weight_shape)
    if 0 in (c, h, w, filters, rows, columns):
        raise LayerShapeError(f"x and weight: need no empty axis but the batch, got {x_shape} and {weight_shape}")
    size = []
    for axis, (have, kernel) in enumerate(((h, rows), (w, columns))):
        padded, span = have + before[axis] + after[axis], spacing[axis] * (kernel - 1) + 1
        if padded < span:
            raise LayerShapeError(
                f"weight: need a kernel no larger than the padded input, got {span} over {padded} "
                f"{('rows', 'columns')[axis]} (x {x_shape}, weight {weight_shape}, dilation {spacing[axis]})"
            )
        size.append((padded - span) // strides[axis] + 1)
    y_shape = (n, filters, size[0], size[1])
    # One cell has no distance to another; some sizes with one make torch's own kernel crash.
    spacing = (spacing[0] if rows > 1 else 1, spacing[1] if columns > 1 else 1)
    return Geometry(
        (n, c, h, w), (filters, per_group, rows, columns), y_shape, strides, before, after, spacing, int(groups)
    )


def _check_groups(channels: int, filters: int, per_group: int, groups: int, weight_shape: tuple[int, ...]) -> None:
    if isinstance(groups, bool) or not isinstance(groups, Integral) or groups < 1:
        raise LayerArgumentError(f"groups: need a whole number of at least 1, got {groups!r}")
    if channels % groups or filters % groups:
        raise LayerShapeError(f"groups: need a divisor of {channels} channels and {filters} filters, got {groups}")
    if per_group * groups != channels:
        raise LayerShapeError(
            f"weight: need (filters, {channels // groups}, rows, columns) for {channels} channels in {groups} "
            f"group{'s' * (groups > 1)}, got {weight_shape}"
        )


@lru_cache(maxsize=4096)
def pooled_size(x_size: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Pair:
    """Rows and columns that pooling leaves.

    In ceil mode a last window may hang over the end, but must start inside the input or its left padding.

    Raises:
        ArgumentError: padding of more than half a window, which would leave windows without input.
        ShapeError: no window fits the padded input (in ceil mode one may hang over by less than its step), or one
            would see nothing but padding between its spread cells.

    >>> pooled_size((5, 5), (2, 2), (2, 2), (0, 0), (1, 1), True)
    (3, 3)
    """
    result = []
    for have, window, step, pad, spacing in zip(x_size, size, stride, padding, dilation, strict=True):
        if 2 * pad > window:
            raise LayerArgumentError(f"padding: need at most half the window of {window}, got {pad}")
        minimum = spacing * (window - 1) + 1 - (step - 1 if ceil_mode else 0)
        room = have + 2 * pad - minimum
        if have == 0 or room < 0:
            raise LayerShapeError(
                f"x: need at least {max(1, minimum)} rows and columns with padding for windows of {size}, "
                f"got {x_size} padded by {padding}"
            )
        count = room // step + 1
        count -= ceil_mode and (count - 1) * step >= have + pad
        first_seen = (start % spacing for start in range(-pad, min(0, count * step - pad), step))
        if any(cell >= have for cell in first_seen):
            raise LayerShapeError(
                f"x: need rows and columns that each window of {size} spread by {dilation} sees a cell of, "
                f"got {x_size} padded by {padding}"
            )
        result.append(count)
    return result[0], result[1]
